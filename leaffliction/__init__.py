"""Recognise plant diseases from photographs of leaves.

    from pathlib import Path
    from leaffliction import Classifier
    classifier = Classifier.load("apple-grape")
    prediction = classifier.predict_file(Path("leaf.jpg"))
    print(prediction.class_name, prediction.confidence)

"apple-grape" is a released model; the path of an archive that train.py has
written, such as "learnings.zip", is possible as well.

Each step has a package, named like its program: distribution, augmentation,
transformation, training and prediction.  They share model (what training
writes and prediction reads) and utils; scale spreads the work over several
computers, and is loaded only when asked for.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from leaffliction.model.classifier import Classifier, Prediction

__version__ = "0.4.0"
__all__ = ["Classifier", "Prediction"]


def __getattr__(name: str):
    """Import a public class when it is first used (PEP 562).

    Each program imports this package first, and `-h` must not wait for NumPy
    and OpenCV.
    """
    if name in __all__:
        from leaffliction.model import classifier
        return getattr(classifier, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
