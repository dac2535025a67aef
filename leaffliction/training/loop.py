"""How the network learns: first its new head, then the unfrozen top.

Both phases learn from what the frozen part gave for each image.  What was
tried, and by how much each choice helped, stands in docs/training.md.
"""

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass

import numpy as np

from leaffliction.scale.tf_config import catch_interrupt, lost_machine_as_error
from leaffliction.training import replicas
from leaffliction.training.backbone import import_keras
from leaffliction.utils.console import print_note
from leaffliction.utils.errors import UserError
from leaffliction.utils.progress import progress_bar

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
POOLED_FEATURES = 1280   # of MobileNetV2


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
        keras.layers.Input((POOLED_FEATURES,)),
        keras.layers.Dropout(DROPOUT),
        keras.layers.Dense(classes)], name="head")


def train_head(head, learned: Examples, stopping: Examples,
               patience: int | None) -> dict:
    """Phase 1: learn the head at a high rate; return its history.

    The examples' features are the pooled ones of the frozen backbone.
    patience: as of Plan.
    """
    keras = import_keras()
    compile_model(head, keras.optimizers.Adam(HEAD_RATE), HEAD_STEPS_AT_ONCE)
    classes = head.output_shape[-1]
    with progress_bar() as bar:
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


@dataclass(frozen=True)
class Plan:
    """How fine-tuning goes on.

    rate: of learning, at its highest.  epochs: at most.  batch_size: images
    between two steps, of all replicas together.  patience: epochs without
    progress after which it stops; None: all epochs, and the last weights.
    """

    rate: float
    epochs: int
    batch_size: int
    patience: int | None


