"""leaffliction/training/loop.py: both phases learn and stop in time."""

import signal

import numpy as np
import pytest
from slow import slow

from leaffliction.training import loop
from leaffliction.training.config import FineTuningPlan
from leaffliction.training.examples import Examples
from leaffliction.training.network import (build_classifier, build_head,
                                           fold_batch_norm)
from leaffliction.utils.errors import UserError

# One convolution above it: TensorFlow builds a graph of every training.
SPLIT_LAYER = "block_16_project_BN"


def make_examples(count, shape, seed=1):
    """Return examples of three classes that can be told apart."""
    rng = np.random.default_rng(seed)
    targets = np.arange(count) % 3
    features = rng.normal(0, 1, (count, *shape)).astype(np.float16)
    flat = features.reshape(count, -1)
    third = flat.shape[1] // 3
    for target in range(3):
        flat[targets == target, third * target:third * (target + 1)] += 2
    return Examples(features, targets)


def mislabel(examples):
    """Return the examples with the target of another class each."""
    return Examples(examples.features, (examples.targets + 1) % 3)


@pytest.fixture
def learner(request, keras, backbone):
    """Return an untrained network, training and early-stopping examples.

    The parameter of the fixture, if it has one, is the split layer.
    """
    keras.utils.set_random_seed(42)
    top = fold_batch_norm(backbone, getattr(request, "param", SPLIT_LAYER))
    shape = top.input_shape[1:]
    return (build_classifier(top, build_head(3)),
            make_examples(60, shape), make_examples(30, shape, 2))


def tune(learner, learning_rate=1e-3, epochs=3, patience=3,
         keep_partial=False):
    return loop.fine_tune(
        *learner, FineTuningPlan(learning_rate, epochs, 16, patience,
                                 keep_partial), np.random.default_rng(1))


def mean_loss(network, examples):
    """Return the mean cross-entropy of a network's predictions."""
    logits = np.asarray(network(examples.features.astype(np.float32)))
    return (np.log(np.exp(logits).sum(1))
            - (logits * examples.one_hot(3)).sum(1)).mean()


def test_the_head_learns_separable_classes():
    training = make_examples(90, (1280,))
    early_stopping = make_examples(30, (1280,), 2)
    history = loop.train_head(build_head(3), training, early_stopping, 30)
    assert history["val_accuracy"][-1] > 0.9
    assert len(history["loss"]) == loop.HEAD_EPOCHS


def test_the_head_stops_without_progress():
    training = make_examples(30, (1280,))
    history = loop.train_head(build_head(3), training, mislabel(training), 2)
    assert len(history["loss"]) < loop.HEAD_EPOCHS


@pytest.mark.parametrize("most", [10**6, 70])
def test_pooled_examples_are_means_of_the_output_of_the_top(
        backbone, most, monkeypatch):
    monkeypatch.setattr(loop, "HEAD_IMAGES", most)
    top = fold_batch_norm(backbone, SPLIT_LAYER)
    examples = make_examples(loop.POOL_BATCH + 14, top.input_shape[1:])
    pooled = loop.pool_examples(top, examples, np.random.default_rng(1))
    means = np.asarray(top(examples.features.astype(np.float32))).mean(
        axis=(1, 2))
    assert len(pooled.features) == min(most, len(means))
    gaps = np.abs(pooled.features[:, np.newaxis] - means).max(axis=2)
    rows = gaps.argmin(axis=1)
    assert gaps.min(axis=1).max() < 1e-4 * np.abs(means).max()
    assert len(set(rows)) == len(rows)
    assert (pooled.targets == examples.targets[rows]).all()


def test_fine_tuning_learns_and_returns_its_history(learner):
    history, interrupted = tune(learner, epochs=6)
    assert not interrupted
    assert len(history["val_loss"]) == 6
    losses = np.array(history["val_loss"])
    assert 0 < losses[-1] < 0.5 * losses[0]
    assert history["val_accuracy"][-1] > 0.9


def test_early_stopping_restores_the_best_weights(learner):
    network, training, early_stopping = learner
    wrong = mislabel(early_stopping)
    history, _ = tune((network, training, wrong), epochs=9, patience=1)
    assert len(history["loss"]) < 9
    assert mean_loss(network, wrong) == pytest.approx(
        min(history["val_loss"]), rel=1e-3)


def test_without_patience_all_epochs_run_and_the_last_weights_stay(learner):
    network, training, early_stopping = learner
    wrong = mislabel(early_stopping)
    history, _ = tune((network, training, wrong), epochs=5, patience=None)
    assert len(history["loss"]) == 5
    loss = mean_loss(network, wrong)
    assert loss == pytest.approx(history["val_loss"][-1], rel=1e-3)
    # These are far from the best weights.
    assert loss > 1.5 * min(history["val_loss"])


