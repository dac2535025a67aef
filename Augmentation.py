"""Step 2: alter one leaf in six ways, or balance a folder of leaves.

    python Augmentation.py "images/Apple_scab/image (1).JPG"
    python Augmentation.py images
    python Augmentation.py images --target 500 --output-dir balanced

An image is shown beside its six alterations, which are saved beside it
under its name and theirs: "image (1)_Flip.JPG".  A folder is balanced: in a
new tree every class ends with as many images as the largest one has, since
a network that sees one disease more often than others learns to guess it.
"""

import hashlib
import math
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from utils import cli
from utils.cli import UserError
from utils.images import read_image, whole_file, write_image
from utils.labels import ALTERATIONS, Dataset, altered_copies, read_dataset
from utils.workers import map_items

OUTPUT = Path("augmented_directory")
# All bounds are for leaves: far enough from the original to be another
# image, near enough that a botanist would still name the disease.
TILT = (15.0, 345.0)     # degrees; less is hardly another image
LEAN = (0.10, 0.25)      # how far a corner moves, in parts of the side
SLANT = (0.12, 0.30)     # shift of a row, in parts of its distance from middle
KEPT = (0.70, 0.88)      # side of the crop, in parts of the side
WAVE = (0.03, 0.06)      # largest shift of a pixel, in parts of the side
WAVE_GRID = 4            # points on which the wave is drawn, a side
LONGEST = 2**15 - 2      # pixels; OpenCV warps no longer side


def draw_flip(rng: np.random.Generator) -> int:
    """Return the axis as OpenCV counts it: 0 upside down, 1 left to right."""
    return int(rng.integers(2))


def flip(rgb_img: np.ndarray, axis: int) -> np.ndarray:
    """Mirror the leaf: it has no side from which it must be seen."""
    return cv2.flip(rgb_img, axis)


def draw_rotate(rng: np.random.Generator) -> float:
    """Return an angle in degrees, counter-clockwise."""
    return float(rng.uniform(*TILT))


def rotate(rgb_img: np.ndarray, angle: float) -> np.ndarray:
    """Turn the leaf round the middle: it lies any way on the table."""
    height, width = rgb_img.shape[:2]
    middle = ((width - 1) / 2, (height - 1) / 2)
    return _affine(rgb_img, cv2.getRotationMatrix2D(middle, angle, 1.0))


def draw_skew(rng: np.random.Generator) -> np.ndarray:
    """Return how far each corner is moved inwards: (4, 2), parts of a side.

    Corners go clockwise from the top left, as (x, y).
    """
    moves = np.zeros((4, 2))
    side = rng.integers(4)
    # Both ends of one side come nearer to each other.
    moves[[side, (side + 1) % 4], side % 2] = rng.uniform(*LEAN)
    return moves


def skew(rgb_img: np.ndarray, moves: np.ndarray) -> np.ndarray:
    """Tilt the leaf out of the image's plane: a camera is seldom upright.

    The trapezium between the moved corners is stretched to the frame, so
    that nothing from beyond the border is needed.
    """
    height, width = rgb_img.shape[:2]
    if min(height, width) < 2:
        return rgb_img.copy()  # no corners to move apart
    size = np.array([width - 1, height - 1])
    corners = np.array([[0, 0], [1, 0], [1, 1], [0, 1]])
    moved = corners + np.where(corners > 0, -1, 1) * moves
    matrix = cv2.getPerspectiveTransform(
        (moved * size).astype(np.float32), (corners * size).astype(np.float32))
    return cv2.warpPerspective(rgb_img, matrix, (width, height),
                               borderMode=cv2.BORDER_REFLECT_101)


def draw_shear(rng: np.random.Generator) -> tuple[float, int]:
    """Return the slant, of either sign, and the axis along which it goes."""
    return (float(rng.uniform(*SLANT) * rng.choice((-1, 1))),
            int(rng.integers(2)))


