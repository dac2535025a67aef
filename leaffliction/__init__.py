"""Recognise plant diseases from photographs of leaves.

    from leaffliction import Classifier
    classifier = Classifier.load("learnings.zip")

The five programs beside this package show how its parts are used.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from leaffliction.model.classifier import Classifier, Prediction

__version__ = "0.4.0"
__all__ = ["Classifier", "Prediction"]


def __getattr__(name: str):
    """Import a public class when it is first used (PEP 562).

    The programs import this package before anything else; their `-h` must
    not wait for NumPy and OpenCV.
    """
    if name in __all__:
        from leaffliction.model import classifier
        return getattr(classifier, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
