"""Predict many image files, in parallel and in order."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from leaffliction.model.classifier import Classifier, Prediction
from leaffliction.prediction.hints import Hint, find_hints
from leaffliction.prediction.leaf_views import (MAX_SIDE, LesionSummary,
                                                measure_lesions)
from leaffliction.utils.errors import UserError
from leaffliction.utils.folders import find_images
from leaffliction.utils.images import encode_jpeg, shrink
from leaffliction.utils.parallel import Workers
from leaffliction.utils.path_hints import expand_wildcards

# Longer side in pixels, and quality of the JPEG.
THUMBNAIL_SIDE, THUMBNAIL_QUALITY = 256, 80


@dataclass(frozen=True)
class PredictedFile:
    """The prediction for one image file.

    rgb_img: its pixels for a figure, RGB uint8 (H, W, 3), the longer side at
    most MAX_SIDE; None where they were not asked for.
    hints: what could be better about the photograph; () where they were not
    asked for.
    thumbnail: JPEG for a report, the longer side at most THUMBNAIL_SIDE; None
    where it was not asked for.
    lesions: measured for a report; None where no leaf is found, or where no
    report was asked for.
    """

    path: Path
    prediction: Prediction
    rgb_img: np.ndarray | None = None
    hints: tuple[Hint, ...] = ()
    thumbnail: bytes | None = None
    lesions: LesionSummary | None = None


def list_images(paths: Iterable[Path]) -> list[Path]:
    """Return the images that the paths name, in the order given.

    Folders are searched; wildcards that the shell left are expanded.
    Raises UserError for a folder without images, and for a wildcard that
    matches nothing.
    """
    images = []
    for path in (match for given in paths
                 for match in expand_wildcards(given)):
        if path.is_dir():
            files = find_images(path)
            if not files:
                raise UserError(f"{path}: no images in it or below it")
            images += [path / file for file in files]
        else:
            images.append(path)
    return images


def predict_files(classifier: Classifier, paths: Sequence[Path],
                  workers: Workers, with_pixels: int = 0,
                  with_hints: bool = False, for_report: bool = False
                  ) -> Iterator[PredictedFile | UserError]:
    """Yield the prediction for each file, or why it can't be read, in order.

    with_pixels: number of results, from the first, that carry pixels.  With
    these a figure need not decode the files again.  The pixels of all files
    would fill the memory, and the network of a cluster.
    with_hints: all carry hints.
    for_report: all carry a thumbnail and their lesions.
    """
    items = [(path, number < with_pixels)
             for number, path in enumerate(paths)]
    predict = partial(_predict_file, classifier=classifier,
                      with_hints=with_hints, for_report=for_report)
    return workers.map(predict, items, in_threads=True,
                       name_of=lambda item: str(item[0]))


def _predict_file(item: tuple[Path, bool], classifier: Classifier,
                  with_hints: bool, for_report: bool) -> PredictedFile:
    """Return the prediction for (path, whether it carries pixels)."""
    path, carries_pixels = item
    rgb_img = classifier.read(path)
    prediction = classifier.predict_image(rgb_img)
    result = PredictedFile(
        path, prediction,
        shrink(rgb_img, MAX_SIDE) if carries_pixels else None,
        find_hints(rgb_img, prediction) if with_hints else ())
    if not for_report:
        return result
    thumbnail = shrink(rgb_img, THUMBNAIL_SIDE)
    return replace(result, lesions=measure_lesions(rgb_img),
                   thumbnail=encode_jpeg(thumbnail, THUMBNAIL_QUALITY))


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
