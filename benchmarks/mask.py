"""How good is the leaf's mask, and how fast?

    python -m benchmarks.mask LEAVES MASKS
    python -m benchmarks.mask LEAVES MASKS --fit

LEAVES and MASKS hold CLASS/name.JPG and CLASS/name.png (white = leaf).
Prints intersection over union per class, for the masks with an even place
in their folder and for the others apart, and milliseconds an image.  --fit
fits the discriminant's coefficients to the even ones first, and prints them
as they stand in leaffliction/transformation/leaf_colours.py: so the others judge what they have not
seen.
"""

import statistics
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from leaffliction.transformation import leaf_colours
from leaffliction.transformation.mask import find_leaf
from leaffliction.utils.folders import find_images
from leaffliction.utils.images import read_image

# Pixels of an image from which --fit learns: anywhere, and near the outline,
# where it matters.
ANYWHERE, NEAR_OUTLINE, NEAR = 500, 300, 13


def read_pairs(leaves: Path, masks: Path
               ) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Yield class, image and reference mask, bool (H, W)."""
    for file in find_images(masks):
        image = next((leaves / file.parent).glob(f"{file.stem}.*"))
        yield (file.parent.name, read_image(image),
               read_image(masks / file)[..., 0] > 127)


def fit(pairs: list) -> None:
    """Set and print the coefficients that fit the masks best."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler
    rng = np.random.default_rng(1)
    terms, truths = [], []
    for _, rgb_img, truth in pairs:
        lab_img = cv2.cvtColor(rgb_img, cv2.COLOR_RGB2LAB).astype(np.float32)
        ground = leaf_colours.ground_colour(lab_img)
        outline = cv2.morphologyEx(truth.astype(np.uint8),
                                   cv2.MORPH_GRADIENT, np.ones((NEAR, NEAR)))
        chosen = np.concatenate([
            rng.integers(truth.size, size=ANYWHERE),
            rng.choice(np.flatnonzero(outline), NEAR_OUTLINE)])
        light = np.full(len(chosen), ground[0] / 100)
        d_l, d_a, d_b = ((lab_img.reshape(-1, 3)[chosen] - ground) / 100).T
        terms.append(np.stack([
            light, light ** 2, d_l, light * d_l, d_a, light * d_a, d_b,
            light * d_b, d_l ** 2, d_a ** 2, d_b ** 2, d_l * d_a, d_l * d_b,
            d_a * d_b], axis=1))
        truths.append(truth.ravel()[chosen])
    scaler = StandardScaler()
    model = LogisticRegression(C=0.1, max_iter=2000).fit(
        scaler.fit_transform(np.concatenate(terms)), np.concatenate(truths))
    slopes = model.coef_[0] / scaler.scale_
    constant = model.intercept_[0] - slopes @ scaler.mean_
    values = [float(f"{value:.3g}") for value in (constant, *slopes)]
    leaf_colours.CONSTANT, leaf_colours.SQUARE, leaf_colours.MIXED = (
        tuple(values[start:start + 3]) for start in (0, 9, 12))
    leaf_colours.LINEAR = tuple(tuple(values[start:start + 2])
                                for start in (3, 5, 7))
    for name in ("CONSTANT", "LINEAR", "SQUARE", "MIXED"):
        print(f"{name} = {getattr(leaf_colours, name)}")


def report(title: str, pairs: list) -> None:
    """Print a line for each class, and one for all."""
    found, taken = {}, []
    for class_name, rgb_img, truth in pairs:
        start = time.perf_counter()
        mask, _ = find_leaf(rgb_img)
        taken.append(time.perf_counter() - start)
        found.setdefault(class_name, []).append(
            (mask & truth).sum() / max(1, (mask | truth).sum()))
    print(f"{title:<18} masks    mean  median  below 0.80")
    found["all"] = [value for values in found.values() for value in values]
    for class_name, values in found.items():
        print(f"{class_name:<18} {len(values):5}  {np.mean(values):.4f}  "
              f"{np.median(values):.4f}  {np.mean(np.less(values, 0.8)):.1%}")
    print(f"{1000 * statistics.median(taken):.1f} ms an image (median)\n")


def main() -> None:
    """Measure and print."""
    cv2.setNumThreads(1)
    pairs = list(read_pairs(*map(Path, sys.argv[1:3])))
    if "--fit" in sys.argv:
        fit(pairs[::2])
    report("fitted to", pairs[::2])
    report("not fitted to", pairs[1::2])


if __name__ == "__main__":
    main()
