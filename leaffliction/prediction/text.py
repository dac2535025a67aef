"""Predictions, and what made them, in words, for people."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from leaffliction.model.classifier import Prediction
from leaffliction.model.released import (DEFAULT, released_models,
                                         released_name)
from leaffliction.prediction.hints import (NOT_LIKE_LEARNED, Hint,
                                           not_like_learned)
from leaffliction.prediction.languages import DEFAULT as DEFAULT_LANGUAGE
from leaffliction.prediction.languages import load_language
from leaffliction.prediction.plants import PredictedPlant
from leaffliction.utils.class_names import plant_of_class
from leaffliction.utils.console import printable

# What a grower reads instead of "out of distribution".
OOD_WORDS = "not like any leaf it has learned"
NO_DIAGNOSIS = f"{OOD_WORDS}: no diagnosis"
MAX_PLANTS = MAX_FILES = 4      # named in a line; more are counted


def describe(prediction: Prediction, count: int) -> str:
    """Return a prediction in words, with the `count` most probable classes."""
    (name, share), *others = prediction.top(count)
    text = f"{printable(name)} ({share:.1%})"
    if not prediction.known:
        text = f"{NO_DIAGNOSIS}; nearest is {text}"
    if others:
        text += "; then " + ", ".join(
            f"{printable(other)} ({share:.1%})" for other, share in others)
    return text


def describe_hints(hints: Iterable[Hint]) -> list[str]:
    """Return a line in English for each hint that is about one photograph.

    What the network knows is the same for all photographs: describe_expected.
    """
    language = load_language(DEFAULT_LANGUAGE)
    return [f"hint: {language.hint(hint)}" for hint in hints
            if hint.code != NOT_LIKE_LEARNED]


def describe_expected(class_names: Sequence[str]) -> str:
    """Return what to try where a photograph is not like any learned leaf."""
    return printable(load_language(DEFAULT_LANGUAGE).hint(
        not_like_learned(class_names)))


def describe_plant(plant: PredictedPlant, count: int) -> str:
    """Return the prediction for a plant in words, and who disagrees.

    count: number of classes, the most probable first.
    """
    text = describe(plant.prediction, count)
    number = len(plant.photographs)
    if number == 1:
        return text
    text += f"; {plant.agree} of {number} photographs agree"
    for paths, words in ((plant.differing, "other class"),
                         (plant.without_vote, OOD_WORDS)):
        if paths:
            names = [printable(path.name) for path in paths[:MAX_FILES]]
            if len(paths) > MAX_FILES:
                names.append(f"{len(paths) - MAX_FILES} more")
            text += f"; {words}: {', '.join(names)}"
    return text


def describe_plant_hints(plant: PredictedPlant) -> list[str]:
    """Return a line in English for each hint about a photograph of a plant."""
    return [f"{printable(one.path.name)}: {line}"
            for one in plant.photographs for line in describe_hints(one.hints)]


def summarize(count: int, unknown: int, failed: int,
              plants: int | None = None) -> str:
    """Return one line about `count` images.

    failed: how many could not be read.  unknown: how many are out of
    distribution; where `plants` says how many plants the images show, how
    many of those.
    """
    parts = [f"{unknown} {OOD_WORDS}"] if unknown else []
    if failed:
        parts.append(f"{failed} could not be read" if plants is None else
                     f"{failed} of the images could not be read")
    text = f"{count} image{'s' * (count != 1)}"
    if plants is not None:
        text = f"{plants} plant{'s' * (plants != 1)} in {text}"
    return f"{text}: " + (
        ", ".join(parts) or "all like leaves it has learned")


def describe_classes(class_names: Sequence[str]) -> str:
    """Return how many classes there are, and of which plants.

    "9 classes of apple and grape"; "5 classes of apple and others" where the
    names of some classes do not begin with a plant.
    """
    plants = [plant_of_class(name) for name in class_names]
    named = sorted(set(plants) - {None})
    text = f"{len(plants)} class{'es' * (len(plants) > 1)}"
    if not named:
        return text
    if len(named) > MAX_PLANTS:
        named = [f"{len(named)} plants"]
    *others, last = named + ["others"] * (None in plants)
    return f"{text} of " + (f"{', '.join(others)} and {last}" if others
                            else last)


def describe_choice(archive: Path, class_names: Sequence[str]) -> str:
    """Return one line about the archive that predict.py has chosen.

    For a user who gave no --learnings: which of the two it is, what it
    knows, and where to read about the released model or how to ask for it.
    """
    classes = describe_classes(class_names)
    name = released_name(archive)
    if name is None:
        text = f"using {archive} of this folder, which knows {classes}"
        return (f"{text} (--learnings {DEFAULT}: the released model)"
                if DEFAULT in released_models() else text)
    card = archive.with_suffix(".md")
    return (f"no learnings.zip here: using the released model {name}, which "
            f"knows {classes}" + (f" ({_short_path(card)})"
                                  if card.is_file() else ""))


def _short_path(path: Path) -> Path:
    """Return a path relative to the working directory, if it is below it."""
    folder = os.getcwd()
    return path.relative_to(folder) if path.is_relative_to(folder) else path
