"""What a class folder is called, and what its neighbours do not change.

The rule, for the folder that holds the images of a class:

1. A name that begins with a plant is the class: ``Apple_scab``,
   ``Tomato___healthy``, ``grape esca``.
2. Else the plant's folder above it gives the plant: ``Apple/scab`` is
   ``Apple_scab``, and so is ``Apple/2021/scab``.  That folder may be the one
   that a program was given, as in ``predict.py images/Apple --evaluate``.
3. Else the folder above it gives the first part, if it lies below the one
   given: ``lab/scab`` is ``lab_scab``; but a name that begins with that
   folder's stays as it is: ``Pawpaw/pawpaw_rust``.

A name that is no disease takes that of the folder above along first: a batch
or a severity (``Apple/scab/early`` is ``Apple_scab_early``), and a plant alone
(``rust/Apple`` is ``rust_Apple``).

Folders that divide a data set (``train``, ``valid``, ``test``) or only hold it
(``images``, ``color``) give no part of a name.  Two names are one class if
they differ in capitals, in the marks between their words, in spaces around
them, or in how an accent is encoded; but ``PVY+`` is not ``PVY-``.
"""

import re
import unicodedata
from pathlib import Path

# Folders that divide a data set, by what their images are for.
TEST = "test"
SPLITS = {
    **dict.fromkeys(("train", "training", "trainset"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "validate", "dev",
                     "valset", "validset"), "validation"),
    **dict.fromkeys(("test", "testing", "testset"), TEST)}
FOLD = re.compile(r"fold_?[0-9]+")
# Folders with the same photographs in other colours, as PlantVillage has
# them, by the words of their names.
COLOURED = frozenset(("color", "colour", "coloured", "colored", "rgb"))
# Of these no disease is named; of gray some are.
SEGMENTED = frozenset(("grayscale", "greyscale", "segmented", "segmentation",
                       "segmentations", "mask", "masks", "masked"))
RENDERED = SEGMENTED | {"gray", "grey"}
# Words of folders that only hold a data set.
CONTAINERS = frozenset((
    "image", "images", "img", "imgs", "photo", "photos", "photograph",
    "photographs", "picture", "pictures", "data", "dataset", "datasets",
    "set", "raw", "leaf", "leaves", "classes", "class", "plant", "plants",
    "disease", "diseases", "new", "augmented", "augmentation", "original",
    "originals", "augmentedset", "originalset", "directory"))
# Of these, words of folders in a class's own ("scab/images"); "scab/leaf" may
# be a class beside "scab/stem".
HOLDERS = frozenset((
    "image", "images", "img", "imgs", "photo", "photos", "photograph",
    "photographs", "picture", "pictures"))
# Words that tell images of one disease apart, but name none; so do numbers,
# containers ("leaf 1"), and the folders of cameras.
QUALIFIERS = frozenset((
    "early", "late", "initial", "advanced", "mild", "slight", "light",
    "moderate", "medium", "severe", "strong", "low", "high", "stage",
    "grade", "level", "severity", "batch", "part", "group", "series",
    "session", "day", "week", "month", "year", "front", "back", "side",
    "top", "upper", "lower", "stem", "stems", "fruit", "fruits", "flower",
    "flowers", "sample", "samples", "dcim"))
CAMERA = re.compile("[0-9]{3}[a-z]{5}")
# Plants that people photograph for their diseases; in the singular.
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
    """Return a name's words, in small letters: "Apple___Scab " has two."""
    text = unicodedata.normalize("NFKC", name).casefold()
    # Small letters may be composed anew: once more.
    text = unicodedata.normalize("NFKC", text)
    # Vowels of Hindi or Thai are marks on the letter before, and no \w.
    text = "".join(character if character in "+-" or character.isalnum()
                   or unicodedata.category(character).startswith("M")
                   else " " for character in text)
    # Behind a word a sign is part of it: "PVY+" is not "PVY-".
    return re.findall(r"[^\s+-]+(?:[+-]+(?!\S))?", text)


def class_key(name: str) -> str:
    """Return what two names of one class have in common."""
    return "_".join(words_of(name)) or name.strip().casefold()


def clean_name(name: str) -> str:
    """Return a folder's name as a class shows it: no spaces around it, and
    accents as one character."""
    return unicodedata.normalize("NFC", name).strip() or name