def shear(rgb_img: np.ndarray, slant: tuple[float, int]) -> np.ndarray:
    """Shift each row (or column) a little further than the one before."""
    amount, axis = slant
    height, width = rgb_img.shape[:2]
    matrix = np.eye(2, 3)
    matrix[axis, 1 - axis] = amount
    # Hold the middle where it is.
    matrix[axis, 2] = -amount * ((height, width)[axis] - 1) / 2
    return _affine(rgb_img, matrix)


def draw_crop(rng: np.random.Generator) -> tuple[float, float, float]:
    """Return side, left and top of the crop: side and free parts, 0..1."""
    return float(rng.uniform(*KEPT)), float(rng.random()), float(rng.random())


def crop(rgb_img: np.ndarray, box: tuple[float, float, float]) -> np.ndarray:
    """Come nearer to a part of the leaf: lesions are seen at any size."""
    side, left, top = box
    height, width = rgb_img.shape[:2]
    tall, wide = max(1, round(height * side)), max(1, round(width * side))
    y, x = round(top * (height - tall)), round(left * (width - wide))
    return cv2.resize(rgb_img[y:y + tall, x:x + wide], (width, height),
                      interpolation=cv2.INTER_CUBIC)


def draw_distortion(rng: np.random.Generator) -> np.ndarray:
    """Return the shifts of a coarse grid: (2, 4, 4), parts of a side."""
    shifts = rng.uniform(-1, 1, (2, WAVE_GRID, WAVE_GRID))
    return shifts / np.abs(shifts).max() * rng.uniform(*WAVE)


def distort(rgb_img: np.ndarray, shifts: np.ndarray) -> np.ndarray:
    """Bend the leaf smoothly, as leaves curl (elastic; Simard 2003)."""
    height, width = rgb_img.shape[:2]
    columns, rows = np.meshgrid(np.arange(width, dtype=np.float32),
                                np.arange(height, dtype=np.float32))
    right, down = (cv2.resize(axis.astype(np.float32), (width, height),
                              interpolation=cv2.INTER_CUBIC)
                   for axis in shifts)
    return cv2.remap(rgb_img, columns + right * width, rows + down * height,
                     cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)


