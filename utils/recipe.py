"""How the network learns: first its new head, then the unfrozen top.

Both phases learn from what the frozen part gave for each image.  What was
tried, and by how much each choice helped, stands in docs/training.md.
"""

from dataclasses import dataclass

import numpy as np

from utils import cli
from utils.backbone import import_keras, stream
from utils.cli import UserError
from utils.features import shuffled_batches

HEAD_RATE = 1e-3         # Adam's own default: the head starts from nothing
HEAD_BATCH = 64          # images
HEAD_EPOCHS = 30         # more than it ever needs; EarlyStopping ends it
HEAD_IMAGES = 2000       # drawn: all of them make no better a start
WARMUP = 0.1             # share of the steps in which the rate is reached
WEIGHT_DECAY = 1e-4
DROPOUT = 0.2            # of the pooled features, against overfitting
# Batches handed to TensorFlow at once: a step of the head is shorter than
# the way there and back.
HEAD_STEPS_AT_ONCE = 10
POOLED = 64              # images at once


@dataclass(frozen=True)
class Examples:
    """What a phase learns from, or stops by.

    features: what lies below what learns, one row an image; float16 or
    float32 (N, ...), perhaps memory-mapped.  targets: classes, int (N,).
    """

    features: np.ndarray
    targets: np.ndarray

    def one_hot(self, classes: int) -> np.ndarray:
        """Return the targets as probabilities, float32 (N, classes)."""
        return np.eye(classes, dtype=np.float32)[self.targets]


def build_head(classes: int):
    """Return the new head: pooled features (N, 1280) to logits."""
    keras = import_keras()
    return keras.Sequential([
        keras.layers.Input((1280,)),
        keras.layers.Dropout(DROPOUT),
        keras.layers.Dense(classes)], name="head")


def train_head(head, learned: Examples, stopping: Examples, patience: int
               ) -> dict:
    """Phase 1: learn the head at a high rate; return its history.

    The examples' features are the pooled ones of the frozen backbone.
    """
    keras = import_keras()
    compile_model(head, keras.optimizers.Adam(HEAD_RATE), HEAD_STEPS_AT_ONCE)
    classes = head.output_shape[-1]
    with cli.progress_bar() as bar:
        fitted = head.fit(
            learned.features, learned.one_hot(classes), verbose=0,
            validation_data=(stopping.features, stopping.one_hot(classes)),
            batch_size=HEAD_BATCH, epochs=HEAD_EPOCHS,
            callbacks=[early_stopping(patience), advancing(
                bar, "Head", HEAD_EPOCHS, "on_epoch_end")])
    return fitted.history


def build_classifier(top, head):
    """Return features at the cut to logits: top, mean over places, head."""
    keras = import_keras()
    pooled = keras.layers.GlobalAveragePooling2D(dtype="float32")(top.output)
    return keras.Model(top.input, head(pooled))


def pooled_examples(top, examples: Examples, rng: np.random.Generator
                    ) -> Examples:
    """Return examples for the head, made of those for the top.

    At most HEAD_IMAGES of them, drawn.  Pooled features, float32 (N, 1280):
    the mean over all places of what the top gives, before it has learned.
    """
    keras = import_keras()
    pool = keras.Model(top.input, keras.layers.GlobalAveragePooling2D(
        dtype="float32")(top.output))
    count = len(examples.targets)
    rows = np.sort(rng.permutation(count)[:HEAD_IMAGES])
    return Examples(np.concatenate([
        pool.predict_on_batch(examples.features[part]) for part in
        np.split(rows, range(POOLED, len(rows), POOLED))]),
        examples.targets[rows])


def fine_tune(classifier, learned: Examples, stopping: Examples, rate: float,
              epochs: int, batch_size: int, patience: int,
              rng: np.random.Generator, keep_partial: bool = False
              ) -> tuple[dict, bool]:
    """Phase 2: learn top and head at a low rate.

    The examples' features are those at the cut.  The rate rises first, as
    Adam's first steps know little of the slope, and then falls along a
    cosine to 0 (Loshchilov and Hutter 2017).
    Returns the history and whether it was interrupted: with keep_partial
    Ctrl-C puts back the weights of the best epoch so far, or those of the
    start.  Raises UserError where the loss is no longer a number.
    """
    keras = import_keras()
    classes = classifier.output_shape[-1]
    steps = -(-len(learned.targets) // batch_size)
    warmup = round(WARMUP * epochs * steps)
    schedule = keras.optimizers.schedules.CosineDecay(
        0.0, epochs * steps - warmup, warmup_target=rate, warmup_steps=warmup)
    compile_model(classifier, keras.optimizers.AdamW(
        schedule, weight_decay=WEIGHT_DECAY))
    stopper = early_stopping(patience)
    history = keras.callbacks.History()
    before, interrupted = classifier.get_weights(), False
    try:
        with cli.progress_bar() as bar:
            classifier.fit(
                stream(lambda: shuffled_batches(
                    learned.features, learned.one_hot(classes), batch_size,
                    epochs, rng), learned.features.shape[1:], classes),
                steps_per_epoch=steps, epochs=epochs, verbose=0,
                shuffle=False,
                validation_data=(stopping.features,
                                 stopping.one_hot(classes)),
                callbacks=[stopper, history,
                           keras.callbacks.TerminateOnNaN(),
                           advancing(bar, "Fine-tuning", epochs * steps,
                                     "on_train_batch_end")])
    except KeyboardInterrupt:
        if not keep_partial:
            cli.print_note("--keep-partial would go on with the best weights "
                           "until here")
            raise
        interrupted = True
        classifier.set_weights(stopper.best_weights or before)
    if not np.isfinite(history.history.get("loss", [])).all():
        raise UserError("the loss is no longer a number; try a lower "
                        f"--learning-rate than {rate:g}")
    return history.history, interrupted


def compile_model(model, optimizer, steps_at_once: int = 1) -> None:
    """Set optimiser and loss: cross-entropy of the logits."""
    keras = import_keras()
    model.compile(optimizer, metrics=["accuracy"],
                  loss=keras.losses.CategoricalCrossentropy(from_logits=True),
                  steps_per_execution=steps_at_once)


def early_stopping(patience: int):
    """Return the callback that stops when the stopping part's loss rises.

    From there on the network would only learn its images by heart; the
    weights of the best epoch are put back.
    """
    keras = import_keras()
    return keras.callbacks.EarlyStopping(
        "val_loss", patience=patience, restore_best_weights=True)


def advancing(bar, title: str, total: int, event: str):
    """Return a callback that moves a new line of a progress bar.

    event: "on_epoch_end" or "on_train_batch_end", of which there are total.
    """
    keras = import_keras()
    task = bar.add_task(title, total=total)

    def advance(number: int, logs: dict | None = None) -> None:
        bar.advance(task)

    return keras.callbacks.LambdaCallback(**{event: advance})
