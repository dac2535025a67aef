"""Derive the name of a class from the names of its folders.

The rule, for a folder that holds images:

1. A name that begins with a plant is the name of the class: ``Apple_scab``,
   ``Tomato___healthy``, ``grape esca``.
2. Otherwise the nearest plant folder above it is put in front: ``Apple/scab``
   is ``Apple_scab``, and so is ``Apple/2021/scab``.  The plant folder may be
   the folder that a program was given, as in
   ``predict.py images/Apple --evaluate``.
3. Otherwise the folder above it is put in front, if that lies below the
   folder that the program was given: ``lab/scab`` is ``lab_scab``.  A name
   that begins with the folder's stays as it is: ``Pawpaw/pawpaw_rust``.

A name that names no disease first gets the name of the folder above in
front.  Such are batches and severities (``Apple/scab/early`` is
``Apple_scab_early``), and a plant below a disease (``rust/Apple`` is
``rust_Apple``).

Folders that split a data set (``train``, ``valid``, ``test``) or merely hold
it (``images``, ``color``) are skipped.  So a class has the same name whatever
folders lie beside it.

Two names are one class if they differ only in case, in spaces around them, in
the characters between their words, or in the encoding of accents; but
``PVY+`` is not ``PVY-``.
"""

import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path

# The lists below hold words of folder names, as words_of returns them.

# Folders that split a data set, and what their images are for.
TEST = "test"
SPLITS = {
    **dict.fromkeys(("train", "training", "trainset"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "validate", "dev",
                     "valset", "validset"), "validation"),
    **dict.fromkeys(("test", "testing", "testset"), TEST)}
# A fold of a cross-validation.
FOLD = re.compile(r"fold_?[0-9]+")

# PlantVillage has each photograph three times, in color/, grayscale/ and
# segmented/.  Such renderings are one data set, not several classes.
COLOUR_WORDS = frozenset(("color", "colour", "coloured", "colored", "rgb"))
# These occur in no name of a disease; "gray" does ("gray mold").
SEGMENTATION_WORDS = frozenset((
    "grayscale", "greyscale", "segmented", "segmentation", "segmentations",
    "mask", "masks", "masked"))
RENDERING_WORDS = SEGMENTATION_WORDS | {"gray", "grey"}

# A folder whose name consists of these merely holds a data set, and says
# nothing of a class: "raw images", "dataset", "Leaves".
CONTAINER_WORDS = frozenset((
    "image", "images", "img", "imgs", "photo", "photos", "photograph",
    "photographs", "picture", "pictures", "data", "dataset", "datasets",
    "set", "raw", "leaf", "leaves", "classes", "class", "plant", "plants",
    "disease", "diseases", "new", "augmented", "augmentation", "original",
    "originals", "augmentedset", "originalset", "directory"))
# Those of them by which a folder inside that of a class ("scab/images") holds
# the class's images.  "scab/leaf" is not one: it may be beside "scab/stem".
IMAGE_WORDS = frozenset((
    "image", "images", "img", "imgs", "photo", "photos", "photograph",
    "photographs", "picture", "pictures"))

# Words that distinguish images of one disease: severity, part of the plant,
# batch.  Numbers, container words ("leaf 1") and the folders of cameras do so
# as well.
QUALIFIERS = frozenset((
    "early", "late", "initial", "advanced", "mild", "slight", "light",
    "moderate", "medium", "severe", "strong", "low", "high", "stage",
    "grade", "level", "severity", "batch", "part", "group", "series",
    "session", "day", "week", "month", "year", "front", "back", "side",
    "top", "upper", "lower", "stem", "stems", "fruit", "fruits", "flower",
    "flowers", "sample", "samples", "dcim"))
# "100CANON": three digits and five letters, by the DCF standard of cameras.
CAMERA_FOLDER = re.compile("[0-9]{3}[a-z]{5}")

