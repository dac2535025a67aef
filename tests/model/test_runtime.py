"""leaffliction/model/runtime.py: a network in LiteRT."""

import numpy as np
import pytest

from leaffliction.model.runtime import Network


@pytest.mark.parametrize("content", [
    b"", b"text", bytes(1000), b"\x1c\0\0\0TFL3" + b"\xff" * 1000])
def test_content_that_is_no_model_is_refused(content):
    with pytest.raises(ValueError, match="no LiteRT model"):
        Network(content)


def test_batches_of_any_size_give_the_same_outputs(model, batch):
    network = Network(model)
    together, *_ = network(batch)
    for size in (1, 2, 5):
        parts = [network(batch[start:start + size])[0]
                 for start in range(0, len(batch), size)]
        assert np.concatenate(parts) == pytest.approx(together, abs=1e-6)


def test_images_of_another_size_are_refused(model):
    network = Network(model)
    with pytest.raises(ValueError, match="Dimension mismatch"):
        network(np.zeros((1, 9, 8, 3), np.float32))


def test_outputs_are_not_overwritten_by_the_next_call(model, batch):
    network = Network(model)
    first, *_ = network(batch[:1])
    copy = first.copy()
    network(batch[1:2])
    assert np.array_equal(first, copy)
