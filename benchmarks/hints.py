"""How often are hints said, from where on are they needed, what do they cost?

    python -m benchmarks.hints DATA
    python -m benchmarks.hints DATA --learnings models/apple-grape.zip \\
        --split models/apple-grape-split.csv

DATA, --learnings, --split: as for benchmarks.release; photographs that were
learned from are left out, except those from the web.  Prints

- how many photographs of each kind get each hint, %;
- for photographs that were made worse, step by step: the network's accuracy,
  the share known, and the share that gets the hint, % (field only measures:
  no threshold was chosen by it);
- what becomes of photographs that are not known when only their centre is
  shown, as if the photographer had come closer;
- how often the leaves' hints are the same as at LARGE_SIDE pixels;
- milliseconds of a core's time an image, beside those of the prediction.
"""

import argparse
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from unittest import mock

import cv2
import numpy as np

from benchmarks.release import add_inputs, default_split
from leaffliction.model.classifier import Classifier, centre_crop
from leaffliction.prediction import hints
from leaffliction.release.photographs import (FIELD, LABORATORY, ORCHARD, WEB,
                                              Photographs, read_photographs,
                                              read_split)
from leaffliction.transformation.mask import leaf_mask
from leaffliction.utils import cli
from leaffliction.utils.images import read_image

JOBS = 2
WORSE_IMAGES = 240      # photographs of a kind that are made worse
TIMED_IMAGES, ROUNDS = 200, 5
LARGE_SIDE = 256
CLOSER = (0.85, 0.7, 0.5)       # of the photograph's sides that remain
LEAF_CODES = {"several_leaves", "small_leaf", "cut_leaf"}
GAMMA = 2.2             # of a photograph's levels
READ_NOISE = 0.0015     # of a sensor, as a fraction of its range
GROUND_NOISE = 3        # of the ground that a leaf is laid on, levels
BORDER = 8              # pixels along the edges that show the ground


def blur(rgb_img: np.ndarray, percent: float) -> np.ndarray:
    """Return an image out of focus.

    percent: standard deviation of the blur, % of the longer side.
    """
    return cv2.GaussianBlur(rgb_img, (0, 0),
                            percent / 100 * max(rgb_img.shape))


def expose(rgb_img: np.ndarray, stops: float) -> np.ndarray:
    """Return an image with 2 ** stops times the light, and a sensor's noise.
    """
    light = (rgb_img / 255) ** GAMMA * 2 ** stops
    light += np.random.default_rng(0).normal(0, READ_NOISE, light.shape)
    return np.uint8(np.round(255 * np.clip(light, 0, 1) ** (1 / GAMMA)))


def darken(rgb_img: np.ndarray, stops: float) -> np.ndarray:
    """Return an image underexposed by so many stops."""
    return expose(rgb_img, -stops)


def lay_smaller(rgb_img: np.ndarray, scale: float) -> np.ndarray:
    """Return the leaf at a fraction of its size, in an image of one colour."""
    side = max(8, round(len(rgb_img) * scale))
    corner = (len(rgb_img) - side) // 2
    small_img, mask = (cv2.resize(image, (side, side),
                                  interpolation=cv2.INTER_AREA)
                       for image in (rgb_img, leaf_mask(rgb_img) * 1.0))
    whole = ground_of(rgb_img)
    window = whole[corner:corner + side, corner:corner + side]
    window[:] = blend(small_img, mask, window)
    return whole


def move_out(rgb_img: np.ndarray, fraction: float) -> np.ndarray:
    """Return an image whose right edge cuts this fraction of the leaf off."""
    mask = leaf_mask(rgb_img)
    x, _, width, _ = cv2.boundingRect(mask.astype(np.uint8))
    by = max(0, round(mask.shape[1] - x - width + fraction * width))
    kept = mask.shape[1] - by
    whole = ground_of(rgb_img)
    soft = cv2.GaussianBlur(mask * 1.0, (0, 0), 0.7)
    whole[:, by:] = blend(rgb_img[:, :kept], soft[:, :kept], whole[:, by:])
    return whole


