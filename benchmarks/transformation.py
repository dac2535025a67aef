"""How many leaves a second does Transformation.py transform?

    python -m benchmarks.transformation
    python -m benchmarks.transformation FOLDER

Reads images (of FOLDER, or 600 drawn leaves of 256x256 pixels), and makes and
writes views as Transformation.py does: each view alone, the seven views of
the exercise, all eight, and all eight with the measurements; with 1 and with
2 jobs.  The clock starts when the first image is done, so it excludes the
start of the processes.  For comparison, the seven views of a few images are
made with nothing but PlantCV's and matplotlib's own functions.
"""

import sys
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from leaffliction.transformation.batch import transform_file
from leaffliction.transformation.views import VIEWS
from leaffliction.utils.folders import find_images
from leaffliction.utils.images import write_image
from leaffliction.utils.parallel import Workers
from samples.drawing import draw_leaf

IMAGES = 600            # at most
PLAIN_IMAGES = 6        # for the comparison, which is slow
SEVEN = [name for name in VIEWS if name != "Lesions"]


def rate(results: Iterator, count: int) -> float:
    """Return images a second, after the first."""
    next(results)
    start = time.perf_counter()
    for result in results:
        if isinstance(result, Exception):
            raise result
    return (count - 1) / (time.perf_counter() - start)


def plain_views(path: Path, target: Path) -> None:
    """Make the seven views in the way of PlantCV's tutorials."""
    from matplotlib import pyplot
    from plantcv import plantcv as pcv
    pcv.params.debug = None
    pcv.params.verbose = False
    pcv.outputs.clear()
    img, _, _ = pcv.readimage(str(path))
    channel = pcv.rgb2gray_lab(img, "a")
    mask = pcv.fill_holes(pcv.fill(pcv.threshold.otsu(
        channel, object_type="dark"), size=200))
    labels = (mask > 0).astype(np.uint8)
    roi = pcv.roi.rectangle(img=img, x=0, y=0, h=img.shape[0],
                            w=img.shape[1])
    shape = pcv.analyze.size(img, labels)
    pcv.homology.x_axis_pseudolandmarks(img, labels)
    chart = pcv.analyze.color(img, labels, colorspaces="all")
    filled = img.copy()
    filled[mask > 0] = (0, 255, 0)
    cv2.drawContours(filled, roi.contours[0], -1, (255, 0, 0), 3)
    for name, view in (
            ("Original", img), ("Blur", pcv.gaussian_blur(mask, (5, 5))),
            ("Mask", pcv.apply_mask(img, mask, "white")), ("ROI", filled),
            ("Analyze", shape), ("Landmarks", img)):
        pcv.print_image(view, f"{target}_{name}.png")
    chart.save(f"{target}_Histogram.png")
    pyplot.close("all")


def measure(root: Path, work: Path) -> None:
    """Print the rates for the images below root."""
    files = find_images(root)[:IMAGES]
    print(f"{len(files)} images; images a second with 1 and 2 jobs")
    cases = [(name, [name], False) for name in VIEWS]
    cases += [("the seven", SEVEN, False), ("all eight", list(VIEWS), False),
              ("and CSV", list(VIEWS), True)]
    cv2.setNumThreads(1)
    for title, views, measured in cases:
        rates = []
        for jobs in (1, 2):
            pairs = [(root / file, work / f"{title} {jobs}" / file)
                     for file in files]
            transform = partial(transform_file, views=views,
                                measured=measured, force=True)
            rates.append(rate(Workers(jobs).map(transform, pairs),
                              len(files)))
        print(f"{title:<10} {rates[0]:7.1f} {rates[1]:7.1f}", flush=True)
    (work / "plain").mkdir()
    plain_views(root / files[0], work / "plain" / "first")
    start = time.perf_counter()
    for number, file in enumerate(files[:PLAIN_IMAGES]):
        plain_views(root / file, work / "plain" / str(number))
    seconds = time.perf_counter() - start
    print(f"{'plain way':<10} {PLAIN_IMAGES / seconds:7.1f}")


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(*sys.argv[1:2]) if sys.argv[1:] else Path(folder, "drawn")
        if not sys.argv[1:]:
            for number in range(IMAGES):
                write_image(root / "Apple_scab" / f"{number}.jpg", draw_leaf(
                    "Apple_scab", np.random.default_rng(number), 256))
        measure(root, Path(folder))


if __name__ == "__main__":
    main()
