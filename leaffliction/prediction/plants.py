"""One prediction for a plant, from several photographs of it.

A leaf may not show what its neighbour shows.  Mrisho et al. 2020
(doi:10.3389/fpls.2020.590889) diagnose cassava by six leaves of a plant: they
are right more often than by one.  Here the photographs' calibrated logits are
averaged; docs/explanation/field.md says what this is worth.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from leaffliction.model.classifier import Prediction
from leaffliction.model.metrics import MIN_PROBABILITY, softmax
from leaffliction.prediction.batch import PredictedFile
from leaffliction.prediction.hints import NOT_LIKE_LEARNED, Hint
from leaffliction.utils.errors import UserError

# Of two photographs' evidence: 1 would say that the second tells nothing new,
# 0 that it tells as much as the first.  Chosen on photographs of orchards
# that were not learned from (docs/explanation/field.md).
CORRELATION = 0.5


@dataclass(frozen=True)
class PredictedPlant:
    """The prediction for one plant: a folder that holds photographs.

    path: the folder.  prediction: see `combine`.
    photographs: those that can be read, at least one.
    """

    path: Path
    prediction: Prediction
    photographs: tuple[PredictedFile, ...]

    @property
    def agree(self) -> int:
        """The number of photographs with a vote for the plant's class."""
        return (len(self.photographs) - len(self.differing)
                - len(self.without_vote))

    @property
    def differing(self) -> list[Path]:
        """The photographs with a vote for another class."""
        return [one.path for one in self.photographs
                if has_vote(one.prediction, self.prediction.known)
                and one.prediction.class_name != self.prediction.class_name]

    @property
    def hints(self) -> tuple[Hint, ...]:
        """The hints about all photographs that say more than the plant.

        What is not like the leaves learned is named by `without_vote`.
        """
        return tuple(hint for one in self.photographs for hint in one.hints
                     if hint.code != NOT_LIKE_LEARNED
                     or not self.prediction.known)

    @property
    def without_vote(self) -> list[Path]:
        """The photographs out of distribution, in a plant that is known."""
        return [one.path for one in self.photographs
                if not has_vote(one.prediction, self.prediction.known)]


def combine(predictions: Sequence[Prediction]) -> Prediction:
    """Return one prediction from those for photographs of one plant.

    predictions: at least one, all by one classifier.

    The plant is known if at least half of its photographs are; then only
    those have a vote, so that a photograph of the grower's boots does not
    count.  Otherwise all have one.  The probabilities are the softmax of the
    mean of the voters' calibrated logits (the logarithms of their calibrated
    probabilities) times `independent_photographs`; so one photograph keeps
    its probabilities.  The OOD score is the lower median, which is at most
    the threshold where half of the scores are.  There is no class map: it
    has 0 x 0 regions.
    """
    by_score = sorted(predictions, key=lambda one: one.ood_score)
    middle = by_score[(len(by_score) - 1) // 2]
    probabilities = np.array([
        one.probabilities for one in predictions
        if has_vote(one, middle.known)])
    logits = np.log(np.maximum(probabilities, MIN_PROBABILITY))
    return Prediction(
        middle.class_names,
        softmax(independent_photographs(len(logits)) * logits.mean(axis=0)),
        middle.ood_score, middle.known,
        np.empty((0, 0, len(middle.class_names)), np.float32))


def independent_photographs(count: int) -> float:
    """Return how many independent photographs are worth as much as `count`.

    Kish's design effect (Survey Sampling, 1965), with CORRELATION: 1 for one
    photograph, and at most 2.
    """
    return count / (1 + (count - 1) * CORRELATION)


def has_vote(prediction: Prediction, plant_is_known: bool) -> bool:
    """Return whether a photograph counts for its plant."""
    return prediction.known or not plant_is_known


def group_by_folder(paths: Iterable[Path]) -> dict[Path, list[Path]]:
    """Return {folder: the images that it holds itself}, each image once.

    Folders and images are in the order in which they first appear.
    """
    folders: dict[Path, dict[Path, None]] = {}
    for path in paths:
        folders.setdefault(path.parent, {})[path] = None
    return {folder: list(images) for folder, images in folders.items()}


def combine_folders(folders: dict[Path, list[Path]],
                    results: Iterable[PredictedFile | UserError]
                    ) -> Iterator[tuple[Path, PredictedPlant | UserError]]:
    """Yield (image, error) for each unreadable image, (folder, plant).

    results: for each image of each folder, in order.  They are read as the
    plants are asked for: those of one folder are in memory at a time.
    A folder of which no image can be read has errors alone.
    """
    results = iter(results)
    for folder, paths in folders.items():
        photographs = []
        for path, result in zip(paths, islice(results, len(paths))):
            if isinstance(result, UserError):
                yield path, result
            else:
                photographs.append(result)
        if photographs:
            yield folder, predict_plant(folder, photographs)


def predict_plant(folder: Path, photographs: Sequence[PredictedFile]
                  ) -> PredictedPlant:
    """Return the prediction for a folder from those for its photographs."""
    return PredictedPlant(folder, combine([one.prediction for one in
                                           photographs]), tuple(photographs))
