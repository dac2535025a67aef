"""leaffliction/training/config.py: what follows from few or many images."""

import pytest

from leaffliction.training.config import (TrainConfig, default_epochs,
                                          plan_fine_tuning)


@pytest.mark.parametrize("images, batch_size, epochs", [
    (7552, 32, 2), (10**6, 32, 2), (4800, 32, 2), (4768, 32, 3),
    (312, 16, 15), (640, 32, 15), (700, 32, 14), (12, 32, 15)])
def test_fewer_images_get_more_epochs(images, batch_size, epochs):
    assert default_epochs(images, batch_size) == epochs


@pytest.mark.parametrize("early_stopping, learning_rate, patience", [
    (478, 4e-4, 3), (100, 4e-4, 3), (99, 1e-4, None), (2, 1e-4, None)])
def test_a_small_early_stopping_set_does_not_stop_fine_tuning(
        early_stopping, learning_rate, patience, capsys):
    plan = plan_fine_tuning(TrainConfig(), 640, early_stopping)
    assert (plan.learning_rate, plan.patience) == (learning_rate, patience)
    assert (plan.epochs, plan.batch_size) == (15, 32)
    assert ("few images" in capsys.readouterr().err) == (patience is None)


@pytest.mark.parametrize("early_stopping", [478, 2])
def test_options_override_the_defaults(early_stopping):
    plan = plan_fine_tuning(TrainConfig(
        patience=2, epochs=4, learning_rate=0.1, batch_size=8,
        keep_partial=True), 640, early_stopping)
    assert (plan.learning_rate, plan.patience, plan.epochs) == (0.1, 2, 4)
    assert plan.batch_size == 8 and plan.keep_partial
