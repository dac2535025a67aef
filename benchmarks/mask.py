"""How good is the leaf's mask, and how fast?

    python -m benchmarks.mask LEAVES MASKS
    python -m benchmarks.mask LEAVES MASKS --fit

LEAVES and MASKS contain CLASS/name.JPG and CLASS/name.png (white = leaf).
Prints the intersection over union of each class, and milliseconds an image on
one core: first for every second mask, then for the others.  With --fit, the
coefficients of the discriminant are fitted to the first half before, and
printed as in leaffliction/transformation/discriminant.py; the other half then
is a test set.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from leaffliction.transformation import discriminant
from leaffliction.transformation.mask import leaf_mask
from leaffliction.utils import cli
from leaffliction.utils.folders import find_images
from leaffliction.utils.images import read_image

# Pixels of each image to which --fit fits: from the whole image, and from
# the band of this width (in pixels) around the outline, where errors occur.
ANYWHERE, NEAR_OUTLINE, BAND_WIDTH = 500, 300, 13


def read_pairs(leaves: Path, masks: Path
               ) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Yield class name, image and reference mask, bool (H, W)."""
    for file in find_images(masks):
        image = next((leaves / file.parent).glob(f"{file.stem}.*"))
        yield (file.parent.name, read_image(image),
               read_image(masks / file)[..., 0] > 127)


def fit(pairs: list) -> None:
    """Fit the discriminant to the masks; set and print its coefficients."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler
    rng = np.random.default_rng(1)
    terms, truths = [], []
    for _, rgb_img, truth in pairs:
        lab_img = cv2.cvtColor(rgb_img, cv2.COLOR_RGB2LAB).astype(np.float32)
        background = discriminant.background_colour(lab_img)
        outline = cv2.morphologyEx(
            truth.astype(np.uint8), cv2.MORPH_GRADIENT,
            np.ones((BAND_WIDTH, BAND_WIDTH)))
        chosen = np.concatenate([
            rng.integers(truth.size, size=ANYWHERE),
            rng.choice(np.flatnonzero(outline), NEAR_OUTLINE)])
        g = np.full(len(chosen), background[0] / 100)
        d_l, d_a, d_b = (
            (lab_img.reshape(-1, 3)[chosen] - background) / 100).T
        terms.append(np.stack([
            g, g ** 2, d_l, g * d_l, d_a, g * d_a, d_b, g * d_b, d_l ** 2,
            d_a ** 2, d_b ** 2, d_l * d_a, d_l * d_b, d_a * d_b], axis=1))
        truths.append(truth.ravel()[chosen])
    scaler = StandardScaler()
    model = LogisticRegression(C=0.1, max_iter=2000).fit(
        scaler.fit_transform(np.concatenate(terms)), np.concatenate(truths))
    slopes = model.coef_[0] / scaler.scale_
    intercept = model.intercept_[0] - slopes @ scaler.mean_
    values = [float(f"{value:.3g}") for value in (intercept, *slopes)]
    coefficients = {
        "INTERCEPT": tuple(values[:3]),
        "LINEAR": tuple(tuple(values[start:start + 2])
                        for start in (3, 5, 7)),
        "SQUARES": tuple(values[9:12]), "PRODUCTS": tuple(values[12:15])}
    for name, value in coefficients.items():
        setattr(discriminant, name, value)
        print(f"{name} = {value}")


def report(title: str, pairs: list) -> None:
    """Print the intersection over union of each class, and of all."""
    ious, seconds = {}, []
    for class_name, rgb_img, truth in pairs:
        start = time.perf_counter()
        mask = leaf_mask(rgb_img)
        seconds.append(time.perf_counter() - start)
        ious.setdefault(class_name, []).append(
            (mask & truth).sum() / max(1, (mask | truth).sum()))
    print(f"{title:<18} masks    mean  median  below 0.80")
    ious["all"] = [value for values in ious.values() for value in values]
    for class_name, values in ious.items():
        print(f"{class_name:<18} {len(values):5}  {np.mean(values):.4f}  "
              f"{np.median(values):.4f}  {np.mean(np.less(values, 0.8)):.1%}")
    print(f"{1000 * statistics.median(seconds):.1f} ms an image (median)\n")


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("leaves", type=Path, help="folder of photographs")
    parser.add_argument("masks", type=Path, help="folder of their masks")
    parser.add_argument("--fit", action="store_true",
                        help="fit the coefficients first")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    pairs = list(read_pairs(options.leaves, options.masks))
    if options.fit:
        fit(pairs[::2])
    report("fitted to", pairs[::2])
    report("not fitted to", pairs[1::2])
    return 0


if __name__ == "__main__":
    sys.exit(cli.run(main))