# Plants that are photographed for their diseases, in the singular.
PLANTS = frozenset("""
    almond apple apricot aubergine avocado banana barley basil bean beet
    beetroot betel blackberry blackgram blueberry brinjal broccoli cabbage
    cacao canola capsicum cardamom carrot cashew cassava cauliflower celery
    cherry chestnut chickpea chili chilli chilly citrus clove cocoa coconut
    coffee corn cotton cowpea cranberry cucumber currant durian eggplant fig
    garlic ginger gooseberry grape grapefruit grapevine groundnut guava
    hazelnut hemp hibiscus hop jackfruit jamun jasmine jute kale kiwi
    kiwifruit lemon lentil lettuce lime linseed litchi longan loquat lychee
    maize mandarin mango melon millet mint mulberry mustard nectarine neem
    oat okra olive onion orange paddy palm papaya passionfruit pea peach
    peanut pear pecan pepper peppermint persimmon pigeonpea pineapple
    pistachio plum pomegranate potato pumpkin quince quinoa radish rapeseed
    raspberry rice rose rye sesame sorghum soy soya soybean spinach squash
    strawberry sugarbeet sugarcane sunflower sweetpotato tangerine tea teff
    tobacco tomato turmeric turnip vine walnut watermelon wheat yam zucchini
    """.split())


def words_of(name: str) -> list[str]:
    """Return the words of a name in lower case: "Apple___Scab " has two."""
    text = unicodedata.normalize("NFKC", name).casefold()
    # Case folding may undo the normal form.
    text = unicodedata.normalize("NFKC", text)
    # Hindi and Thai write vowels as marks (category M), which \w excludes.
    text = "".join(character if character in "+-" or character.isalnum()
                   or unicodedata.category(character).startswith("M")
                   else " " for character in text)
    # A sign that ends a word belongs to it: "PVY+" is not "PVY-".
    return re.findall(r"[^\s+-]+(?:[+-]+(?!\S))?", text)


def class_key(name: str) -> str:
    """Return the key of a class: equal for all spellings of its name."""
    return "_".join(words_of(name)) or name.strip().casefold()


def clean_name(name: str) -> str:
    """Return a folder's name for display, as part of a class name.

    Without spaces around it, and with each accented letter as one character.
    """
    return unicodedata.normalize("NFC", name).strip() or name


def split_of(name: str) -> str | None:
    """Return what a folder that splits a data set is for, or None.

    "train", "validation" or "test", also of "train images"; a fold of a
    cross-validation is a split of its own, such as "fold_1".
    """
    key = "_".join(word for word in words_of(name)
                   if word not in CONTAINER_WORDS)
    return key if FOLD.fullmatch(key) else SPLITS.get(key)


@dataclass(frozen=True)
class Rendering:
    """What the name of a folder says about a rendering of photographs.

    subject: the rest of the name, as a key: "" of "segmented", "plantvillage"
    of "PlantVillage color".  is_original: whether the photographs have their
    own colours, and are not segmented.
    """

    subject: str
    is_original: bool


def rendering_of(name: str) -> Rendering | None:
    """Return the rendering that a folder is named after, or None."""
    words = words_of(name)
    if set(words).isdisjoint(RENDERING_WORDS | COLOUR_WORDS):
        return None
    return Rendering(
        "_".join(word for word in words if word not in
                 RENDERING_WORDS | COLOUR_WORDS | CONTAINER_WORDS),
        set(words).isdisjoint(RENDERING_WORDS))


def is_image_folder(name: str) -> bool:
    """Return whether a folder only holds the images of the folder above it."""
    words = set(words_of(name))
    return bool(words & IMAGE_WORDS) and words <= CONTAINER_WORDS


def is_neutral(name: str) -> bool:
    """Return whether a folder's name says nothing about the class."""
    return split_of(name) is not None or set(words_of(name)) <= (
        CONTAINER_WORDS | RENDERING_WORDS | COLOUR_WORDS)


def is_qualifier(name: str) -> bool:
    """Return whether a name names no disease: "2", "batch1", "early stage"."""
    return all(CAMERA_FOLDER.fullmatch(word) or re.sub("[0-9]+", "", word)
               in QUALIFIERS | CONTAINER_WORDS | {""}
               for word in words_of(name))


