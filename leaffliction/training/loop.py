"""The two phases of training: the head alone, then the top with the head.

Both phases train on the features that the frozen layers computed once for
each image.  docs/explanation/training.md says what else was tried.
"""

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass

import numpy as np

from leaffliction.training import replicas
from leaffliction.training.config import FineTuningPlan
from leaffliction.training.evaluate import check_not_collapsed
from leaffliction.training.examples import Examples
from leaffliction.training.keras import import_keras
from leaffliction.training.network import DROPOUT, POOLED_FEATURES
from leaffliction.utils.console import print_note
from leaffliction.utils.errors import UserError
from leaffliction.utils.interrupts import record_interrupts
from leaffliction.utils.progress import progress_bar

HEAD_RATE = 1e-3         # learning rate: Adam's default, since it starts anew
HEAD_BATCH = 64          # images
HEAD_EPOCHS = 30         # more than it ever needs; EarlyStopping ends it
HEAD_IMAGES = 2000       # at most: with all of them the head starts no better
# Batches that Keras hands to TensorFlow at once: a step of the head takes
# less time than a call.
HEAD_STEPS_AT_ONCE = 10
POOL_BATCH = 64          # images
TIMED_STEPS = 12         # of fine-tuning, to tell how long an epoch takes
WARMUP = 0.1             # share of the steps in which the rate rises
WEIGHT_DECAY = 1e-4


@dataclass(frozen=True)
class Fitted:
    """A trained network, and how its training went.

    top, head: Keras models (fold_batch_norm, build_head).
    precision: Keras's dtype policy of the top.
    histories: Keras's, of the head and of fine-tuning.
    logits: of the early-stopping set, float32 (N, classes).
    interrupted: by Ctrl-C; the weights are the best until then.
    """

    top: object
    head: object
    precision: str
    plan: FineTuningPlan
    histories: tuple[dict, dict]
    logits: np.ndarray
    interrupted: bool


def pool_examples(top, examples: Examples, rng: np.random.Generator
                  ) -> Examples:
    """Return examples for the head, made from examples for the top.

    A random sample of at most HEAD_IMAGES of them.  Their features are
    pooled, float32 (N, 1280): the mean over all positions of what the top
    returns before it is fine-tuned.
    """
    keras = import_keras()
    pool = keras.Model(top.input, keras.layers.GlobalAveragePooling2D(
        dtype="float32")(top.output))
    count = len(examples.targets)
    rows = np.sort(rng.permutation(count)[:HEAD_IMAGES])
    return Examples(outputs(pool, examples.features, rows),
                    examples.targets[rows])


