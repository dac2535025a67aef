"""leaffliction/training/backgrounds.py: foliage that shows no disease."""

import numpy as np
from round_leaf import round_leaf

from leaffliction.training.backgrounds import draw_foliage, make_backgrounds
from leaffliction.training.cutouts import cut_out


def test_recipients_are_healthy_leaves():
    leaves = [("Apple", cut_out(round_leaf([(60, 60)]))),
              ("Apple", cut_out(round_leaf()))]
    backgrounds = make_backgrounds(leaves, 32, np.random.default_rng(1))
    recipient, = backgrounds.recipients["Apple"]
    assert recipient is leaves[1][1]


def test_foliage_fills_the_image_and_is_out_of_focus():
    leaves = [cut_out(round_leaf([(60, 60)]))] * 3
    images = [draw_foliage(leaves, 64, np.random.default_rng(seed))
              for seed in range(20)]
    assert {(image.shape, image.dtype) for image in images} == {
        ((64, 64, 3), np.dtype(np.uint8))}
    gradients = [np.abs(np.diff(image.astype(int), axis=0)).mean()
                 for image in images]
    assert np.median(gradients) < 8
