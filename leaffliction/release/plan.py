"""Which images a released model is trained on, and how often each.

Every class gets images on every kind of ground, as many as any other class:

    laboratory   photographs from there, copies of them, and leaves from the
                 tree in a laboratory's outline
    drawn        synthetic field images, as train.py makes them
    orchard      photographs from there, copies, and leaves from the
                 laboratory laid on photographs of healthy apple trees
    web          photographs from there, and scenes of the kinds that people
                 put on the web
    strangers    photographs of other plants, whole and in outlines; the
                 network is trained to be unsure of them
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from leaffliction.release.scenes import Scene
from leaffliction.release.dataset import LEAVES, ORCHARD, Sources
from leaffliction.training.split import TRAINING
from leaffliction.utils.errors import UserError
from leaffliction.utils.labels import Dataset

# How often images on each ground are seen, beside each other.
GROUND_WEIGHTS = {"laboratory": 0.28, "drawn": 0.06, "orchard": 0.32,
                  "web": 0.22, "strangers": 0.07}
OUTLIER = -1             # label of a stranger
LABORATORY_IMAGES = 700  # of each class, photographs and copies, at least
WEB_COPIES = 6           # of each photograph from the web
STRANGER_COPIES = 2
OUTLINES = 150           # of each class of the orchard, on each ground
# Number of scenes of each class and kind.
DRAWN, ON_ORCHARD, ON_STRANGERS, ON_PLAIN, FOLIAGE, CLOSE_UPS = (
    150, 350, 320, 250, 350, 150)
# Share of a leaf that its lesions take at least, where it is to show its
# disease in a scene: on a small leaf fewer could not be seen.
VISIBLE_LESIONS = 0.03
# Weight of a photograph's copy from the web beside a scene's weight of 1.
WEB_WEIGHT = 4


@dataclass(frozen=True)
class Planned:
    """One image to be trained on.

    image: a file, or the recipe of an image.  label: of its class, or
    OUTLIER.  ground: a key of GROUND_WEIGHTS.
    fold: of a photograph from the web, else -1.
    weight: how often it is sampled, beside others of its class on its ground.
    """

    image: Path | Scene
    label: int
    ground: str
    fold: int = -1
    weight: float = 1.0

    @property
    def path(self) -> Path:
        """The photograph that gives the class."""
        return self.image.path if isinstance(self.image, Scene) else self.image


class Planner:
    """Plans images, each with a seed of its own."""

    def __init__(self, sources: Sources, seed: int,
                 lesion_shares: dict[Path, float]) -> None:
        """Prepare.

        lesion_shares: of each laboratory leaf, 0..1.
        Raises UserError where the orchard has no healthy class.
        """
        self.rng = np.random.default_rng(seed)
        self.seed = seed
        self.plants = sources.parts.training.plants
        self.class_names = sources.class_names
        self.lesion_shares = lesion_shares
        self.laboratory = by_class(sources.parts.training, LEAVES)
        self.orchard = by_class(sources.parts.training, ORCHARD)
        self.web = list(zip(sources.web.paths(), sources.web.labels.tolist(),
                            sources.folds().tolist()))
        self.strangers = sources.strangers_in(TRAINING)
        self.healthy_trees = [
            path for label, paths in self.orchard.items()
            for path in paths if is_healthy(self.class_names[label])]
        if not self.healthy_trees:
            raise UserError(f"{sources.data / ORCHARD}: has no healthy class, "
                            "whose photographs are the grounds of scenes")
        self.planned: list[Planned] = []

    def plan(self) -> list[Planned]:
        """Return all images to be trained on."""
        for label in range(len(self.class_names)):
            if label in self.laboratory:
                self.plan_laboratory(label)
                self.plan_scenes(label)
            if label in self.orchard:
                self.plan_orchard(label)
        for path, label, fold in self.web:
            for _ in range(WEB_COPIES):
                self.add("copy", path, label, "web", fold=fold,
                         weight=WEB_WEIGHT)
        for path in self.strangers:
            self.plan_stranger(path)
        return self.planned

    def plan_laboratory(self, label: int) -> None:
        """Plan the photographs of a class in the laboratory, and copies."""
        paths = self.laboratory[label]
        for path in paths:
            self.planned.append(Planned(path, label, "laboratory"))
        missing = max(0, LABORATORY_IMAGES - len(paths))
        for _ in range(missing + OUTLINES):
            self.add("mild copy", self.pick(paths), label, "laboratory")

    def plan_scenes(self, label: int) -> None:
        """Plan the scenes of a class that the laboratory has."""
        paths = self.laboratory[label]
        for _ in range(DRAWN):
            self.add("drawn", self.pick(paths), label, "drawn")
        is_ill = not is_healthy(self.class_names[label])
        if is_ill:
            paths = [path for path in paths if self.lesion_shares.get(
                path, 0) >= VISIBLE_LESIONS] or paths
        # numbers: of further leaves; one of them at random.
        for kind, ground, count, grounds, numbers in (
                ("on ground", "orchard", ON_ORCHARD, self.healthy_trees,
                 (0, 0, 1, 2, 3)),
                ("on ground", "web", ON_STRANGERS, self.strangers,
                 (0, 0, 1, 2, 3)),
                ("on plain", "web", ON_PLAIN, None, (0, 0, 0, 1, 2)),
                ("foliage", "web", FOLIAGE, None, (2,)),
                ("close-up", "web", CLOSE_UPS, None, (0,))):
            for _ in range(count):
                others = range(self.rng.choice(numbers))
                self.add(kind, self.pick(paths), label, ground, is_ill=is_ill,
                         others=tuple(self.pick(paths) for _ in others),
                         under=self.pick_ground(kind, grounds))

    def plan_orchard(self, label: int) -> None:
        """Plan the photographs of a class in the orchard, and copies."""
        paths = self.orchard[label]
        for path in paths:
            self.planned.append(Planned(path, label, "orchard"))
            self.add("copy", path, label, "orchard")
        for _ in range(OUTLINES):
            self.add("in laboratory", self.pick(paths), label, "laboratory",
                     under=self.pick_leaf(), outline=self.pick_leaf())
            for ground in (self.pick(self.strangers), None):
                self.add("outline", self.pick(paths), label, "web",
                         under=ground, outline=self.pick_leaf())

    def plan_stranger(self, path: Path) -> None:
        """Plan a photograph of another plant, copies and outlines of it."""
        self.planned.append(Planned(path, OUTLIER, "strangers"))
        for _ in range(STRANGER_COPIES):
            self.add("copy", path, OUTLIER, "strangers")
        self.add("in laboratory", path, OUTLIER, "strangers",
                 under=self.pick_leaf(), outline=self.pick_leaf())
        for ground in (self.pick(self.healthy_trees), None):
            self.add("outline", path, OUTLIER, "strangers", under=ground,
                     outline=self.pick_leaf())

    def add(self, kind: str, path: Path, label: int, ground: str,
            **details) -> None:
        """Add a scene; details: of Scene (`under`: its ground), of Planned.
        """
        fold, weight = details.pop("fold", -1), details.pop("weight", 1.0)
        scene = Scene(
            kind, path, "" if label == OUTLIER else self.plants[label],
            (self.seed, len(self.planned)), ground=details.pop("under", None),
            **details)
        self.planned.append(Planned(scene, label, ground, fold, weight))

    def pick(self, paths: Sequence[Path]) -> Path:
        """Return a random path."""
        return paths[self.rng.integers(len(paths))]

    def pick_leaf(self) -> Path:
        """Return a random photograph of the laboratory."""
        return self.pick(self.pick(list(self.laboratory.values())))

    def pick_ground(self, kind: str, grounds: Sequence[Path] | None
                    ) -> Path | None:
        """Return the photograph behind a scene; None: a drawn background."""
        if kind == "foliage":
            choice = self.rng.integers(3)
            grounds = (self.healthy_trees, self.strangers, None)[choice]
        return self.pick(grounds) if grounds else None


def by_class(dataset: Dataset, folder: str) -> dict[int, list[Path]]:
    """Return {label: photographs} of one of the source folders."""
    paths = defaultdict(list)
    for file, label in zip(dataset.files, dataset.labels.tolist()):
        if file.parts[0] == folder:
            paths[label].append(dataset.root / file)
    return dict(paths)


def is_healthy(class_name: str) -> bool:
    """Return whether a class is that of healthy leaves."""
    return class_name.lower().endswith("healthy")


def sampling_weights(labels: np.ndarray, grounds: np.ndarray,
                     weights: np.ndarray) -> np.ndarray:
    """Return how often each of N images is sampled, float (N,), sum 1.

    labels: int (N,).  grounds: keys of GROUND_WEIGHTS, (N,).
    weights: of images of one class on one ground, beside each other, float
    (N,); 0: never.
    Each ground gets its weight, and each class the same share of a ground.
    """
    result = np.zeros(len(labels))
    for ground, weight in GROUND_WEIGHTS.items():
        on_ground = (grounds == ground) & (weights > 0)
        classes = np.unique(labels[on_ground])
        for label in classes:
            rows = on_ground & (labels == label)
            result[rows] = weights[rows] / weights[rows].sum() * (
                weight / len(classes))
    return result / result.sum()