def ground_of(rgb_img: np.ndarray) -> np.ndarray:
    """Return the ground alone: the colour of an image's border, and grain."""
    border = np.ones(rgb_img.shape[:2], bool)
    border[BORDER:-BORDER, BORDER:-BORDER] = False
    noise = np.random.default_rng(0).normal(0, GROUND_NOISE, rgb_img.shape)
    return np.uint8(np.clip(np.median(rgb_img[border], axis=0) + noise, 0,
                            255))


def blend(rgb_img: np.ndarray, mask: np.ndarray, ground: np.ndarray
          ) -> np.ndarray:
    """Return an image where the mask is 1, and the ground where it is 0."""
    opacity = mask[..., np.newaxis]
    return np.uint8(opacity * rgb_img + (1 - opacity) * ground)


# How photographs are made worse: code of the hint, what the strength is, the
# function, strengths, and the kinds of photographs.
MADE_WORSE = (LABORATORY, ORCHARD, FIELD)
WORSE: tuple[tuple[str, str, Callable, Sequence[float], tuple], ...] = (
    ("blurred", "blur, % of the side", blur,
     (0.2, 0.4, 0.6, 0.8, 1, 1.2, 1.6, 2), MADE_WORSE),
    ("too_dark", "stops too dark", darken, (0, 1, 1.5, 2, 2.5, 3, 4),
     MADE_WORSE),
    ("burnt_out", "stops too bright", expose, (0, 1, 1.5, 2, 2.5, 3),
     MADE_WORSE),
    ("small_leaf", "of the leaf's size", lay_smaller,
     (0.8, 0.6, 0.5, 0.4, 0.35, 0.3, 0.25, 0.2), (LABORATORY,)),
    ("cut_leaf", "of the leaf cut off", move_out,
     (0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7), (LABORATORY,)))


def predict(classifier: Classifier, rgb_img: np.ndarray
            ) -> tuple[str, bool, list[str]]:
    """Return the class, whether it is known, and the codes of the hints."""
    prediction = classifier.predict_image(rgb_img)
    return prediction.class_name, prediction.known, [
        hint.code for hint in hints.find_hints(rgb_img, prediction)]


def in_threads(function: Callable, items: Sequence) -> list:
    """Return the function's results for the items, computed in JOBS threads.
    """
    with ThreadPoolExecutor(JOBS) as pool:
        return list(pool.map(function, items))


def print_rates(classifier: Classifier, found: dict[str, Photographs]) -> None:
    """Print how many of each kind get each hint."""
    print(f"% of the photographs that get each hint\n{'':18}"
          + "".join(f"{code.split('_l')[0]:>10}" for code in hints.CODES))
    for kind, photographs in found.items():
        results = in_threads(lambda path: predict(
            classifier, read_image(path)), photographs.paths)
        counts = Counter(code for _, _, codes in results for code in codes)
        rates = (100 * counts[code] / len(results) for code in hints.CODES)
        print(f"{kind:<12}{len(results):>6}"
              + "".join(f"{rate:10.1f}" for rate in rates), flush=True)


def sample(photographs: Photographs, count: int
           ) -> list[tuple[np.ndarray, str]]:
    """Return images of `count` photographs, chosen at random, and classes."""
    chosen = np.random.default_rng(1).permutation(len(photographs.paths))
    return [(read_image(photographs.paths[index]), photographs.groups[index])
            for index in chosen[:count]]


def print_worse(classifier: Classifier, found: dict[str, Photographs]
                ) -> None:
    """Print what becomes of photographs that are made worse."""
    images = {kind: sample(found[kind], WORSE_IMAGES)
              for kind in MADE_WORSE if kind in found}
    for code, words, worsen, strengths, kinds in WORSE:
        kinds = [kind for kind in kinds if kind in images]
        print(f"\n{words}: right, known, {code}, %\n{'':6}"
              + "".join(f"{kind:^24}" for kind in kinds))
        for strength in strengths:
            print(f"{strength:6}" + "".join(
                rates_of(classifier, images[kind], code,
                         lambda rgb_img: worsen(rgb_img, strength))
                for kind in kinds), flush=True)


