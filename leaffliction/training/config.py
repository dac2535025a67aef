"""The settings of a training run: their defaults, and what follows from them.

docs/explanation/ (training.md, field.md) says what was tried for each of them.
"""

from dataclasses import dataclass

from leaffliction.utils.console import print_note

EPOCHS = 2               # of thousands of images; a third epoch gains nothing
# Of few images an epoch has few steps: then as many epochs as it takes to
# make MIN_STEPS steps, but at most MAX_EPOCHS.
MIN_STEPS, MAX_EPOCHS = 300, 15
LEARNING_RATE = 4e-4     # of fine-tuning; 2e-4 and 8e-4 make more errors
PATIENCE = 3             # epochs without progress
# An early-stopping set of fewer images cannot tell a better epoch from a
# worse one.  Then all epochs run, at FEW_LEARNING_RATE, and the last weights
# stay: from 25 photographs a class, the worst of ten seeds rises from 85 %
# to 94 % accuracy.
MIN_EARLY_STOPPING, FEW_LEARNING_RATE = 100, 1e-4
EARLY_STOPPING_SHARE = 0.1   # of the images that are not held out


@dataclass(frozen=True)
class TrainConfig:
    """The settings of a training run, as the options of train.py give them.

    validation: share of the images held out, 0..1.
    field_images: synthetic field images, as a fraction of the balanced set.
    size: side of the network's input, pixels.
    batch_size: images for each step of fine-tuning, on all machines together.
    unfreeze: number of layers to fine-tune, or the lowest block of them.
    weights: "imagenet", "none", the path of an HDF5 file or of an archive,
    or the name of a released model.
    epochs, learning_rate, patience: of fine-tuning; None: plan_fine_tuning
    chooses by the number of images.
    keep_contradictions: use photographs that lie in several classes.
    keep_partial: on Ctrl-C during fine-tuning, finish with the best weights.
    float_model: also export the network in 32-bit floats.
    archive_images: put the augmented images into the archive.
    budget: minutes that the run may take (budget.py), or None.
    seed: of the split, the augmentations, the weights and all samples.
    """

    validation: float = 0.2
    field_images: float = 0.2
    size: int = 160               # 192 and 224 make as many errors
    batch_size: int = 32
    # From block_13: 51 instead of 55 % right of the orchard photographs.
    unfreeze: int | str = "block_10"
    weights: str = "imagenet"
    epochs: int | None = None
    learning_rate: float | None = None
    patience: int | None = None
    keep_contradictions: bool = False
    keep_partial: bool = False
    float_model: bool = False
    archive_images: bool = True
    budget: float | None = None
    seed: int = 42


@dataclass(frozen=True)
class FineTuningPlan:
    """How fine-tuning proceeds.

    learning_rate: the highest of the schedule.  epochs: at most.
    batch_size: images for each step, on all replicas together.
    patience: epochs without progress after which it stops; None: all epochs
    run and the last weights stay.
    keep_partial: on Ctrl-C, return the best weights so far.
    """

    learning_rate: float
    epochs: int
    batch_size: int
    patience: int | None
    keep_partial: bool = False


def plan_fine_tuning(config: TrainConfig, images: int, early_stopping: int
                     ) -> FineTuningPlan:
    """Return the plan of fine-tuning: the options, else their defaults.

    The defaults depend on how many images there are.
    images: number of images to train on.
    early_stopping: number of images in the early-stopping set.
    """
    is_few = early_stopping < MIN_EARLY_STOPPING
    plan = FineTuningPlan(
        config.learning_rate or (
            FEW_LEARNING_RATE if is_few else LEARNING_RATE),
        config.epochs or default_epochs(images, config.batch_size),
        config.batch_size,
        config.patience or (None if is_few else PATIENCE),
        config.keep_partial)
    if plan.patience is None:
        print_note(
            f"few images (the early-stopping set has {early_stopping}, fewer "
            f"than {MIN_EARLY_STOPPING}): fine-tuning runs to its last "
            "epoch and keeps the last weights")
    return plan


def default_epochs(images: int, batch_size: int) -> int:
    """Return the number of epochs for so many images."""
    steps = -(-images // batch_size)
    return max(EPOCHS, min(MAX_EPOCHS, -(-MIN_STEPS // steps)))
