"""Recognise augmented copies of photographs by the names that tools give.

"a_Flip.JPG" is an augmented copy of "a.JPG", its original.  A copy is useful
for training, but it shows the original's leaf.  If one of the two is in the
training set and the other in the validation set, the measured accuracy is too
high.
"""

import re
from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from leaffliction.utils.images import SUFFIXES
from leaffliction.utils.labels import AUGMENTATION_NAMES

# The words for an augmentation in file names: of Augmentation.py, of other
# solutions of the same exercise, of PlantVillage's augmented editions
# ("_90deg", "_new30degFlipLR"), and of scripts that use imgaug or
# albumentations.
DIRECTIONS = "lr|tb|ud|x|y|h|v|horizontal(?:ly)?|vertical(?:ly)?"
AUGMENTATION_WORDS = (
    *AUGMENTATION_NAMES, "Contrast", "Scal(?:e|ed|ing)", "Illumination",
    "Projective", "Translat(?:e|ed|ion)", "Rotat(?:ed|ion)", "Flipped",
    "Skewed", "Sheared", "Cropped", "Distorted", "Blur(?:red|ry)",
    rf"flip(?:ped)?[_-]?(?:{DIRECTIONS})",
    rf"(?:{DIRECTIONS})[_-]?flip(?:ped)?",
    "mirror(?:ed)?", "transposed?", "bright(?:er|ened)?",
    "dark(?:er|ened)?", "nois[ey]", "(?:gaussian|salt)[_-]?(?:noise|blur)",
    "zoom(?:ed)?", "saturat(?:ed|ion)", "hue", "colou?r[_-]?jitter",
    "sharpen(?:ed)?", "gamma", "aug(?:mented|mentation)?",
    "(?:random|cent(?:er|re))[_-]?crop", "zoom[_-]?(?:in|out)",
    "shift(?:ed)?", "elastic", "cut[_-]?out", "clahe", "equali[sz]ed?",
    r"(?:new|rot(?:ated?)?)?[_-]?\d{1,3}deg(?:rees?)?"
    "(?:[_-]?flip(?:lr|tb|ud)?)?",
    "rot",
    # The original saved again, or its leaf cut out.
    "original", "(?:final[_-]?)?mask(?:ed)?", "segment(?:ed|ation)")
AUGMENTATION = f"(?:{'|'.join(AUGMENTATION_WORDS)})"
# The number of a copy or an amount: "_2", "-15", "_0.8", "_5_3".
NUMBER = r"[_ -]{0,2}\d{1,4}(?:\.\d{1,4})?(?:[_x-]{1,2}\d{1,4})?"
# "a_Flip" and "a_Rotate_2"; group 2 is the number.
SUFFIXED = re.compile(rf"(.+?)[_ -]+{AUGMENTATION}({NUMBER})?", re.IGNORECASE)
# "flipped_a" and "aug_3_a".
PREFIXED = re.compile(rf"{AUGMENTATION}(?:{NUMBER})?[_ -]+(.+)",
                      re.IGNORECASE)
# Keras's save_to_dir names a copy PREFIX_INDEX_RANDOM.  The index is that of
# the photograph in its batch: 0 where single images are augmented, and then
# the prefix is often the name of the photograph.
KERAS = re.compile(r"(.+)_0_\d{1,7}")
KERAS_UNATTRIBUTED = re.compile(r"(?:aug\w*?|gen\w*?)?_\d+_\d{1,7}",
                                re.IGNORECASE)
# Roboflow ("a_jpg.rf.HASH") and Augmentor ("CLASS_original_a.jpg_UUID") write
# several copies of a photograph, often into data sets without the original.
ROBOFLOW = re.compile(
    r"(.+)_(?:jpe?g|png|bmp|tiff?|webp|heic|avif)\.rf\.[0-9a-z]{16,40}",
    re.IGNORECASE)
AUGMENTOR = re.compile(
    r".*?_original_(.+?)_[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}",
    re.IGNORECASE)
# The original's suffix within the name of a copy: "a.JPG_90deg.JPG".
INNER_SUFFIX = re.compile(r"(.+)\.(?:jpe?g|png|bmp|tiff?|webp|heic|avif)",
                          re.IGNORECASE)


def copy_path(source: Path, augmentation: str) -> Path:
    """Return the path of an augmented copy: "a_Flip.JPG" of "a.JPG".

    A copy of a file without a suffix, or with one that is not written, is a
    JPEG: "a.heic_Flip.jpg".  original_stems leads back from both.
    """
    if source.suffix.lower() in SUFFIXES:
        return source.with_stem(f"{source.stem}_{augmentation}")
    return source.with_name(f"{source.name}_{augmentation}.jpg")


