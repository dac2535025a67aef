"""Augmented copies of photographs, known by the names that tools give them.

"a_Flip.JPG" shows the leaf of "a.JPG".  Such a copy is worth learning from,
but an accuracy measured on it, or with its original among the images learned
from, says nothing.
"""

import re
from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from leaffliction.utils.images import SUFFIXES
from leaffliction.utils.labels import AUGMENTATION_NAMES

# What is said of a copy in its name: by our Augmentation.py, by the solutions
# of the same exercise, by the augmented editions of PlantVillage ("_90deg",
# "_new30degFlipLR"), and by people who use imgaug or albumentations.
SIDES = "lr|tb|ud|x|y|h|v|horizontal(?:ly)?|vertical(?:ly)?"
WORDS = (
    *AUGMENTATION_NAMES, "Contrast", "Scal(?:e|ed|ing)", "Illumination",
    "Projective", "Translat(?:e|ed|ion)", "Rotat(?:ed|ion)", "Flipped",
    "Skewed", "Sheared", "Cropped", "Distorted", "Blur(?:red|ry)",
    rf"flip(?:ped)?[_-]?(?:{SIDES})", f"(?:{SIDES})[_-]?flip(?:ped)?",
    "mirror(?:ed)?", "transposed?", "bright(?:er|ened)?",
    "dark(?:er|ened)?", "nois[ey]", "(?:gaussian|salt)[_-]?(?:noise|blur)",
    "zoom(?:ed)?", "saturat(?:ed|ion)", "hue", "colou?r[_-]?jitter",
    "sharpen(?:ed)?", "gamma", "aug(?:mented|mentation)?",
    "(?:random|cent(?:er|re))[_-]?crop", "zoom[_-]?(?:in|out)",
    "shift(?:ed)?", "elastic", "cut[_-]?out", "clahe", "equali[sz]ed?",
    r"(?:new|rot(?:ated?)?)?[_-]?\d{1,3}deg(?:rees?)?"
    "(?:[_-]?flip(?:lr|tb|ud)?)?",
    "rot",
    # A leaf cut out, or shown again.
    "original", "(?:final[_-]?)?mask(?:ed)?", "segment(?:ed|ation)")
MARK = f"(?:{'|'.join(WORDS)})"
# "_2", "-15", "_0.8", "_5_3".
NUMBER = r"[_ -]{0,2}\d{1,4}(?:\.\d{1,4})?(?:[_x-]{1,2}\d{1,4})?"
# "a_Flip" and "a_Rotate_2" show "a"; so do "flipped_a" and "aug_3_a".
BEHIND = re.compile(rf"(.+?)[_ -]+{MARK}({NUMBER})?", re.IGNORECASE)
BEFORE = re.compile(rf"{MARK}(?:{NUMBER})?[_ -]+(.+)", re.IGNORECASE)
# Keras's save_to_dir names a copy PREFIX_INDEX_RANDOM: of a single image the
# index is 0, and the prefix often its name.
KERAS = re.compile(r"(.+)_0_\d{1,7}")
NAMELESS = re.compile(r"(?:aug\w*?|gen\w*?)?_\d+_\d{1,7}", re.IGNORECASE)
# Roboflow's "a_jpg.rf.HASH" and Augmentor's "CLASS_original_a.jpg_UUID" are
# never one photograph's only copies: of these the original is often missing.
ROBOFLOW = re.compile(
    r"(.+)_(?:jpe?g|png|bmp|tiff?|webp|heic|avif)\.rf\.[0-9a-z]{16,40}",
    re.IGNORECASE)
AUGMENTOR = re.compile(
    r".*?_original_(.+?)_[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}",
    re.IGNORECASE)
# An original's own ending inside a copy's name: "a.JPG_90deg.JPG".
ENDING = re.compile(r"(.+)\.(?:jpe?g|png|bmp|tiff?|webp|heic|avif)",
                    re.IGNORECASE)