@pytest.mark.parametrize("learner", ["block_15_add"], indirect=True)
def test_fine_tuning_equals_training_with_keras(learner, keras, monkeypatch):
    monkeypatch.setattr(loop, "DROPOUT", 0.0)
    network, training, early_stopping = learner
    plan = FineTuningPlan(1e-3, 2, 16, 3)
    reference = keras.models.clone_model(network)
    reference.set_weights(network.get_weights())
    reference.layers[-1].layers[0].rate = 0.0
    history, _ = loop.fine_tune(network, training, early_stopping, plan,
                                np.random.default_rng(1))
    loop.compile_model(reference, loop.build_optimizer(
        reference, plan, 4))
    rng, losses = np.random.default_rng(1), []
    for epoch in range(2):
        order, loss = rng.permutation(60), 0
        for rows in np.split(order, [16, 32, 48]):
            figures = reference.train_on_batch(
                training.features[rows].astype(np.float32),
                training.one_hot(3)[rows], return_dict=True)
            # Keras averages over all batches since the last reset.
            reference.reset_metrics()
            loss += figures["loss"] * len(rows) / 60
        losses.append(loss)
    assert history["loss"] == pytest.approx(losses, rel=1e-4)


def test_an_epoch_has_each_image_once_and_drops_a_fifth_of_the_features():
    order = np.random.default_rng(1).permutation(10)
    batches = list(loop.batches(order, 4, np.random.default_rng(1)))
    assert [len(rows) for rows, _ in batches] == [4, 4, 2]
    assert [set(rows) for rows, _ in batches] == [
        set(order[:4]), set(order[4:8]), set(order[8:])]
    factors = np.concatenate([factors for _, factors in batches])
    assert factors.dtype == np.float32
    assert set(factors.ravel().tolist()) == {0.0, 1.25}
    assert (factors == 0).mean() == pytest.approx(0.2, abs=0.02)
    _, factors = next(loop.batches(order, 4))
    assert (factors == 1).all()


def test_a_loss_that_is_not_finite_is_an_error_with_a_remedy(learner):
    with pytest.raises(UserError, match="lower --learning-rate than 1e[+]30"):
        tune(learner, learning_rate=1e30)


@pytest.mark.parametrize("batches, best, is_signal", [
    (3, "start", False), (6, "epoch", True),
    pytest.param(3, "start", True, marks=slow),
    pytest.param(6, "epoch", False, marks=slow)])
def test_an_interrupted_run_keeps_the_best_weights_if_asked(
        learner, keras, monkeypatch, batches, best, is_signal):
    network, _, _ = learner
    seen, states = [], {"start": network.get_weights()}

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

    monkeypatch.setattr(loop, "advance_bar", stop)
    with pytest.raises(KeyboardInterrupt):
        tune(learner)
    assert len(seen) == batches
    assert all(map(np.array_equal, network.get_weights(), states["start"]))
    seen.clear()
    _, interrupted = tune(learner, keep_partial=True)
    assert interrupted and len(seen) == batches
    assert all(map(np.array_equal, network.get_weights(), states[best]))
    if is_signal:
        # Without early stopping: the last weights, once an epoch is complete.
        before = network.get_weights()
        seen.clear()
        _, interrupted = tune(learner, keep_partial=True, patience=None)
        assert interrupted and (best == "start") == all(
            map(np.array_equal, network.get_weights(), before))


class Constant:
    """A network whose logits and weights are set by the test."""

    def __init__(self, logits):
        self.logits, self.weights = np.array(logits), "fine-tuned"

    def predict_on_batch(self, features):
        return np.resize(self.logits, (len(features), 2))

    def set_weights(self, weights):
        self.weights = weights


@pytest.mark.parametrize("losses, patience, weights", [
    ([0.4, 0.6], 3, "fine-tuned"), ([0.6, 0.7], 3, "of the head"),
    ([0.6, 0.7], None, "fine-tuned"), ([], 3, "fine-tuned")])
def test_fine_tuning_that_raises_the_loss_is_undone(
        losses, patience, weights, capsys):
    network = Constant([[1, 0], [0, 1]])
    loop.keep_better(network, "of the head",
                     ({"val_loss": [0.9, 0.5]}, {"val_loss": losses}),
                     make_examples(9, (2,)), ("a", "b"),
                     FineTuningPlan(1e-3, 2, 16, patience))
    assert network.weights == weights
    assert ("made the network worse" in capsys.readouterr().err) == (
        weights == "of the head")


def test_a_network_that_predicts_one_class_is_an_error():
    with pytest.raises(UserError, match="lower --learning-rate"):
        loop.keep_better(Constant([[1, 0]]), "of the head",
                         ({"val_loss": [0.5]}, {"val_loss": [9.0]}),
                         make_examples(9, (2,)), ("a", "b"),
                         FineTuningPlan(1e-3, 2, 16, 3))