def original_stems(stem: str) -> Iterator[tuple[str, bool]]:
    """Yield the stems that the original of a copy may have, nearest first.

    stem: of the copy.  "a_Flip_Crop" yields "a_Flip", then "a"; the name of
    an original yields nothing.
    With each stem comes whether two copies that share it are of the same
    photograph even where the original is missing.  They need not be if they
    are only numbered: "leaf_aug_1" and "leaf_aug_2" may be two leaves.
    """
    is_certain = True
    while True:
        for pattern in (ROBOFLOW, AUGMENTOR, SUFFIXED, KERAS, PREFIXED):
            match = pattern.fullmatch(stem)
            if match is not None:
                break
        else:
            return
        if pattern is SUFFIXED:
            is_certain = is_certain and match[2] is None
        elif pattern in (KERAS, PREFIXED):
            is_certain = False
        stem = match[1]
        inner = INNER_SUFFIX.fullmatch(stem)
        if inner:
            # There may be an original "a.HEIC.jpg" as well as an "a.jpg".
            yield stem, is_certain
            stem = inner[1]
        yield stem, is_certain


class StemIndex:
    """Finds the files of a class by their stem or name, in any case."""

    def __init__(self, files: Iterable[Path],
                 classes: Iterable[Hashable] | None) -> None:
        """classes: of each file; None: its folder."""
        files = list(files)
        self.class_of = dict(zip(files, classes if classes is not None else
                                 [file.parent for file in files]))
        self._files = defaultdict(list)
        for file in files:
            # The name, too: "a.heic_Flip.jpg" is a copy of "a.heic".
            for name in {file.stem.casefold(), file.name.casefold()}:
                self._files[self.class_of[file], name].append(file)

    def find(self, copy: Path, stem: str) -> Path | None:
        """Return the file of this stem in the class of a copy, or None.

        Of several the first one in the copy's folder, and of these the first
        one with the copy's suffix.
        """
        candidates = [file for file in self._files.get(
            (self.class_of[copy], stem.casefold()), ()) if file != copy]
        return min(candidates, default=None, key=lambda file: (
            file.parent != copy.parent,
            file.suffix.lower() != copy.suffix.lower()))


def augmented_copies(files: Iterable[Path],
                     classes: Iterable[Hashable] | None = None
                     ) -> dict[Path, Path]:
    """Return {augmented copy: original} for the copies among the files.

    classes: of each file; None: its folder.
    A file is a copy if its name says so and its original is in the same
    class: a file that is merely called "Crop" is an original.  The original
    of a copy of a copy is the photograph that both were made of.
    """
    index = StemIndex(files, classes)
    sources = {}
    for file in index.class_of:
        for stem, _ in original_stems(file.stem):
            source = index.find(file, stem)
            if source is not None:
                sources[file] = source
                break
    copies = {}
    for file, source in sources.items():
        visited = {file}    # Two files may each be named as the other's copy.
        while source in sources and source not in visited:
            visited.add(source)
            source = sources[source]
        copies[file] = source
    return copies


def link_copies(files: Sequence[Path],
                classes: Sequence[Hashable] | None = None) -> np.ndarray:
    """Return for each file the index of a file with the same leaf, int (N,).

    classes: of each file; None: its folder.
    An augmented copy is linked to its original; copies that are certainly of
    one missing original, to the first of them; any other file, to itself.
    """
    copies = augmented_copies(files, classes)
    index_of = {file: index for index, file in enumerate(files)}
    if classes is None:
        classes = [file.parent for file in files]
    first_copies: dict[tuple[Hashable, str], int] = {}
    links = []
    for index, (file, class_name) in enumerate(zip(files, classes)):
        if file in copies:
            links.append(index_of[copies[file]])
            continue
        stems = [stem for stem, is_certain in original_stems(file.stem)
                 if is_certain]
        links.append(first_copies.setdefault(
            (class_name, stems[-1].casefold()), index) if stems else index)
    return np.array(links, int)


def unattributed_copies(files: Iterable[Path]) -> list[Path]:
    """Return files whose name says only that Keras's save_to_dir wrote them.

    They are copies, but their names do not say of which photograph.
    """
    return [file for file in files if KERAS_UNATTRIBUTED.fullmatch(file.stem)]
