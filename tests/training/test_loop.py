"""leaffliction/training/loop.py: both phases learn, and stop when they should."""

import signal

import numpy as np
import pytest

from leaffliction.training import backbone as backbones
from leaffliction.training import loop
from leaffliction.training.loop import Examples, Plan
from leaffliction.utils.errors import UserError

CUT = "block_15_add"


@pytest.fixture(scope="module")
def backbone():
    """Return a random backbone for 32 pixels, its statistics measured."""
    backbones.import_keras().utils.set_random_seed(42)
    backbone = backbones.build_backbone(32, None)
    backbones.measure_statistics(backbone, np.random.default_rng(1).uniform(
        -1, 1, (32, 32, 32, 3)).astype(np.float32))
    return backbone


def make_examples(count, shape, seed=1):
    """Return examples of three classes that can be told apart."""
    rng = np.random.default_rng(seed)
    targets = np.arange(count) % 3
    features = rng.normal(0, 1, (count, *shape)).astype(np.float16)
    places = features.reshape(count, -1)
    third = places.shape[1] // 3
    for target in range(3):
        places[targets == target, third * target:third * (target + 1)] += 2
    return Examples(features, targets)


@pytest.fixture
def classifier(backbone):
    """Return a classifier that has learned nothing, and its examples."""
    backbones.import_keras().utils.set_random_seed(42)
    top = backbones.fold_batch_norm(backbone, CUT)
    shape = top.input_shape[1:]
    return (loop.build_classifier(top, loop.build_head(3)),
            make_examples(60, shape), make_examples(30, shape, 2))


def tune(classifier, rate=1e-3, epochs=3, patience=3, **options):
    model, learned, stopping = classifier
    return loop.fine_tune(
        model, learned, stopping, Plan(rate, epochs, 16, patience),
        np.random.default_rng(1), **options)


def test_the_head_learns_what_can_be_told_apart():
    learned, stopping = make_examples(90, (1280,)), make_examples(
        30, (1280,), 2)
    head = loop.build_head(3)
    history = loop.train_head(head, learned, stopping, patience=30)
    assert history["val_accuracy"][-1] > 0.9
    assert len(history["loss"]) == loop.HEAD_EPOCHS


def test_the_head_stops_when_there_is_no_progress():
    learned = make_examples(30, (1280,))
    wrong = Examples(learned.features, (learned.targets + 1) % 3)
    history = loop.train_head(loop.build_head(3), learned, wrong, 2)
    assert len(history["loss"]) < loop.HEAD_EPOCHS


@pytest.mark.parametrize("most", [10**6, 70])
def test_pooled_examples_are_the_means_of_what_the_top_gives(
        backbone, most, monkeypatch):
    monkeypatch.setattr(loop, "HEAD_IMAGES", most)
    top = backbones.fold_batch_norm(backbone, CUT)
    examples = make_examples(loop.POOLED + 14, top.input_shape[1:])
    pooled = loop.pooled_examples(top, examples, np.random.default_rng(1))
    means = np.asarray(top(examples.features.astype(np.float32))).mean(
        axis=(1, 2))
    assert len(pooled.features) == min(most, len(means))
    gaps = np.abs(pooled.features[:, np.newaxis] - means).max(axis=2)
    rows = gaps.argmin(axis=1)
    assert gaps.min(axis=1).max() < 1e-4 * np.abs(means).max()
    assert len(set(rows)) == len(rows)
    assert (pooled.targets == examples.targets[rows]).all()


def test_fine_tuning_learns_and_says_how(classifier):
    history, interrupted = tune(classifier, epochs=6)
    assert not interrupted
    assert len(history["val_loss"]) == 6
    losses = np.array(history["val_loss"])
    assert 0 < losses[-1] < 0.5 * losses[0]
    assert history["val_accuracy"][-1] > 0.9


def test_fine_tuning_stops_and_puts_the_best_weights_back(classifier):
    model, learned, stopping = classifier
    wrong = Examples(stopping.features, (stopping.targets + 1) % 3)
    history, _ = tune((model, learned, wrong), epochs=9, patience=1)
    assert len(history["loss"]) < 9
    logits = model.predict_on_batch(wrong.features.astype(np.float32))
    losses = np.log(np.exp(logits).sum(1)) - (logits * wrong.one_hot(3)).sum(1)
    assert losses.mean() == pytest.approx(min(history["val_loss"]), rel=1e-3)


