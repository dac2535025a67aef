"""How a released model is trained: as in train.py, with a pool to sample from.

docs/explanation/release.md says what else was tried.
"""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from leaffliction.release.plan import Planned, Planner
from leaffliction.release.pool import Pool
from leaffliction.release.dataset import Sources, is_indoors
from leaffliction.training import loop
from leaffliction.training.backbone import FrozenBackbone, load_backbone
from leaffliction.training.backgrounds import (Backgrounds,
                                               collect_backgrounds)
from leaffliction.training.config import (LEARNING_RATE, FineTuningPlan,
                                          TrainConfig)
from leaffliction.training.cutouts import cut_out_file
from leaffliction.training.examples import Examples
from leaffliction.training.features import extract_features, load_image
from leaffliction.training.keras import import_keras
from leaffliction.training.litert import to_litert
from leaffliction.training.loop import Fitted
from leaffliction.training.network import (build_classifier, build_head,
                                           fast_precision, fold_batch_norm)
from leaffliction.utils.labels import Dataset
from leaffliction.utils.parallel import Workers, raise_errors
from leaffliction.utils.progress import progress

CONFIG = TrainConfig(validation=0.15, size=224)
# Images that fine-tuning sees, each sampled from the pool.
IMAGES = 70_000
# How far fine-tuning may move the weights from those that only got a new
# head.  Networks in between hold better on other kinds of photographs than
# either end (WiSE-FT; Wortsman et al. 2022).
KEPT_CHANGE = 0.8


@dataclass(frozen=True)
class Prepared:
    """What all networks of a release are trained on.

    early_stopping: examples of that part of laboratory and orchard.
    """

    config: TrainConfig
    sources: Sources
    backbone: FrozenBackbone
    backgrounds: Backgrounds
    pool: Pool
    early_stopping: Examples

    @property
    def classes(self) -> int:
        """The number of classes."""
        return len(self.sources.class_names)


def prepare(sources: Sources, config: TrainConfig, scratch: Path,
            workers: Workers) -> Prepared:
    """Plan all images, and compute the frozen layers' features of each.

    scratch: folder for the features.
    """
    training = sources.parts.training
    laboratory = training.subset(np.flatnonzero(is_indoors(training)))
    backbone = load_backbone(config, training.paths(), scratch, workers)
    backgrounds = collect_backgrounds(laboratory, config.size, config.seed,
                                      workers)
    planned = Planner(sources, config.seed,
                      measure_lesions(laboratory, workers)).plan()
    model = to_litert(backbone.lower())
    load = partial(load_planned, size=config.size, backgrounds=backgrounds)
    pool = Pool.of(planned, extract_features(
        model, planned, load, workers, scratch / "pool.npy",
        "Features of the pool"))
    stopping = sources.parts.early_stopping
    features = extract_features(
        model, stopping.paths(), partial(load_image, size=config.size),
        workers, scratch / "early_stopping.npy",
        "Features of the early-stopping set")
    return Prepared(config, sources, backbone, backgrounds, pool,
                    Examples(features, stopping.labels))


def load_planned(planned: Planned, size: int, backgrounds: Backgrounds
                 ) -> np.ndarray:
    """Return a planned image, preprocessed, float32 (1, size, size, 3)."""
    return load_image(planned.image, size, backgrounds)


def measure_lesions(laboratory: Dataset, workers: Workers
                    ) -> dict[Path, float]:
    """Return the share of its leaf that each photograph's lesions take."""
    paths = laboratory.paths()
    shares = raise_errors(workers.map(lesion_share, paths, in_threads=True))
    return dict(zip(paths, progress(shares, len(paths), "Lesions")))


def lesion_share(path: Path) -> float:
    """Return the share of the leaf in a file that is diseased, 0..1."""
    leaf = cut_out_file(path)
    if leaf is None:
        return 0.0
    return np.count_nonzero(leaf.lesions) / np.count_nonzero(leaf.mask)


def fit_network(prepared: Prepared, images: int,
                left_out: np.ndarray | None = None) -> Fitted:
    """Train a network on images sampled from the pool.

    images: how many it sees.  left_out: bool (N,), images of the pool that
    it does not see.
    """
    config, classes = prepared.config, prepared.classes
    import_keras().utils.set_random_seed(config.seed)
    rng = np.random.default_rng(config.seed)
    training = prepared.pool.sample(
        images, classes, np.zeros(len(prepared.pool.labels), bool)
        if left_out is None else left_out, rng)
    # No early stopping: it would judge by two of the kinds of photographs.
    plan = FineTuningPlan(LEARNING_RATE, 1, config.batch_size, None)
    precision = fast_precision()
    top = fold_batch_norm(prepared.backbone.model,
                          prepared.backbone.split_layer, precision)
    head = build_head(classes)
    network = build_classifier(top, head)
    head_history = loop.train_head(
        head, loop.pool_examples(top, training, rng),
        loop.pool_examples(top, prepared.early_stopping, rng), plan.patience)
    before = network.get_weights()
    history, interrupted = loop.fine_tune(
        network, training, prepared.early_stopping, plan, rng)
    network.set_weights([
        start + KEPT_CHANGE * (end - start)
        for start, end in zip(before, network.get_weights())])
    logits = loop.outputs(network, prepared.early_stopping.features,
                          np.arange(len(prepared.early_stopping.targets)))
    return Fitted(top, head, precision, plan, (head_history, history), logits,
                  interrupted)