def outputs(model, features: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return what a Keras model returns for some rows of the features."""
    return np.concatenate([
        model.predict_on_batch(features[part]) for part in
        np.split(rows, range(POOL_BATCH, len(rows), POOL_BATCH))])


def train_head(head, training: Examples, early_stopping: Examples,
               patience: int | None) -> dict:
    """Phase 1: train the head at a high rate, and return Keras's history.

    The features of both sets are pooled (pool_examples).
    patience: epochs, see FineTuningPlan.
    """
    keras = import_keras()
    compile_model(head, keras.optimizers.Adam(HEAD_RATE), HEAD_STEPS_AT_ONCE)
    classes = head.output_shape[-1]
    with progress_bar() as bar:
        fitted = head.fit(
            training.features, training.one_hot(classes), verbose=0,
            validation_data=(early_stopping.features,
                             early_stopping.one_hot(classes)),
            batch_size=HEAD_BATCH, epochs=HEAD_EPOCHS,
            callbacks=[stop_early(patience), advance_bar(
                bar, "Head", HEAD_EPOCHS, "on_epoch_end")])
    return fitted.history


@dataclass(frozen=True)
class Session:
    """Fine-tuning in progress.

    strategy: TensorFlow's.  model: built in the scope of the strategy.
    interrupts: not empty after Ctrl-C (record_interrupts).
    """

    strategy: object
    model: object
    plan: FineTuningPlan
    callbacks: object
    interrupts: list


def fine_tune(network, training: Examples, early_stopping: Examples,
              plan: FineTuningPlan, rng: np.random.Generator, strategy=None
              ) -> tuple[dict, bool]:
    """Phase 2: train top and head together at a low rate.

    network: features at the split layer to logits; its weights are updated.
    strategy: TensorFlow's, for several machines or GPUs; None: all GPUs of
    this machine.  Each machine calls this with the same arguments, and ends
    with the same weights.

    Returns Keras's history, and whether it was interrupted: Ctrl-C on any
    machine stops all of them after the same step.  That raises
    KeyboardInterrupt, unless plan.keep_partial.  Then the network gets the
    weights of its best epoch (without patience: of its last step), or keeps
    those that it had if no epoch is complete.
    Raises UserError if the loss is no longer a finite number.
    """
    keras = import_keras()
    strategy = strategy or replicas.local_strategy()
    steps = plan.epochs * -(-len(training.targets) // plan.batch_size)
    stopper, history = stop_early(plan.patience), keras.callbacks.History()
    interrupted = False
    with progress_bar() as bar, strategy.scope():
        model = keras.models.clone_model(network)
        model.set_weights(network.get_weights())
        callbacks = keras.callbacks.CallbackList(
            [stopper, history, keras.callbacks.TerminateOnNaN(), advance_bar(
                bar, "Fine-tuning", steps, "on_train_batch_end")],
            model=model)
        try:
            with record_interrupts() as interrupts:
                run_epochs(Session(strategy, model, plan, callbacks,
                                   interrupts),
                           training, early_stopping, rng)
            if interrupts:
                raise KeyboardInterrupt
        except KeyboardInterrupt:
            if not plan.keep_partial:
                print_note("with --keep-partial, an interrupted run finishes "
                           "with the best weights so far")
                raise
            interrupted = True
            if stopper.best_weights:
                model.set_weights(stopper.best_weights)
        if not interrupted or history.epoch:
            network.set_weights(model.get_weights())
    if not np.isfinite(history.history.get("loss", [])).all():
        raise UserError("the loss is no longer a number; try a lower "
                        f"--learning-rate than {plan.learning_rate:g}")
    return history.history, interrupted


def seconds_per_epoch(network, training: Examples, plan: FineTuningPlan
                      ) -> float:
    """Return how long an epoch of fine-tuning takes on this machine.

    Measured by some steps on a copy of the network.
    """
    keras = import_keras()
    strategy = replicas.local_strategy()
    count, ends = len(training.targets), []
    size = min(plan.batch_size, count)
    with strategy.scope():
        model = keras.models.clone_model(network)
        model.stop_training = False
        step, _ = replicas.build_steps(
            strategy, model, build_optimizer(model, plan, TIMED_STEPS))
        rows = np.resize(np.arange(count), size * TIMED_STEPS)
        run_epoch(Session(strategy, model, plan, None, []), step, training,
                  batches(rows, size),
                  lambda *_: ends.append(time.perf_counter()))
    # The first steps build the graph and fill the caches.
    return float(np.median(np.diff(ends[2:]))) * -(-count // size)


def keep_better(network, head_weights: list, histories: tuple[dict, dict],
                training: Examples, class_names: tuple[str, ...],
                plan: FineTuningPlan) -> None:
    """Restore head_weights if fine-tuning raised the early-stopping loss.

    head_weights: of the network before fine-tuning.  histories: of the head
    and of fine-tuning.
    Without patience the early-stopping set is too small to decide, and the
    new weights stay.  Raises UserError if the network predicts one class for
    all images.
    """
    head_history, history = histories
    losses = history.get("val_loss", [])
    is_worse = bool(losses) and min(losses) > min(head_history["val_loss"])
    if losses and (is_worse or plan.patience is None):
        rows = np.linspace(0, len(training.targets) - 1, POOL_BATCH)
        check_not_collapsed(network.predict_on_batch(
            training.features[rows.astype(int)]), class_names)
    if is_worse and plan.patience is not None:
        print_note("fine-tuning made the network worse, so the weights before "
                   "it are kept; try a lower --learning-rate or more --epochs")
        network.set_weights(head_weights)


def run_epochs(session: Session, training: Examples,
               early_stopping: Examples, rng: np.random.Generator) -> None:
    """Run all epochs of the plan, or until a callback stops the model.

    Raises KeyboardInterrupt on all machines, after the same step, once
    session.interrupts of one of them is not empty.
    """
    model, plan, callbacks = session.model, session.plan, session.callbacks
    count, size = len(training.targets), plan.batch_size
    train_step, test_step = replicas.build_steps(
        session.strategy, model,
        build_optimizer(model, plan, -(-count // size)))
    # Sampled for whole batches, from a stream of its own: neither dropout
    # nor the order of the images depends on the number of replicas.
    dropout = np.random.Generator(rng.bit_generator.jumped())
    model.stop_training = False
    callbacks.on_train_begin()
    for epoch in range(plan.epochs):
        callbacks.on_epoch_begin(epoch)
        loss, accuracy = run_epoch(
            session, train_step, training,
            batches(rng.permutation(count), size, dropout),
            callbacks.on_train_batch_end)
        val_loss, val_accuracy = run_epoch(
            session, test_step, early_stopping,
            batches(np.arange(len(early_stopping.targets)), size))
        callbacks.on_epoch_end(epoch, {
            "loss": loss, "accuracy": accuracy, "val_loss": val_loss,
            "val_accuracy": val_accuracy})
        if model.stop_training:
            break
    callbacks.on_train_end()


def run_epoch(session: Session, step: Callable, examples: Examples,
              sampled: Iterable, on_batch_end: Callable = lambda *_: None
              ) -> np.ndarray:
    """Run one step for each batch; return the mean loss and accuracy.

    sampled: rows and dropout factors of each batch (batches).
    """
    strategy = session.strategy
    sums, count = np.zeros(2), 0
    # Closed here: the garbage collector might close it in the prefetching
    # thread.
    with closing(replicas.distributed_batches(
            strategy, examples.features, examples.targets,
            session.plan.batch_size, sampled)) as distributed:
        for number, (rows, values) in enumerate(distributed):
            flag = replicas.replicate_flag(strategy, bool(session.interrupts))
            *means, stop = replicas.first_result(strategy, step(values, flag))
            if stop:
                raise KeyboardInterrupt
            sums, count = sums + rows * np.array(means), count + rows
            on_batch_end(number, {"loss": sums[0] / count})
            if session.model.stop_training:
                break
    return sums / count


def batches(order: np.ndarray, size: int,
            dropout: np.random.Generator | None = None) -> Iterator[tuple]:
    """Yield the rows of each batch, and dropout factors for their features.

    order: all rows, int (N,).  Factors: float32 (n, 1280); all 1 without a
    generator for dropout.
    """
    for start in range(0, len(order), size):
        # Sorted, because a disk reads forwards faster.
        rows = np.sort(order[start:start + size])
        shape = len(rows), POOLED_FEATURES
        yield rows, (np.ones(shape, np.float32) if dropout is None else
                     (dropout.random(shape, np.float32) >= DROPOUT)
                     * np.float32(1 / (1 - DROPOUT)))


def build_optimizer(model, plan: FineTuningPlan, steps: int):
    """Return AdamW with a schedule for so many steps an epoch.

    The learning rate rises during the first steps, in which Adam has few
    gradients to average, then falls to 0 along a cosine (Loshchilov and
    Hutter 2017).
    """
    keras = import_keras()
    warmup = round(WARMUP * plan.epochs * steps)
    schedule = keras.optimizers.schedules.CosineDecay(
        0.0, plan.epochs * steps - warmup, warmup_target=plan.learning_rate,
        warmup_steps=warmup)
    optimizer = keras.optimizers.AdamW(schedule, weight_decay=WEIGHT_DECAY)
    optimizer.build(model.trainable_variables)
    return optimizer


def compile_model(model, optimizer, steps_at_once: int = 1) -> None:
    """Set the optimiser, and cross-entropy of the logits as the loss."""
    keras = import_keras()
    model.compile(optimizer, metrics=["accuracy"],
                  loss=keras.losses.CategoricalCrossentropy(from_logits=True),
                  steps_per_execution=steps_at_once)


def stop_early(patience: int | None):
    """Return the callback that stops when val_loss has stopped falling.

    From then on the network would only memorise its images.  The weights of
    the best epoch are restored.  Without patience the callback never stops,
    and the last weights stay.
    """
    keras = import_keras()
    return keras.callbacks.EarlyStopping(
        "val_loss", patience=patience or sys.maxsize,
        restore_best_weights=patience is not None)


def advance_bar(bar, title: str, total: int, event: str):
    """Return a callback that advances a new line of a progress bar.

    event: "on_epoch_end" or "on_train_batch_end"; it occurs `total` times.
    """
    keras = import_keras()
    task = bar.add_task(title, total=total)

    def advance(number: int, logs: dict | None = None) -> None:
        bar.advance(task)

    return keras.callbacks.LambdaCallback(**{event: advance})
