"""A training with fewer images and epochs than train.py's.

    python quick_training.py ARGUMENTS     train.py, in a process of its own
"""

from leaffliction import program
from leaffliction.training import backgrounds, loop, training_set

CONSTANTS = (
    (training_set, "MIN_IMAGES", 20), (training_set, "FIELD_IMAGES", 4),
    (backgrounds, "FOLIAGE_IMAGES", 6), (backgrounds, "SHADE_PATTERNS", 4),
    # Keras repeats the step in the graph that often.
    (loop, "HEAD_EPOCHS", 5), (loop, "HEAD_STEPS_AT_ONCE", 2))


def shorten(set_constant=setattr):
    """Set the constants, or have monkeypatch.setattr set them."""
    for module, name, value in CONSTANTS:
        set_constant(module, name, value)


if __name__ == "__main__":
    import train
    shorten()
    program.start(train.main)
