"""How many leaves a second does Transformation.py transform?

    python -m benchmarks.transformation
    python -m benchmarks.transformation FOLDER

Reads images (of FOLDER, or 600 drawn leaves of 256 x 256 pixels), and makes
and writes views as Transformation.py does: each view alone, the seven views
of the exercise, all eight, and all eight with the measurements; with 1 and
with 2 jobs.  Prints images a second, from one run each; the clock starts when
the first image is done, so the start of the processes does not count.  For
comparison, makes the seven views of PLAIN_IMAGES images with nothing but
PlantCV and matplotlib.
"""

import argparse
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from benchmarks.throughput import rate
from leaffliction.transformation.batch import transform_file
from leaffliction.transformation.views import VIEWS
from leaffliction.utils import cli
from leaffliction.utils.folders import find_images
from leaffliction.utils.images import write_image
from leaffliction.utils.parallel import Workers, raise_errors
from samples.drawing import draw_leaf

IMAGES = 600            # at most
PLAIN_IMAGES = 6        # for the comparison, which is slow
SEVEN = [name for name in VIEWS if name != "Lesions"]


def plain_views(path: Path, target: Path) -> None:
    """Make the seven views as PlantCV's tutorials do; write them as PNGs.

    target: the path of the views, without _View.png.
    """
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
            rates.append(rate(1 for _ in raise_errors(
                Workers(jobs).map(transform, pairs))))
        print(f"{title:<10} {rates[0]:7.1f} {rates[1]:7.1f}", flush=True)
    (work / "plain").mkdir()
    plain_views(root / files[0], work / "plain" / "first")
    start = time.perf_counter()
    for number, file in enumerate(files[:PLAIN_IMAGES]):
        plain_views(root / file, work / "plain" / str(number))
    seconds = time.perf_counter() - start
    print(f"{'plain way':<10} {PLAIN_IMAGES / seconds:7.1f}")


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?",
                        help="folder of images; default: drawn leaves")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = options.folder or Path(folder, "drawn")
        if not options.folder:
            for number in range(IMAGES):
                write_image(root / "Apple_scab" / f"{number}.jpg", draw_leaf(
                    "Apple_scab", np.random.default_rng(number), 256))
        measure(root, Path(folder))
    return 0


if __name__ == "__main__":
    sys.exit(cli.run(main))