def _affine(rgb_img: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Apply a (2, 3) matrix; the ground goes on beyond the border."""
    height, width = rgb_img.shape[:2]
    return cv2.warpAffine(rgb_img, matrix, (width, height),
                          borderMode=cv2.BORDER_REFLECT_101)


STEPS: dict[str, tuple[Callable, Callable]] = dict(zip(ALTERATIONS, (
    (draw_flip, flip), (draw_rotate, rotate), (draw_skew, skew),
    (draw_shear, shear), (draw_crop, crop), (draw_distortion, distort))))


def alter(rgb_img: np.ndarray, alteration: str, seed: int, key: str
          ) -> np.ndarray:
    """Return the image altered; the same (seed, key) alters it the same.

    rgb_img: RGB uint8 (H, W, 3), left as it is; so is the result.
    key: what tells this copy from all others, so that its parameters do not
    depend on the order in which copies are made.
    """
    digest = hashlib.sha256(f"{seed}|{alteration}|{key}".encode(
        "utf-8", "surrogatepass")).digest()
    rng = np.random.default_rng(int.from_bytes(digest))
    draw, apply = STEPS[alteration]
    return apply(rgb_img, draw(rng))


@dataclass(frozen=True)
class Copies:
    """All that is made of one source image; paths relative to the trees.

    altered: (alteration, file) of each altered copy.
    """

    source: Path
    label: int
    altered: tuple[tuple[str, Path], ...]

    def files(self) -> list[Path]:
        """Return the files of the new tree: the original and its copies."""
        return [self.source, *(file for _, file in self.altered)]


def plan_balance(dataset: Dataset, target: int | None, seed: int
                 ) -> list[Copies]:
    """Return what a balanced tree is made of, image by image.

    Every class gets `target` images (None: as many as the largest has).
    Originals come first, in a class with more a drawn subset; the altered
    copies are spread evenly over the originals and the alterations.
    Copies that a source tree already holds are not altered again.
    """
    target = target or int(dataset.counts().max())
    copies = altered_copies(dataset.files)
    kinds = len(ALTERATIONS)
    plan = []
    for label, class_name in enumerate(dataset.class_names):
        rng = np.random.default_rng([seed, label])
        files = [dataset.files[index] for index in
                 rng.permutation(np.flatnonzero(dataset.labels == label))]
        files = files[:target]
        taken = {str(file).casefold() for file in dataset.files}
        altered = {file: [] for file in files}
        originals = [file for file in files if file not in copies]
        # A drawn subset may hold copies alone.
        originals = originals or files
        if not originals:
            continue  # none of the class could be read
        # One step further whenever both cycles end together: so an original
        # meets all six alterations before it meets one again.
        together = math.lcm(len(originals), kinds)
        for number in range(target - len(files)):
            turn, place = divmod(number, len(originals))
            source = originals[place]
            alteration = ALTERATIONS[(number + number // together) % kinds]
            file = _free_name(source, alteration, turn // kinds + 1, taken)
            taken.add(str(file).casefold())
            altered[source].append((alteration, file))
        plan += [Copies(file, label, tuple(names))
                 for file, names in altered.items()]
    return plan


def plan_files(plan: list[Copies]) -> tuple[list[Path], np.ndarray]:
    """Return all files of the new tree, and their labels, int (N,)."""
    return ([file for copies in plan for file in copies.files()],
            np.array([copies.label for copies in plan
                      for _ in copies.files()], int))


def _free_name(source: Path, alteration: str, number: int, taken: set[str]
               ) -> Path:
    """Return a name for the number-th such copy that no other file has.

    taken: names in lower case, since some file systems tell "a.JPG" from
    "a.jpg" and others do not.
    """
    while True:
        ending = f"_{number}" if number > 1 else ""
        file = source.with_stem(f"{source.stem}_{alteration}{ending}")
        if str(file).casefold() not in taken:
            return file
        number += 1


def read_leaf(path: Path) -> np.ndarray:
    """Return an image, RGB uint8; UserError where it can't be altered."""
    rgb_img = read_image(path)
    if max(rgb_img.shape) > LONGEST:
        raise UserError(f"{path}: a side of {max(rgb_img.shape)} pixels is "
                        f"more than {LONGEST}")
    return rgb_img


def make_copies(copies: Copies, root: Path, output: Path, seed: int) -> int:
    """Write an original, byte for byte, and its altered copies; count them.

    Raises UserError where the source can't be read or output be written.
    """
    source = root / copies.source
    if copies.altered:
        rgb_img = read_leaf(source)
        for alteration, file in copies.altered:
            altered = alter(rgb_img, alteration, seed, file.as_posix())
            write_image(output / file, altered)
    with whole_file(output / copies.source) as new:
        shutil.copyfile(source, new)
    return 1 + len(copies.altered)


def write_plan(plan: list[Copies], root: Path, output: Path, seed: int,
               jobs: int) -> Iterator[int | UserError]:
    """Carry a plan out; yield the images written (or the error) of each."""
    make = partial(make_copies, root=root, output=output, seed=seed)
    return cli.progress(map_items(make, plan, jobs), len(plan), "Altering")


def read_folder(folder: Path, inspect: Callable, jobs: int
                ) -> tuple[Dataset, list, list[UserError]]:
    """Return the images that inspect takes, its results, and the problems.

    inspect: takes a path; UserError where it can't be read.  Each problem
    is printed.  Raises UserError where no image is left.
    """
    dataset = read_dataset(folder)
    found = list(cli.progress(map_items(inspect, dataset.paths(), jobs),
                              len(dataset.files), "Reading"))
    good = [index for index, result in enumerate(found)
            if not isinstance(result, UserError)]
    problems = [result for result in found if isinstance(result, UserError)]
    for problem in problems:
        cli.print_error(problem)
    if not good:
        raise UserError(f"{folder}: no readable image in it")
    return dataset.subset(good), [found[index] for index in good], problems


def readable(path: Path) -> bool:
    """Return True; UserError where path is no readable image."""
    read_leaf(path)
    return True


def check_output(output: Path, root: Path, plan: list[Copies]) -> None:
    """Make the folder output; UserError unless it is free for the plan.

    It may hold what an earlier run of the same plan has written.
    """
    if output.exists() and not output.is_dir():
        raise UserError(f"{output}: exists and is not a folder")
    # Path.resolve would stop at a loop of links.
    if Path(os.path.realpath(output)).is_relative_to(os.path.realpath(root)):
        raise UserError(f"{output}: lies inside {root}, whose classes it "
                        "would join; choose another --output-dir")
    if output.is_dir():
        own = {output / file for file in plan_files(plan)[0]}
        for path in output.rglob("*"):
            if path.is_file() and path not in own:
                raise UserError(
                    f"{output}: holds other files already, such as "
                    f"{path.relative_to(output)}; delete it or choose "
                    "another --output-dir")
    # Said once here, not once for every image.
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{output}: cannot be written ({error.strerror})"
                        ) from None
    if not os.access(output, os.W_OK):
        raise UserError(f"{output}: cannot be written (permission denied)")


