"""leaffliction/training/budget.py: what a time is spent on."""

from dataclasses import replace

import numpy as np
import pytest
from test_loop import SPLIT_LAYER, mean_loss

from leaffliction.training import budget as budgets
from leaffliction.training import loop
from leaffliction.training.budget import (EPOCHS, MAX_EPOCHS, SIZES, Budget,
                                          expected_seconds, seconds_after,
                                          seconds_of_probe)
from leaffliction.training.config import FineTuningPlan
from leaffliction.training.examples import Examples
from leaffliction.training.network import (build_classifier, build_head,
                                           fold_batch_norm)
from leaffliction.training.report import Clock
from leaffliction.utils.images import preprocess
from samples.drawing import draw_leaf

CLASS_NAMES = ("Apple_healthy", "Grape_Black_rot", "Grape_Esca")
PROBE = 0.003   # seconds


@pytest.fixture
def make_budget(monkeypatch):
    """Return a function: minutes, and seconds elapsed, to a budget."""
    def make(minutes, elapsed=0.0):
        clock = Clock()
        monkeypatch.setattr(clock, "elapsed", lambda: elapsed)
        return Budget(minutes, clock)

    monkeypatch.setattr(budgets, "seconds_of_probe", lambda: PROBE)
    return make


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("images", [200, 9000])
def test_the_largest_size_that_fits_is_chosen(make_budget, size, images):
    seconds = expected_seconds(images, size, EPOCHS, PROBE)
    chosen = [make_budget(seconds / 60 + late, 60 * late + more
                          ).choose_size(images)
              for late in (0, 1) for more in (-0.01, 0.01)]
    smaller = max([side for side in SIZES if side < size],
                  default=min(SIZES))
    assert chosen == [size, smaller] * 2


def test_more_images_pixels_and_epochs_take_longer():
    base = expected_seconds(9000, 160, 2, PROBE)
    assert base < min(expected_seconds(10000, 160, 2, PROBE),
                      expected_seconds(9000, 192, 2, PROBE),
                      expected_seconds(9000, 160, 3, PROBE),
                      expected_seconds(9000, 160, 2, 2 * PROBE))
    assert seconds_after(9000, 160, PROBE) < base


@pytest.mark.parametrize("seconds, epochs", [
    (-100, 1), (5, 1), (19.9, 1), (20.1, 2), (75, 7), (1000, MAX_EPOCHS)])
def test_as_many_epochs_as_fit_before_the_rest(
        make_budget, monkeypatch, seconds, epochs, capsys):
    monkeypatch.setattr(budgets, "seconds_after", lambda *_: 50.0)
    budget = make_budget(10, 600 - 50 - seconds)
    assert budget.choose_epochs(9000, 160, 10.0) == epochs
    minutes = (600 - seconds + 10 * epochs) / 60
    assert (f"epochs of fine-tuning: {epochs}; the run is expected to take "
            f"{minutes:.1f} minutes" in capsys.readouterr().err)


def test_the_probe_measures_this_computer(monkeypatch, keras):
    monkeypatch.setattr(budgets, "PROBE_SIZE", 32)
    small = seconds_of_probe()
    monkeypatch.setattr(budgets, "PROBE_SIZE", 128)
    assert 0 < 2 * small < seconds_of_probe() < 10


@pytest.fixture(scope="module")
def leaves(keras, backbone):
    """Return 48 and 60 drawn leaves of three classes, as examples."""
    lower = keras.Model(backbone.input,
                        backbone.get_layer(SPLIT_LAYER).output)
    examples = []
    for seed, count in ((1, 48), (2, 60)):
        targets = np.arange(count) % len(CLASS_NAMES)
        images = np.stack([preprocess(draw_leaf(
            CLASS_NAMES[target], np.random.default_rng([seed, number]), 64),
            32) for number, target in enumerate(targets)])
        examples.append(Examples(lower.predict_on_batch(images), targets))
    return examples


@pytest.fixture
def network(keras, backbone):
    keras.utils.set_random_seed(42)
    return build_classifier(fold_batch_norm(backbone, SPLIT_LAYER),
                            build_head(len(CLASS_NAMES)))


def test_more_time_is_never_worse_by_more_than_noise(
        network, leaves, make_budget, monkeypatch):
    monkeypatch.setattr(budgets, "seconds_after", lambda *_: 0.0)
    training, early_stopping = leaves
    start, losses = network.get_weights(), []
    for minutes in (1, 3, 9):
        network.set_weights(start)
        plan = FineTuningPlan(1e-3, make_budget(minutes).choose_epochs(
            48, 32, 60.0), 16, 3)
        assert plan.epochs == minutes
        loop.fine_tune(network, training, early_stopping, plan,
                       np.random.default_rng(1))
        losses.append(mean_loss(network, early_stopping))
    # The standard error of the loss is about 0.06.
    assert losses[1] < losses[0] + 0.06 and losses[2] < losses[1] + 0.06
    assert losses[2] < losses[0] - 0.1


def test_timing_an_epoch_leaves_the_network_as_it_is(
        network, leaves, monkeypatch):
    clock = iter(np.arange(1000) * 0.25)
    monkeypatch.setattr(loop.time, "perf_counter", lambda: next(clock))
    before = network.get_weights()
    plan = FineTuningPlan(1e-3, 2, 5, 3)
    # 48 images are 10 batches of 5, each of a quarter of a second.
    assert loop.seconds_per_epoch(network, leaves[0], plan) == 2.5
    assert loop.seconds_per_epoch(
        network, leaves[0], replace(plan, batch_size=100)) == 0.25
    assert all((old == new).all() for old, new in zip(
        before, network.get_weights()))