def origins_of(stem: str) -> Iterator[tuple[str, bool]]:
    """Yield the stems of which a copy's stem was made, the nearest first.

    With each, whether two copies of it are surely of one photograph even if
    the original is missing.  They are not where a copy is only numbered:
    "leaf_aug_1" and "leaf_aug_2" may be two photographs.
    """
    sure = True
    while True:
        for pattern in (ROBOFLOW, AUGMENTOR, BEHIND, KERAS, BEFORE):
            found = pattern.fullmatch(stem)
            if found is not None:
                break
        else:
            return
        if pattern is BEHIND:
            sure = sure and found[2] is None
        elif pattern in (KERAS, BEFORE):
            sure = False
        stem = found[1]
        ending = ENDING.fullmatch(stem)
        if ending:
            # "a.HEIC.jpg" is a name of its own, if there is such a file.
            yield stem, sure
            stem = ending[1]
        yield stem, sure


def copy_of(source: Path, augmentation: str) -> Path:
    """Return the name of an augmented copy, which origins_of leads back.

    "a_Flip.JPG" of "a.JPG".  Of what is not written, or has no ending, it is
    a JPEG: "a.heic_Flip.jpg".
    """
    if source.suffix.lower() in SUFFIXES:
        return source.with_stem(f"{source.stem}_{augmentation}")
    return source.with_name(f"{source.name}_{augmentation}.jpg")


def original_of(file: Path) -> Path | None:
    """Return the name of which an augmented copy's name was made, or None.

    Without regard to whether there is such a file.
    """
    for stem, _ in origins_of(file.stem):
        return file.with_name(stem + file.suffix)
    return None


class Names:
    """Files by class and stem, whatever their letters' case and ending.

    By the whole name as well: "a.heic_Flip.jpg" is a copy of "a.heic".
    """

    def __init__(self, files: Iterable[Path],
                 classes: Iterable[Hashable] | None) -> None:
        """classes: of each file; None: its folder stands for its class."""
        files = list(files)
        self.class_of = dict(zip(files, classes if classes is not None else
                                 [file.parent for file in files]))
        self.found = defaultdict(list)
        for file in files:
            for name in {file.stem.casefold(), file.name.casefold()}:
                self.found[self.class_of[file], name].append(file)

    def nearest(self, copy: Path, stem: str) -> Path | None:
        """Return the file of a stem in a copy's class, or None.

        Of several the one beside the copy, and with the copy's ending; of
        these the first.
        """
        found = [file for file in self.found.get(
            (self.class_of[copy], stem.casefold()), ()) if file != copy]
        return min(found, default=None, key=lambda file: (
            file.parent != copy.parent,
            file.suffix.lower() != copy.suffix.lower()))


def augmented_copies(files: Iterable[Path],
                     classes: Iterable[Hashable] | None = None
                     ) -> dict[Path, Path]:
    """Return {augmented copy: original} for the copies among the files.

    classes: of each file; None: its folder stands for its class.
    By the names that tools give, and only where the original is in the same
    class: a file that merely is called "Crop" is an original like any other.
    """
    names = Names(files, classes)
    sources = {}
    for file in names.class_of:
        for stem, _ in origins_of(file.stem):
            source = names.nearest(file, stem)
            if source is not None:
                sources[file] = source
                break
    copies = {}
    for file, source in sources.items():
        met = {file}
        while source in sources and source not in met:
            met.add(source)
            source = sources[source]
        copies[file] = source
    return copies


def linked_copies(files: Sequence[Path],
                  classes: Sequence[Hashable] | None = None) -> np.ndarray:
    """Return for each file the index of one that shows its leaf: int (N,).

    For an augmented copy its original; where that is missing, for all surely
    made of it the first of them; for any other file itself.
    """
    copies = augmented_copies(files, classes)
    index_of = {file: index for index, file in enumerate(files)}
    siblings: dict = {}
    links = []
    if classes is None:
        classes = [file.parent for file in files]
    for index, (file, class_) in enumerate(zip(files, classes)):
        if file in copies:
            links.append(index_of[copies[file]])
            continue
        stems = [stem for stem, sure in origins_of(file.stem) if sure]
        links.append(siblings.setdefault(
            (class_, stems[-1].casefold()), index) if stems
            else index)
    return np.array(links, int)


def nameless_copies(files: Iterable[Path]) -> list[Path]:
    """Return the files that Keras's save_to_dir has named, without originals.

    Such a name says that it is a copy, but not of which photograph.
    """
    return [file for file in files if NAMELESS.fullmatch(file.stem)]
