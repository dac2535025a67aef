"""Predictions in words, for people."""

from leaffliction.model.classifier import Prediction
from leaffliction.utils.console import printable

# What a grower reads instead of "out of distribution".
OOD_WORDS = "not like any leaf it has learned"
NO_DIAGNOSIS = f"{OOD_WORDS}: no diagnosis"


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


def summarize(count: int, unknown: int, failed: int) -> str:
    """Return one line about `count` images.

    unknown: how many are out of distribution.  failed: how many could not be
    read.
    """
    parts = [f"{number} {words}" for number, words in (
        (unknown, OOD_WORDS), (failed, "could not be read")) if number]
    return f"{count} images: " + (
        ", ".join(parts) or "all like leaves it has learned")
