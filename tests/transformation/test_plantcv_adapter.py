"""transformation/plantcv_adapter.py: no call of PlantCV affects another."""

import threading

import numpy as np
import pytest
from shapes import ellipse

from leaffliction.transformation import annotations
from leaffliction.transformation.plantcv_adapter import measure_size, plantcv


def test_measurements_are_values_by_plantcv_s_names():
    image, mask = ellipse(90, 50)
    before = image.copy()
    drawing, values = measure_size(image, mask.astype(np.uint8), 1)
    assert (image == before).all()
    assert (values["width"], values["height"]) == (181, 101)
    assert values["center_of_mass"] == pytest.approx((150, 110), rel=0.001)
    assert (drawing == annotations.BLUE).all(axis=2).sum() > 300


def test_block_begins_and_ends_without_measurements():
    image, mask = ellipse()
    with plantcv(3) as pcv:
        assert pcv.params.line_thickness == 3 and pcv.params.debug is None
        pcv.analyze.size(image, mask.astype(np.uint8))
        assert pcv.outputs.observations
    assert not pcv.outputs.observations
    with pytest.raises(ValueError, match="no leaf"), plantcv() as pcv:
        pcv.analyze.size(image, mask.astype(np.uint8))
        raise ValueError("no leaf")
    assert not pcv.outputs.observations
    with plantcv() as pcv:      # An error has released the lock.
        assert pcv.params.line_thickness == 1


def test_threads_use_plantcv_one_at_a_time():
    entered = threading.Event()

    def enter():
        with plantcv():
            entered.set()

    with plantcv():
        thread = threading.Thread(target=enter)
        thread.start()
        assert not entered.wait(0.05)
    thread.join(5)
    assert entered.is_set()
