"""What an image file is, and which files show one photograph."""

import hashlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from leaffliction.distribution import duplicates
from leaffliction.distribution.duplicates import near_identical
from leaffliction.distribution.inspection import (inspect_dataset,
                                                  inspect_image,
                                                  make_thumbnail)
from leaffliction.utils import parallel
from leaffliction.utils.class_folders import read_dataset
from leaffliction.utils.copies import linked_copies
from leaffliction.utils.errors import UserError


def picture(seed, size=256):
    """Return a smooth made-up picture with shapes, RGB uint8."""
    rng = np.random.default_rng(seed)
    image = cv2.resize(rng.integers(0, 256, (4, 4, 3), np.uint8),
                       (size, size), interpolation=cv2.INTER_CUBIC)
    for centre in rng.integers(0, size, (6, 2)).tolist():
        cv2.circle(image, centre, size // 10, rng.integers(0, 256, 3).tolist(),
                   -1)
    return image


def saved_again(image, quality):
    return cv2.imdecode(cv2.imencode(
        ".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1],
        cv2.IMREAD_COLOR)


def eight_views(images):
    """Return images (..., H, W, 3) in all orientations, themselves first."""
    transposed = np.swapaxes(images, -3, -2)
    return [view[..., ::down, ::right, :] for view in (images, transposed)
            for down in (1, -1) for right in (1, -1)]


def group(images, names=None):
    """Return near_identical as numbers, in the order of meeting."""
    linked = None if names is None else linked_copies(
        [Path(name) for name in names])
    found = near_identical(np.stack([make_thumbnail(image)
                                     for image in images]), linked)
    numbers = {}
    return [numbers.setdefault(name, len(numbers)) for name in found]


def test_the_same_photograph_is_one_group_and_others_are_not():
    first, second = picture(1), picture(2)
    assert group([first, second, first.copy(), saved_again(first, 60),
                  cv2.resize(second, (180, 180)), picture(3)]) == [
                      0, 1, 0, 0, 1, 2]


@pytest.mark.parametrize("size", [(256, 256), (200, 150), (131, 77)])
def test_turned_and_mirrored_copies_are_the_same_photograph(size):
    images = []
    for seed in (1, 2):
        views = eight_views(cv2.resize(picture(seed), size))
        # Each is saved or scaled otherwise, as tools leave them.
        images += [saved_again(np.ascontiguousarray(view), 60)
                   for view in views]
        images += [cv2.resize(view, (90, 90), interpolation=cv2.INTER_AREA)
                   for view in views]
    assert group(images) == [0] * 16 + [1] * 16


@pytest.mark.parametrize("gain, offset", [
    (0.95, 0), (1.05, 0), (1, 12), (1, -12)])
def test_a_copy_a_little_lighter_or_darker_is_the_same_photograph(
        gain, offset):
    images = []
    for seed in (1, 2, 3):
        image = picture(seed)
        view = np.ascontiguousarray(np.rot90(image, seed))
        images += [image, saved_again(np.clip(
            view * float(gain) + offset, 0, 255).astype(np.uint8), 80)]
    groups = group(images)
    assert groups == np.repeat(groups[::2], 2).tolist()
    assert len(set(groups)) == 3


def on_table(leaf, side, ground, place=(0.5, 0.5)):
    """Return a leaf of so many pixels on a plain table of 1600x1200."""
    image = np.full((1200, 1600, 3), ground, np.uint8)
    small = cv2.resize(leaf, (side, side), interpolation=cv2.INTER_AREA)
    mask = cv2.circle(np.zeros((side, side), np.uint8),
                      (side // 2, side // 2), side // 2, 1, -1) > 0
    top, left = (round(share * (whole - side)) for share, whole in
                 zip(place, (1200, 1600)))
    image[top:top + side, left:left + side][mask] = small[mask]
    return image


@pytest.mark.parametrize("side, ground", [
    (300, 235), (160, 120), (100, 20), (60, 235)])
def test_small_leaves_on_a_plain_table_are_told_apart(side, ground, tmp_path):
    thumbnails = []
    for seed in range(6):
        leaf = picture(seed)
        image = on_table(leaf, side, ground)
        turned = np.ascontiguousarray(np.rot90(image, seed)[:, ::-1])
        half = cv2.resize(image, (800, 600), interpolation=cv2.INTER_AREA)
        for number, (view, quality) in enumerate((
                (image, 95), (turned, 60), (half, 60))):
            path = tmp_path / f"{seed}_{number}.jpg"
            # Of 30 pixels a JPEG keeps too little colour to tell.
            Image.fromarray(view).save(path, quality=(
                90 if side == 60 and number == 2 else quality))
            thumbnails.append(inspect_image(path).thumbnail)
    groups = near_identical(np.stack(thumbnails))
    assert groups.tolist() == np.repeat(groups[::3], 3).tolist()
    assert len(set(groups)) == 6


def test_a_leaf_that_fills_the_image_is_made_small_as_a_whole():
    for seed in range(20):
        image = picture(seed)
        assert (make_thumbnail(image) == cv2.resize(
            image, (16, 16), interpolation=cv2.INTER_AREA).ravel()).all()
    blank = np.full((90, 70, 3), 7, np.uint8)
    assert (make_thumbnail(blank) == 7).all()


def test_only_what_was_not_turned_where_that_is_asked_for():
    view, *others = eight_views(picture(1))
    thumbnails = np.stack([make_thumbnail(np.ascontiguousarray(image))
                           for image in (view, *others, view)])
    assert len(set(near_identical(thumbnails, turned=False))) == 8
    assert len(set(near_identical(thumbnails))) == 1


@pytest.mark.parametrize("side", [2, 4, 16])
def test_a_signature_sees_no_orientation_and_no_more_than_there_is(side):
    rng = np.random.default_rng(side)
    images = rng.integers(0, 256, (40, side, side, 3)).astype(np.float32)
    views = eight_views(images)
    found = duplicates.signatures(np.concatenate(views)).reshape(
        8, 40, -1).astype(float)
    assert np.abs(found - found[0]).max() < 0.01
    gaps = np.min([((view[:, None] - images) ** 2).sum(axis=(2, 3, 4))
                   for view in views], axis=0) ** 0.5
    seen = np.linalg.norm(found[0][:, None] - found[0], axis=2)
    assert (seen <= gaps + 0.1).all() and seen.mean() > 0.3 * gaps.mean()


def test_forty_different_pictures_are_forty_groups():
    assert group([picture(seed, 64) for seed in range(40)]) == list(range(40))


def test_one_image_is_a_group():
    assert group([picture(1)]) == [0]


def test_augmented_copies_join_their_original_by_name():
    first, second = picture(1), picture(2)
    assert group([first, second, picture(3), picture(4)],
                 ["c/a.jpg", "c/b.jpg", "c/a_Flip.jpg", "d/a_Flip.jpg"]) == [
                     0, 1, 0, 2]


@pytest.mark.parametrize("seed", range(2, 8))
def test_who_joins_a_copy_joins_its_original(seed):
    copy = picture(seed)
    assert group([picture(1), copy, saved_again(copy, 60), picture(9)],
                 ["c/a.jpg", "c/a_Flip.jpg", "c/b.jpg", "c/d.jpg"]) == [
                     0, 0, 0, 1]


@pytest.mark.parametrize("block", [7, 512])
@pytest.mark.parametrize("spread", [1, 3, 8, 24])
def test_groups_are_those_that_comparing_every_pair_gives(
        block, spread, monkeypatch):
    # Few values a thumbnail, so that many pairs are just near enough.
    monkeypatch.setattr(duplicates, "BLOCK", block)
    rng = np.random.default_rng(spread)
    thumbnails = rng.integers(0, 24, (60, 48)) // 8 * spread
    thumbnails[::3] = thumbnails[1::3] + rng.integers(0, 3, (20, 48))
    thumbnails = thumbnails.astype(np.uint8)
    for turned in (False, True):
        views = np.stack([
            view.reshape(60, 48) for view in eight_views(
                thumbnails.reshape(60, 4, 4, 3))[:8 if turned else 1]])
        views = views.astype(float)
        gaps = views[:, :, None] - thumbnails
        near = (gaps ** 2).mean(axis=3).min(axis=0) <= duplicates.NEAR ** 2
        while (wider := near @ near).sum() > near.sum():
            near = wider
        found = near_identical(thumbnails, turned=turned)
        assert (np.equal.outer(found, found) == near).all()
        assert set(found) <= set(range(60))
        assert (found[found] == found).all()


@pytest.mark.parametrize("noise, groups", [(2, 1), (5, 100)])
def test_what_the_first_components_do_not_see_counts_as_well(noise, groups):
    # The difference of two has a mean square of twice that of the noise.
    values = np.random.default_rng(0).normal(120, noise, (100, 768))
    found = near_identical(np.rint(values).astype(np.uint8))
    assert len(set(found)) == groups


def test_groups_of_thousands_are_found_at_once():
    # Comparing them pair by pair would take hours.
    blank = np.full((20000, 768), 200, np.uint8)
    groups = near_identical(blank)
    assert set(groups) == {groups[0]}


@pytest.mark.parametrize("name, mode, size", [
    ("a.jpg", "RGB", (300, 200)), ("a.jpg", "L", (3, 500)),
    ("a.jpg", "CMYK", (90, 60)), ("a.png", "RGBA", (30, 20)),
    ("a.png", "P", (1, 1)), ("a.tif", "I;16", (64, 48))])
def test_size_mode_and_digest_are_the_file_s_own(name, mode, size, tmp_path):
    if mode == "I;16":
        image = Image.fromarray(np.full(size[::-1], 9000, np.uint16))
    else:
        image = Image.new("RGB", size, "olive").convert(mode)
    image.save(tmp_path / name)
    found = inspect_image(tmp_path / name)
    assert (found.size, found.mode) == (size, mode)
    assert found.digest == hashlib.sha256(
        (tmp_path / name).read_bytes()).hexdigest()
    assert found.thumbnail.shape == (768,)
    assert found.thumbnail.dtype == np.uint8


@pytest.mark.parametrize("size", [(64, 64), (90, 70), (1500, 1100)])
def test_a_jpeg_of_any_size_has_the_thumbnail_of_its_picture(size, tmp_path):
    image = picture(1, 256)
    Image.fromarray(cv2.resize(
        image, size, interpolation=cv2.INTER_AREA)).save(
        tmp_path / "a.jpg", quality=95, subsampling=0)
    gap = (inspect_image(tmp_path / "a.jpg").thumbnail.astype(float)
           - make_thumbnail(image))
    assert np.sqrt((gap ** 2).mean()) < duplicates.NEAR / 2


@pytest.mark.parametrize("share", [0, 0.02, 0.5, 0.9])
def test_a_torn_file_is_not_readable(share, tmp_path):
    path = tmp_path / "a.jpg"
    Image.fromarray(picture(1, 256)).save(path)
    path.write_bytes(path.read_bytes()[:int(path.stat().st_size * share)])
    with pytest.raises(UserError, match="not a readable image"):
        inspect_image(path)


def test_few_large_photographs_are_read_without_a_process(tmp_path,
                                                          monkeypatch):
    for name in "ab":
        (tmp_path / name).mkdir()
        for number in range(3):
            Image.fromarray(picture(number)).save(
                tmp_path / name / f"{number}.jpg")
    (tmp_path / "b/2.jpg").write_bytes(b"truncated")
    # Large enough by far, were they many.
    monkeypatch.setattr(parallel, "MIN_BYTES_PER_PROCESS", 1)
    monkeypatch.setattr(parallel, "ProcessPoolExecutor", None)
    results, good = inspect_dataset(read_dataset(tmp_path),
                                    parallel.Workers(2))
    assert good == [0, 1, 2, 3, 4]
    assert results[0].thumbnail.shape == (768,)
    assert isinstance(results[5], UserError)