def plant_of_word(word: str) -> str | None:
    """Return the plant, in the singular, that a word names, or None.

    word: in lower case, singular or plural ("apples", "cherries").
    """
    singulars = [word]
    for plural, singular in (("s", ""), ("es", ""), ("ies", "y")):
        if word.endswith(plural):
            singulars.append(word.removesuffix(plural) + singular)
    return next((name for name in singulars if name in PLANTS), None)


def plant_of_class(name: str) -> str | None:
    """Return the plant with which a class name begins, or None.

    In the singular and in lower case: "Tomatoes___healthy" is "tomato".
    """
    words = words_of(name)
    return plant_of_word(words[0]) if words else None


def plant_of_folder(name: str) -> str | None:
    """Return the plant after which a folder is named, as spelt there, or None.

    "Apple" is a plant folder, and so is "Apple leaves"; "Apple scab" is not.
    """
    words = [word for word in words_of(name) if word not in CONTAINER_WORDS]
    if len(words) != 1 or plant_of_word(words[0]) is None:
        return None
    spelt = re.search(re.escape(words[0]), clean_name(name), re.IGNORECASE)
    return spelt[0] if spelt else words[0]


def name_class(folder: Path, root: Path) -> tuple[str, str | None]:
    """Return the name of a class and its plant, None if that is unknown.

    folder: that of the class, relative to root, without the folders that
    split a data set.  root: absolute, the folder that a program was given.
    Where no plant is known, the folder whose name was put in front stands
    for the plant.
    """
    name, parents, outer = _split_path(folder, root)
    if plant := plant_of_folder(name):
        # "rust/Apple": the disease is above the plant.
        diseases = [parent for parent in parents if not is_qualifier(parent)]
        if diseases and plant_of_folder(diseases[-1]) is None:
            return _with_prefix(diseases[-1], name), plant
    prefix = None
    while (parents and is_qualifier(name)
           and plant_of_folder(parents[-1]) is None):
        prefix = clean_name(parents[-1])
        name = _with_prefix(parents.pop(), name)
    # From the nearest folder to the outermost.
    plants = [plant for parent in (*reversed(parents), *reversed(outer))
              if (plant := plant_of_folder(parent)) is not None]
    plant = _leading_plant(name, plants)
    if plant is not None:
        return name, plant
    if plants:
        # "Apple/healthy apple" names the plant already.
        is_named = class_key(plants[0]) in words_of(name)
        return name if is_named else f"{plants[0]}_{name}", plants[0]
    if parents:
        return _with_prefix(parents[-1], name), clean_name(parents[-1])
    return name, prefix


def _split_path(folder: Path, root: Path) -> tuple[str, list[str], list[str]]:
    """Return the name of a class folder, its parents and the outer folders.

    The parents lie below root; neutral ones are dropped.  The outer folders
    are root and, where root splits a data set ("Apple/train"), the folder
    above it.  Where root is the class itself, only the folder above it is.
    """
    parents = list(folder.parts)
    while parents and is_image_folder(parents[-1]):
        parents.pop()
    outer = [root.name]
    if not parents or split_of(root.name):
        outer.insert(0, root.parent.name)
    # The root of a disk, "/", has no name.
    name = clean_name(parents.pop() if parents else outer.pop()) or "images"
    return name, [part for part in parents if not is_neutral(part)], outer


def _leading_plant(name: str, plants: list[str]) -> str | None:
    """Return the plant with which a class name begins, or None.

    plants: the plant folders above, whose spelling is preferred.  Under one,
    the name of a virus does not begin with its plant: tobacco mosaic virus
    was first described on tobacco, and infects tomatoes as well.
    """
    plant = plant_of_class(name)
    if plant is None or plants and words_of(name)[-1] in ("virus", "viroid"):
        return None
    return next((spelt for spelt in plants
                 if plant_of_word(spelt.casefold()) == plant),
                re.match(r"[\W_]*([^\W_]*)", name)[1])


def _with_prefix(folder: str, name: str) -> str:
    """Return a class name with a folder's in front, unless it begins so."""
    words = words_of(folder)
    if words_of(name)[:len(words)] == words:
        return name
    return f"{clean_name(folder)}_{name}"