def balance_folder(folder: Path, output: Path, target: int | None, seed: int,
                   jobs: int) -> int:
    """Balance a folder into output, print a summary, return the status."""
    dataset, _, problems = read_folder(folder, readable, jobs)
    plan = plan_balance(dataset, target, seed)
    check_output(output, folder, plan)
    results = list(write_plan(plan, folder, output, seed, jobs))
    failures = [result for result in results if isinstance(result, UserError)]
    for failure in failures:
        cli.print_error(failure)
    balanced = np.bincount(plan_files(plan)[1],
                           minlength=len(dataset.class_names))
    for class_name, before, after in zip(
            dataset.class_names, dataset.counts(), balanced):
        drawn = "  (a drawn subset)" if after < before else ""
        print(f"{cli.printable(class_name)}: {before} -> {after}{drawn}")
    written = sum(result for result in results if isinstance(result, int))
    print(f"{written} images in {cli.printable(output)}, "
          f"{len(problems)} unreadable ones left out")
    return cli.FAILED if problems or failures else cli.DONE


def show_alterations(path: Path, output: Path | None, seed: int,
                     no_display: bool) -> int:
    """Save the six alterations of an image and show them beside it."""
    rgb_img = read_leaf(path)
    altered = {name: alter(rgb_img, name, seed, path.name)
               for name in ALTERATIONS}
    for name, image in altered.items():
        target = (output or path.parent) / f"{path.stem}_{name}{path.suffix}"
        write_image(target, image)
        print(cli.printable(target))
    pyplot = cli.open_pyplot(no_display)
    panels = {"Original": rgb_img, **altered}
    figure, axes = pyplot.subplots(
        1, len(panels), figsize=(2.2 * len(panels), 2.9),
        layout="constrained")
    for ax, (name, image) in zip(axes, panels.items()):
        ax.imshow(image)
        ax.set_title(name, fontsize=13)
        ax.axis("off")
    figure.suptitle(cli.drawable(path.name), fontsize=13)
    cli.show_or_save({f"augmentation_{path.stem}": figure}, None)
    return cli.DONE


def build_parser() -> cli.Parser:
    """Return the parser of the command line."""
    parser = cli.Parser("Show and save six alterations of a leaf, or balance "
                        "the classes of a folder with altered copies.")
    parser.add_argument("path", type=Path, metavar="IMAGE|DIRECTORY",
                        help="one image, or a folder of class folders")
    parser.add_argument(
        "--output-dir", type=Path, metavar="DIR",
        help="where to write (default: beside the image; for a folder "
             f"{OUTPUT})")
    parser.add_argument(
        "--target", type=cli.positive_int, metavar="N",
        help="images that each class of a folder ends with (default: as "
             "many as the largest class has)")
    parser.add_seed()
    parser.add_jobs()
    parser.add_display()
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run the program and return its exit status."""
    parser = build_parser()
    options = parser.parse_args(argv)
    if options.target and options.path.is_file():
        parser.error("--target is for folders")
    if options.path.is_dir():
        return balance_folder(options.path, options.output_dir or OUTPUT,
                              options.target, options.seed, options.jobs)
    return show_alterations(options.path, options.output_dir, options.seed,
                            options.no_display)


if __name__ == "__main__":
    sys.exit(cli.run(main))
