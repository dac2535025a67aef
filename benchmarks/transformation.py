"""How many leaves a second does Transformation.py view?

    python -m benchmarks.transformation
    python -m benchmarks.transformation FOLDER

Reads images (of FOLDER, or 200 drawn leaves of 256x256 pixels), makes each
view, and writes it, as Transformation.py does; then the seven views of the
exercise together and all eight, with 1 and with 2 jobs.  Counted from the
first image on that is done, so without the start of the processes.  Beside
it the seven made the plain way, with PlantCV's and matplotlib's own calls
straight through, on a few of the images.
"""

import sys
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from leaffliction.transformation.views import VIEWS, transform_file
from leaffliction.utils.folders import find_images
from leaffliction.utils.images import write_image
from leaffliction.utils.parallel import Workers
from samples.drawing import draw_leaf

IMAGES, PLAIN = 600, 6
SEVEN = [name for name in VIEWS if name != "Lesions"]


def rate(results: Iterator, count: int) -> float:
    """Return images a second, from the first that is done on."""
    next(results)
    start = time.perf_counter()
    for result in results:
        if isinstance(result, Exception):
            raise result
    return (count - 1) / (time.perf_counter() - start)


def plain_views(path: Path, target: Path) -> None:
    """Make the seven views as PlantCV's tutorials do."""
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
    sets = {name: [name] for name in VIEWS}
    sets |= {"the seven": SEVEN, "all eight": list(VIEWS)}
    cv2.setNumThreads(1)
    for title, views in sets.items():
        rates = []
        for jobs in (1, 2):
            pairs = [(root / file, work / f"{title} {jobs}" / file)
                     for file in files]
            make = partial(transform_file, views=views, measured=False,
                           force=True)
            rates.append(rate(Workers(jobs).map(make, pairs),
                              len(files)))
        print(f"{title:<10} {rates[0]:7.1f} {rates[1]:7.1f}", flush=True)
    (work / "plain").mkdir()
    plain_views(root / files[0], work / "plain" / "first")
    start = time.perf_counter()
    for number, file in enumerate(files[:PLAIN]):
        plain_views(root / file, work / "plain" / str(number))
    print(f"{'plain way':<10} {PLAIN / (time.perf_counter() - start):7.1f}")


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