def plant_of(word: str) -> str | None:
    """Return the plant that a word in small letters names, or None.

    In the singular: "berries" of one are that one.
    """
    singulars = [word]
    for plural, singular in (("s", ""), ("es", ""), ("ies", "y")):
        if word.endswith(plural):
            singulars.append(word.removesuffix(plural) + singular)
    return next((name for name in singulars if name in PLANTS), None)


def is_holder(name: str) -> bool:
    """Tell whether a folder only holds the images of the one above it."""
    words = set(words_of(name))
    return bool(words & HOLDERS) and words <= CONTAINERS


def is_qualifier(name: str) -> bool:
    """Tell whether a name tells no disease: "2", "batch1", "early stage"."""
    return all(CAMERA.fullmatch(word) or re.sub("[0-9]+", "", word)
               in QUALIFIERS | CONTAINERS | {""} for word in words_of(name))


def split_of(name: str) -> str | None:
    """Return what a folder that divides a data set is for, or None.

    "train", "validation" or "test" ("train images" as well); folds of a
    cross-validation each for itself: "fold_1".
    """
    key = "_".join(word for word in words_of(name) if word not in CONTAINERS)
    return key if FOLD.fullmatch(key) else SPLITS.get(key)


def rendering_of(name: str) -> tuple[str, bool] | None:
    """Return which photographs a folder renders, and in which colours.

    The other words of its name, and whether it has the photographs' own
    colours: ("", False) for "segmented", ("plantvillage", True) for
    "PlantVillage color".  None where no word speaks of a rendering.
    """
    words = words_of(name)
    rest = [word for word in words
            if word not in RENDERED | COLOURED | CONTAINERS]
    if not set(words) & (RENDERED | COLOURED):
        return None
    return "_".join(rest), not set(words) & RENDERED


def is_neutral(name: str) -> bool:
    """Tell whether a folder's name says nothing of what is in it."""
    return split_of(name) is not None or set(words_of(name)) <= (
        CONTAINERS | RENDERED | COLOURED)


def plant_in(name: str) -> str | None:
    """Return a folder's name if it is a plant's, as "Apple" is.

    "Apple leaves" is "Apple".
    """
    words = [word for word in words_of(name) if word not in CONTAINERS]
    if len(words) != 1 or plant_of(words[0]) is None:
        return None
    found = re.search(re.escape(words[0]), clean_name(name), re.IGNORECASE)
    return found[0] if found else words[0]


def name_class(folder: Path, root: Path) -> tuple[str, str | None]:
    """Return the name of a class, and its plant if that is known.

    folder: that of the class, relative to root, without the folders that
    divide a data set.  root: absolute, the folder that a program was given.
    """
    parts = list(folder.parts)
    while parts and is_holder(parts[-1]):
        parts.pop()
    above = [root.name]
    if not parts or split_of(root.name):
        # Root is the class itself, or divides the folder above it.
        above.insert(0, root.parent.name)
    if not parts:
        parts = [above.pop()]
    own = clean_name(parts.pop()) or "images"
    parts = [part for part in parts if not is_neutral(part)]
    if plant_in(own):
        diseases = [part for part in parts if not is_qualifier(part)]
        if diseases and plant_in(diseases[-1]) is None:
            return _below(diseases[-1], own), plant_in(own)
    group = None
    while parts and is_qualifier(own) and plant_in(parts[-1]) is None:
        group = clean_name(parts[-1])
        own = _below(parts.pop(), own)
    words = words_of(own)
    plants = list(filter(None, map(plant_in, (*reversed(parts),
                                              *reversed(above)))))
    plant = plant_of(words[0]) if words else None
    # "Tobacco mosaic virus" is a disease of tomatoes as well.
    if plant and not (plants and words[-1] in ("virus", "viroid")):
        # In the plant folder's spelling, if there is one.
        return own, next((found for found in plants
                          if plant_of(found.casefold()) == plant),
                         re.match(r"[\W_]*([^\W_]*)", own)[1])
    if plants:
        # "Apple/healthy apple" says it already.
        is_said = class_key(plants[0]) in words
        return own if is_said else f"{plants[0]}_{own}", plants[0]
    if parts:
        return _below(parts[-1], own), clean_name(parts[-1])
    return own, group


def _below(folder: str, own: str) -> str:
    """Return a class's name with that of a folder above it in front."""
    words = words_of(folder)
    if words_of(own)[:len(words)] == words:
        return own
    return f"{clean_name(folder)}_{own}"