def fine_tune(classifier, learned: Examples, stopping: Examples, plan: Plan,
              rng: np.random.Generator, keep_partial: bool = False,
              strategy=None) -> tuple[dict, bool]:
    """Phase 2: learn top and head at a low rate.

    The examples' features are those at the cut.  strategy: TensorFlow's, of
    several machines or GPUs; each machine calls this with the same
    arguments, and ends with the same weights.
    Returns the history and whether it was interrupted: with keep_partial
    Ctrl-C, on any machine, puts back the weights of the best epoch so far,
    or those of the start; without early stopping, once an epoch is done,
    those of the last step stay.
    Raises UserError where the loss is no longer a number, or another machine
    has ended.
    """
    keras = import_keras()
    strategy = strategy or replicas.local_strategy()
    steps = -(-len(learned.targets) // plan.batch_size)
    stopper, history = early_stopping(plan.patience), keras.callbacks.History()
    interrupted = False
    with progress_bar() as bar, lost_machine_as_error(), strategy.scope():
        model = keras.models.clone_model(classifier)
        model.set_weights(classifier.get_weights())
        callbacks = keras.callbacks.CallbackList(
            [stopper, history, keras.callbacks.TerminateOnNaN(), advancing(
                bar, "Fine-tuning", plan.epochs * steps,
                "on_train_batch_end")], model=model)
        try:
            with catch_interrupt() as noted:
                run_epochs(strategy, model, learned, stopping, plan, rng,
                           callbacks, noted)
            if noted:
                raise KeyboardInterrupt
        except KeyboardInterrupt:
            if not keep_partial:
                print_note("--keep-partial would go on with the best "
                           "weights until here")
                raise
            interrupted = True
            if stopper.best_weights:
                model.set_weights(stopper.best_weights)
        if not interrupted or history.epoch:
            classifier.set_weights(model.get_weights())
    if not np.isfinite(history.history.get("loss", [])).all():
        raise UserError("the loss is no longer a number; try a lower "
                        f"--learning-rate than {plan.rate:g}")
    return history.history, interrupted


def run_epochs(strategy, model, learned: Examples, stopping: Examples,
               plan: Plan, rng: np.random.Generator, callbacks,
               noted: list) -> None:
    """Learn until a callback stops it, or the plan is done.

    model: made in the strategy's scope.  noted: not empty once Ctrl-C was
    pressed; all machines then raise KeyboardInterrupt after the same step.
    """
    count, size = len(learned.targets), plan.batch_size
    learn, test = replicas.build_steps(strategy, model, build_optimizer(
        model, plan, -(-count // size)))
    # Drawn for whole batches, from a stream of its own: what drops out
    # depends on how many replicas there are as little as the order does.
    dropout = np.random.Generator(rng.bit_generator.jumped())

    def means(step: Callable, examples: Examples, drawn: Iterable,
              after: Callable = lambda *_: None) -> np.ndarray:
        """Return loss and accuracy of an epoch, the mean of its images."""
        sums, seen = np.zeros(2), 0
        # Closed here, or Python may do so in the thread that reads ahead.
        with closing(replicas.distributed_batches(
                strategy, examples.features, examples.targets, size, drawn)
                ) as batches:
            for number, (rows, values) in enumerate(batches):
                *figures, stop = replicas.first_result(strategy, step(
                    values, replicas.flag(strategy, bool(noted))))
                if stop:
                    raise KeyboardInterrupt
                sums, seen = sums + rows * np.array(figures), seen + rows
                after(number, {"loss": sums[0] / seen})
                if model.stop_training:
                    break
        return sums / seen

    model.stop_training = False
    callbacks.on_train_begin()
    for epoch in range(plan.epochs):
        callbacks.on_epoch_begin(epoch)
        loss, accuracy = means(learn, learned, batch_rows(
            rng.permutation(count), size, dropout),
            callbacks.on_train_batch_end)
        val_loss, val_accuracy = means(test, stopping, batch_rows(
            np.arange(len(stopping.targets)), size))
        callbacks.on_epoch_end(epoch, {
            "loss": loss, "accuracy": accuracy, "val_loss": val_loss,
            "val_accuracy": val_accuracy})
        if model.stop_training:
            break
    callbacks.on_train_end()


def batch_rows(order: np.ndarray, size: int,
               dropout: np.random.Generator | None = None
               ) -> Iterator[tuple]:
    """Yield the rows of each batch, and the factors of their features.

    order: of all rows.  Factors, float32 (n, 1280): without dropout 1.
    """
    for start in range(0, len(order), size):
        # Sorted: a disk reads forwards faster.
        rows = np.sort(order[start:start + size])
        shape = len(rows), POOLED_FEATURES
        yield rows, (np.ones(shape, np.float32) if dropout is None else
                     (dropout.random(shape, np.float32) >= DROPOUT)
                     * np.float32(1 / (1 - DROPOUT)))


def build_optimizer(model, plan: Plan, steps: int):
    """Return AdamW for so many steps an epoch.

    The rate rises first, as Adam's first steps know little of the slope, and
    then falls along a cosine to 0 (Loshchilov and Hutter 2017).
    """
    keras = import_keras()
    warmup = round(WARMUP * plan.epochs * steps)
    schedule = keras.optimizers.schedules.CosineDecay(
        0.0, plan.epochs * steps - warmup, warmup_target=plan.rate,
        warmup_steps=warmup)
    optimizer = keras.optimizers.AdamW(schedule, weight_decay=WEIGHT_DECAY)
    optimizer.build(model.trainable_variables)
    return optimizer


def compile_model(model, optimizer, steps_at_once: int = 1) -> None:
    """Set optimiser and loss: cross-entropy of the logits."""
    keras = import_keras()
    model.compile(optimizer, metrics=["accuracy"],
                  loss=keras.losses.CategoricalCrossentropy(from_logits=True),
                  steps_per_execution=steps_at_once)


def early_stopping(patience: int | None):
    """Return the callback that stops when the stopping part's loss rises.

    From there on the network would only learn its images by heart; the
    weights of the best epoch are put back.  Without patience it never stops,
    and the last weights stay.
    """
    keras = import_keras()
    return keras.callbacks.EarlyStopping(
        "val_loss", patience=patience or sys.maxsize,
        restore_best_weights=patience is not None)


def advancing(bar, title: str, total: int, event: str):
    """Return a callback that moves a new line of a progress bar.

    event: "on_epoch_end" or "on_train_batch_end", of which there are total.
    """
    keras = import_keras()
    task = bar.add_task(title, total=total)

    def advance(number: int, logs: dict | None = None) -> None:
        bar.advance(task)

    return keras.callbacks.LambdaCallback(**{event: advance})
