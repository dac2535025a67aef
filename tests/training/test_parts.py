"""leaffliction/training/parts.py: which images are in no part."""

import numpy as np
import pytest

from leaffliction.training.config import TrainConfig
from leaffliction.training.data import read_grouped_dataset
from leaffliction.training.parts import split_leaves
from leaffliction.training.split import LEFT_OUT, TRAINING
from leaffliction.utils.errors import UserError
from leaffliction.utils.images import read_image, write_image
from leaffliction.utils.parallel import Workers
from samples.drawing import draw_leaf


def split(folder, **settings):
    return split_leaves(read_grouped_dataset([folder], None, Workers(1)),
                        TrainConfig(**settings))


@pytest.mark.parametrize("keeps, left_out", [(False, 2), (True, 0)])
def test_a_photograph_in_two_classes_is_left_out_or_kept(
        draw_leaves, capfd, keeps, left_out):
    folder = draw_leaves({"Apple_rust": 4, "Apple_scab": 4})
    twice = draw_leaf("Apple_rust", np.random.default_rng(99), 32)
    write_image(folder / "Apple_rust" / "x.png", twice)
    write_image(folder / "Apple_scab" / "y.png",
                np.ascontiguousarray(np.rot90(twice)))
    parts = split(folder, keep_contradictions=keeps)
    notes = capfd.readouterr().err
    assert "in several classes: 1, as 2 images" in notes
    assert ("--keep-contradictions" in notes) == (not keeps)
    assert (parts.names == LEFT_OUT).sum() == left_out
    # Both images show one leaf, so they are in one part.
    ours = {name for name, file in zip(parts.names.tolist(),
                                       parts.leaves.dataset.files)
            if file.stem in "xy"}
    assert len(ours) == 1 and (ours == {LEFT_OUT}) == (not keeps)


def test_a_class_that_consists_of_contradictions_is_refused(draw_leaves):
    folder = draw_leaves({"Apple_rust": 9, "Apple_scab": 4})
    for number in range(4):
        write_image(folder / "Grape_Esca" / f"{number}.png", read_image(
            folder / "Apple_rust" / f"{number}.png"))
    with pytest.raises(UserError, match="no usable image in Grape_Esca; "):
        split(folder)


def test_the_parts_hold_the_images_that_their_names_say(draw_leaves):
    parts = split(draw_leaves({"Apple_rust": 5, "Apple_scab": 4}))
    assert parts.training.files == tuple(
        file for file, name in zip(parts.leaves.dataset.files, parts.names)
        if name == TRAINING)
    assert len(parts.names) == 9 == sum(len(part.files) for part in (
        parts.training, parts.early_stopping, parts.validation))