def rates_of(classifier: Classifier, images: list[tuple[np.ndarray, str]],
             code: str, worsen: Callable) -> str:
    """Return how many of worse images are right, known, and get the hint."""
    results = in_threads(lambda pair: (
        pair[1], *predict(classifier, worsen(pair[0]))), images)
    rates = np.mean([(name == truth, known, code in codes)
                     for truth, name, known, codes in results], axis=0)
    return "".join(f"{100 * value:8.1f}" for value in rates)


def print_closer(classifier: Classifier, found: dict[str, Photographs]
                 ) -> None:
    """Print how many unknown photographs are known, and right, from closer."""
    for kind in (WEB, FIELD):
        images = [(image, truth) for image, truth in sample(
            found[kind], len(found[kind].paths))
            if not classifier.predict_image(image).known
        ] if kind in found else []
        for fraction in CLOSER if images else ():
            nearer = [(classifier.predict_image(centre_crop(image, fraction)),
                       truth) for image, truth in images]
            right = [prediction.class_name == truth
                     for prediction, truth in nearer if prediction.known]
            print(f"{kind}: of {len(images)} unknown, {len(right)} are known "
                  f"when the centre {fraction:.0%} is shown, {sum(right)} of "
                  "these right", flush=True)


def leaf_codes(rgb_img: np.ndarray, classifier: Classifier) -> set[str]:
    """Return the hints about the number, size and position of leaves."""
    return LEAF_CODES & set(predict(classifier, rgb_img)[2])


def all_samples(found: dict[str, Photographs]) -> Iterator[np.ndarray]:
    """Yield images of all kinds, and smaller and cut ones of leaves."""
    for kind, photographs in found.items():
        for rgb_img, _ in sample(photographs, TIMED_IMAGES):
            yield rgb_img
            if kind == LABORATORY:
                yield lay_smaller(rgb_img, 0.35)
                yield move_out(rgb_img, 0.35)


def print_agreement(classifier: Classifier, found: dict[str, Photographs]
                    ) -> None:
    """Print how often leaves' hints are the same in larger images."""
    images = list(all_samples(found))
    usual = [leaf_codes(image, classifier) for image in images]
    with mock.patch.multiple(hints, SIDE=LARGE_SIDE, DETAIL_SIDE=LARGE_SIDE):
        large = [leaf_codes(image, classifier) for image in images]
    same = np.mean([one == other for one, other in zip(usual, large)])
    print(f"leaves' hints at {hints.SIDE} and at {LARGE_SIDE} pixels: the "
          f"same for {same:.1%} of {len(images)}; said {sum(map(bool, usual))}"
          f" and {sum(map(bool, large))} times")


def print_cost(classifier: Classifier, images: Sequence[np.ndarray]) -> None:
    """Print a core's milliseconds an image: the least of ROUNDS."""
    pairs = [(image, classifier.predict_image(image)) for image in images]

    def least(function: Callable) -> float:
        taken = []
        for _ in range(ROUNDS):
            start = time.thread_time()
            for pair in pairs:
                function(*pair)
            taken.append(time.thread_time() - start)
        return 1000 * min(taken) / len(pairs)
    print(f"ms an image: hints {least(hints.find_hints):.2f}, prediction "
          f"{least(lambda image, _: classifier.predict_image(image)):.2f}")


def main() -> int:
    """Measure and print; return the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    add_inputs(parser)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    classifier = Classifier.load(options.learnings)
    rows = read_split(options.split or default_split(options.learnings))
    found, _ = read_photographs(options.data, [
        row for row in rows if row.domain != WEB])
    print_rates(classifier, found)
    print_worse(classifier, found)
    print()
    print_closer(classifier, found)
    print_agreement(classifier, found)
    kind, photographs = next(iter(found.items()))
    print(f"{kind}: ", end="")
    print_cost(classifier, [image for image, _ in sample(
        photographs, TIMED_IMAGES)])
    return 0


if __name__ == "__main__":
    sys.exit(cli.run(main))
