"""Predict many image files, in parallel and in order."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from leaffliction.model.classifier import Classifier, Prediction
from leaffliction.prediction.hints import Hint, find_hints
from leaffliction.utils.errors import UserError
from leaffliction.utils.images import shrink
from leaffliction.utils.parallel import Workers

# Longest side of the pixels that a result carries: a figure shows no more.
MAX_SIDE = 800


@dataclass(frozen=True)
class PredictedFile:
    """The prediction for one image file.

    rgb_img: its pixels for a figure, RGB uint8 (H, W, 3), the longer side at
    most MAX_SIDE; None where they were not asked for.
    hints: what could be better about the photograph; () where they were not
    asked for.
    """

    path: Path
    prediction: Prediction
    rgb_img: np.ndarray | None = None
    hints: tuple[Hint, ...] = ()


def predict_files(classifier: Classifier, paths: Sequence[Path],
                  workers: Workers, with_pixels: int = 0,
                  with_hints: bool = False
                  ) -> Iterator[PredictedFile | UserError]:
    """Yield the prediction for each file, or why it can't be read, in order.

    with_hints: whether the results carry hints.
    with_pixels: number of results, from the first, that carry pixels.  With
    these a figure need not decode the files again.  The pixels of all files
    would fill the memory, and the network of a cluster.
    """
    items = [(path, number < with_pixels)
             for number, path in enumerate(paths)]
    predict = partial(_predict_file, classifier=classifier,
                      with_hints=with_hints)
    return workers.map(predict, items, in_threads=True,
                       name_of=lambda item: str(item[0]))


def _predict_file(item: tuple[Path, bool], classifier: Classifier,
                  with_hints: bool) -> PredictedFile:
    """Return the prediction for (path, whether it carries pixels)."""
    path, carries_pixels = item
    rgb_img = classifier.read(path)
    prediction = classifier.predict_image(rgb_img)
    return PredictedFile(
        path, prediction,
        shrink(rgb_img, MAX_SIDE) if carries_pixels else None,
        find_hints(rgb_img, prediction) if with_hints else ())


def ensure_pixels(result: PredictedFile, classifier: Classifier
                  ) -> PredictedFile:
    """Return the result with pixels, reading the file if it has none.

    Where some of the first files can't be read, the figure shows later
    ones, which carry no pixels.  Raises UserError where it can't be read.
    """
    if result.rgb_img is not None:
        return result
    return replace(result, rgb_img=shrink(classifier.read(result.path),
                                          MAX_SIDE))
