"""leaffliction/training/cutouts.py: lesions move, their colour stays."""

import cv2
import numpy as np
import pytest
from round_leaf import GREEN, is_brown, round_leaf

from leaffliction.training.cutouts import (CUTOUT_SIDE, Cutout, change_tone,
                                           cut_out, transplant_lesions,
                                           warp_leaf)


def test_cut_out_finds_leaf_lesions_and_tone():
    cutout = cut_out(round_leaf([(50, 60)]))
    assert cutout.mask[60, 60] and not cutout.mask[5, 5]
    assert cutout.lesions[60, 50] and not cutout.lesions[60, 80]
    assert cutout.is_diseased and not cut_out(round_leaf()).is_diseased
    green = cv2.cvtColor(np.uint8([[GREEN]]), cv2.COLOR_RGB2LAB)[0, 0]
    assert np.abs(cutout.tone[0] - green).max() < 2


def test_cut_out_without_leaf_is_none():
    assert cut_out(np.full((50, 60, 3), 128, np.uint8)) is None


def test_cut_out_reduces_large_photographs():
    assert max(cut_out(round_leaf(side=700)).mask.shape) == CUTOUT_SIDE


def test_is_diseased_from_more_than_two_thousandths_of_the_leaf():
    mask = np.ones((100, 100), bool)
    lesions = np.zeros((100, 100), bool)
    lesions[0, :20] = True
    cutout = Cutout(np.zeros((100, 100, 3), np.uint8), mask, lesions,
                    np.zeros((2, 3)))
    assert not cutout.is_diseased
    lesions[0, :21] = True
    assert cutout.is_diseased


def test_transplant_changes_only_the_lesions_of_the_target():
    source = cut_out(round_leaf([(50, 60), (70, 75)]))
    target = cut_out(round_leaf(colour=(110, 160, 60)))
    result = transplant_lesions(source, target, np.random.default_rng(3))
    brown = is_brown(result.to_rgb()) & result.mask
    assert 0.5 < brown.sum() / source.lesions.sum() < 2
    assert (brown <= cv2.dilate(result.lesions.astype(np.uint8),
                                np.ones((5, 5))).astype(bool)).all()
    untouched = ~cv2.dilate(result.lesions.astype(np.uint8),
                            np.ones((9, 9))).astype(bool)
    assert (result.lab_img[untouched] == target.lab_img[untouched]).all()
    assert (result.mask == target.mask).all()


def test_transplanted_lesions_keep_their_colour():
    source = cut_out(round_leaf([(50, 60), (70, 75)]))
    target = cut_out(round_leaf(colour=(110, 160, 60)))
    result = transplant_lesions(source, target, np.random.default_rng(3))
    inside = cv2.erode(result.lesions.astype(np.uint8), np.ones((3, 3))) > 0
    before = np.median(source.lab_img[60, 50:51], axis=0)
    change = np.median(result.lab_img[inside], axis=0) - before
    assert np.abs(change[1:]).max() <= 3
    # Only their lightness follows the leaf's.
    assert change[0] == pytest.approx(0.7 * (
        target.tone[0, 0] - source.tone[0, 0]), abs=4)


def test_change_tone_leaves_the_lesions_their_colour():
    cutout = cut_out(round_leaf([(60, 60)]))
    tone = cutout.tone + [[30, 10, -15], [0, 0, 0]]
    change = change_tone(cutout, tone).astype(int) - cutout.lab_img
    assert np.abs(change[60, 85] - [30, 10, -15]).max() <= 2
    assert np.abs(change[60, 60, 1:]).max() <= 2


@pytest.mark.parametrize("leaf_size", [0.3, 0.8])
def test_warp_leaf_gives_the_size_that_is_asked_for(leaf_size):
    cutout = cut_out(round_leaf())
    _, alpha = warp_leaf(cutout.to_rgb(), cutout.mask, 100,
                         np.random.default_rng(2), (leaf_size, leaf_size))
    rows = np.flatnonzero((alpha[..., 0] > 0.5).any(axis=1))
    assert np.ptp(rows) == pytest.approx(100 * leaf_size, rel=0.35)
    assert alpha.shape == (100, 100, 1)
    assert 0 <= alpha.min() and alpha.max() <= 1