def test_without_patience_all_epochs_are_learned_and_the_last_stays(
        classifier):
    model, learned, stopping = classifier
    wrong = Examples(stopping.features, (stopping.targets + 1) % 3)
    history, _ = tune((model, learned, wrong), epochs=5, patience=None)
    assert len(history["loss"]) == 5
    logits = model.predict_on_batch(wrong.features.astype(np.float32))
    losses = np.log(np.exp(logits).sum(1)) - (logits * wrong.one_hot(3)).sum(1)
    # Which is not the best by far.
    assert losses.mean() == pytest.approx(history["val_loss"][-1], rel=1e-3)
    assert losses.mean() > 1.5 * min(history["val_loss"])


def test_fine_tuning_is_what_the_fit_of_keras_is(classifier, monkeypatch):
    monkeypatch.setattr(loop, "DROPOUT", 0.0)
    keras = backbones.import_keras()
    model, learned, stopping = classifier
    plan = Plan(1e-3, 2, 16, 3)
    reference = keras.models.clone_model(model)
    reference.set_weights(model.get_weights())
    reference.layers[-1].layers[0].rate = 0.0
    history, _ = loop.fine_tune(model, learned, stopping, plan,
                                np.random.default_rng(1))
    loop.compile_model(reference, loop.build_optimizer(
        reference, plan, 4))
    rng, losses = np.random.default_rng(1), []
    for epoch in range(2):
        order, loss = rng.permutation(60), 0
        for rows in np.split(order, [16, 32, 48]):
            figures = reference.train_on_batch(
                learned.features[rows].astype(np.float32),
                learned.one_hot(3)[rows], return_dict=True)
            # Of all batches of the epoch so far.
            reference.reset_metrics()
            loss += figures["loss"] * len(rows) / 60
        losses.append(loss)
    assert history["loss"] == pytest.approx(losses, rel=1e-4)


def test_each_epoch_has_every_image_once_and_drops_a_fifth():
    order = np.random.default_rng(1).permutation(10)
    batches = list(loop.batch_rows(order, 4, np.random.default_rng(1)))
    assert [len(rows) for rows, _ in batches] == [4, 4, 2]
    assert [set(rows) for rows, _ in batches] == [
        set(order[:4]), set(order[4:8]), set(order[8:])]
    factors = np.concatenate([factors for _, factors in batches])
    assert factors.dtype == np.float32
    assert set(factors.ravel().tolist()) == {0.0, 1.25}
    assert (factors == 0).mean() == pytest.approx(0.2, abs=0.02)
    _, factors = next(loop.batch_rows(order, 4))
    assert (factors == 1).all()


def test_a_loss_that_is_no_number_is_an_error_with_the_way_out(classifier):
    with pytest.raises(UserError, match="lower --learning-rate than 1e[+]30"):
        tune(classifier, rate=1e30)


@pytest.mark.parametrize("batches, best", [(3, "start"), (6, "epoch")])
@pytest.mark.parametrize("is_signal", [False, True])
def test_an_interrupted_run_keeps_the_best_weights_if_asked(
        classifier, monkeypatch, batches, best, is_signal):
    keras = backbones.import_keras()
    model, _, _ = classifier
    seen, states = [], {"start": model.get_weights()}

    def stop(*_):
        def count(number, logs=None):
            seen.append(number)
            if len(seen) == 4:
                states["epoch"] = callback.model.get_weights()
            if len(seen) == batches and is_signal:
                signal.raise_signal(signal.SIGINT)
            elif len(seen) == batches:
                raise KeyboardInterrupt

        callback = keras.callbacks.LambdaCallback(on_train_batch_end=count)
        return callback

    monkeypatch.setattr(loop, "advancing", stop)
    with pytest.raises(KeyboardInterrupt):
        tune(classifier)
    assert len(seen) == batches
    assert all(map(np.array_equal, model.get_weights(), states["start"]))
    seen.clear()
    _, interrupted = tune(classifier, keep_partial=True)
    assert interrupted and len(seen) == batches
    assert all(map(np.array_equal, model.get_weights(), states[best]))
    if is_signal:
        # Without early stopping: once an epoch is done, those of the end.
        before = model.get_weights()
        seen.clear()
        _, interrupted = tune(classifier, keep_partial=True, patience=None)
        assert interrupted and (best == "start") == all(
            map(np.array_equal, model.get_weights(), before))
