"""transformation/lesions.py: diseased tissue, recognised by its colour."""

import cv2
import numpy as np
import pytest
from paths import DATA

from leaffliction.transformation.lesions import (MAX_SIDE, _disc, count_spots,
                                                 find_lesions,
                                                 find_lesions_in_box)
from leaffliction.transformation.mask import leaf_mask
from leaffliction.utils.images import read_image
from samples.dataset import CLASS_COUNTS
from samples.drawing import draw_leaf_and_mask

GREEN, BROWN = (60, 130, 50), (110, 70, 40)


def leaf(size=256, spots=((100, 120, 10), (150, 140, 6), (128, 90, 8)),
         colour=BROWN):
    """Return a green disc with spots, its mask, and the spots' mask."""
    unit = size / 256
    image = np.full((size, size, 3), 150, np.uint8)
    mask, truth = np.zeros((2, size, size), np.uint8)
    cv2.circle(mask, (size // 2, size // 2), round(90 * unit), 1, -1)
    image[mask > 0] = GREEN
    for x, y, radius in spots:
        cv2.circle(truth, (round(x * unit), round(y * unit)),
                   round(radius * unit), 1, -1)
    image[truth > 0] = colour
    return image, mask > 0, truth > 0


@pytest.mark.parametrize("colour", [
    BROWN, (40, 30, 25), (190, 170, 60), (200, 110, 40)],
    ids=["brown", "black", "yellow", "rust"])
@pytest.mark.parametrize("size", [256, MAX_SIDE, 3 * MAX_SIDE])
def test_spots_are_found_and_counted(colour, size):
    image, mask, truth = leaf(size, colour=colour)
    lesions = find_lesions(image, mask)
    assert lesions.dtype == bool and lesions.shape == mask.shape
    overlap = (lesions & truth).sum() / (lesions | truth).sum()
    # The blur widens a vivid spot by half a pixel of 256.
    assert overlap > 0.8
    assert count_spots(lesions) == 3
    assert lesions.sum() == pytest.approx(truth.sum(), rel=0.25)


@pytest.mark.parametrize("light", [0.6, 0.8, 1.2])
def test_lesions_are_the_same_in_any_light(light):
    image, mask, truth = leaf()
    lit = np.clip(image * light, 0, 255).astype(np.uint8)
    lesions = find_lesions(lit, mask)
    assert (lesions & truth).sum() / (lesions | truth).sum() > 0.8


def test_shade_and_reflections_are_not_diseased():
    image, mask, _ = leaf(spots=())
    image[:, 128:] = image[:, 128:] // 2
    cv2.circle(image, (90, 120), 8, (225, 230, 228), -1)
    assert not find_lesions(image, mask).any()


def test_stem_and_edge_are_not_diseased():
    image, mask, _ = leaf(spots=())
    stem = np.zeros(mask.shape, np.uint8)
    cv2.line(stem, (128, 221), (128, 250), 1, 5)
    image[stem > 0] = BROWN
    rim = mask & ~(cv2.erode(mask.astype(np.uint8), cv2.getStructuringElement(
        cv2.MORPH_ELLIPSE, (5, 5))) > 0)
    image[rim] = (150, 110, 100)
    assert not find_lesions(image, mask | (stem > 0)).any()


def share(image, mask):
    """Return the % of lesions on a leaf."""
    return 100 * find_lesions(image, mask).sum() / max(1, mask.sum())


def resized(image, mask, side):
    """Return an image and its mask, resized to a square of this side."""
    smaller = side < len(image)
    return (cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA
                       if smaller else cv2.INTER_CUBIC),
            cv2.resize(mask.astype(np.uint8) * 255, (side, side),
                       interpolation=cv2.INTER_AREA) > 127)


@pytest.mark.parametrize("frame", [(300, 300), (1200, 1600), (2000, 320),
                                   (3000, 4000)])
@pytest.mark.parametrize("spots", [
    (), ((100, 120, 10), (150, 140, 8), (128, 90, 9))], ids=["none", "three"])
def test_lesions_do_not_depend_on_the_frame(frame, spots):
    image, mask, _ = leaf(spots=spots)
    alone = share(image, mask)
    assert (alone > 2) == bool(spots)
    for offset in (0, 0.5, 1):
        y, x = (round(offset * (size - 256)) for size in frame)
        whole = np.full((*frame, 3), 150, np.uint8)
        whole[y:y + 256, x:x + 256] = image
        whole_mask = np.zeros(frame, bool)
        whole_mask[y:y + 256, x:x + 256] = mask
        assert share(whole, whole_mask) == pytest.approx(alone, rel=0.01)


@pytest.mark.parametrize("side", [60, 100, 200, 300, 800, 2000])
def test_lesion_share_is_within_a_tenth_at_any_size(side):
    image, mask, _ = leaf(spots=((100, 120, 14), (150, 140, 10)))
    assert share(*resized(image, mask, side)) == pytest.approx(
        share(image, mask), rel=0.1)
    image, mask, _ = leaf(spots=())
    assert share(*resized(image, mask, side)) == 0


def test_thin_leaf_is_not_enlarged_without_limit():
    # 4,000 pixels long and 3 wide, it would become 6,400 pixels long.
    image = np.full((40, 4000, 3), GREEN, np.uint8)
    mask = np.zeros((40, 4000), bool)
    mask[10:13] = True
    assert not find_lesions(image, mask).any()


@pytest.mark.parametrize("diameter", [0.4, 1, 2, 3, 4, 8.05, 13, 13.9])
def test_kernels_are_symmetric(diameter):
    kernel = _disc(diameter)
    assert len(kernel) % 2 and abs(len(kernel) - diameter) <= 1
    assert (kernel == kernel[::-1, ::-1]).all()


def test_speck_is_not_a_spot():
    image, mask, _ = leaf(spots=())
    image[100:103, 100:103] = BROWN
    assert not find_lesions(image, mask).any()
    image[140:145, 100:105] = BROWN
    assert count_spots(find_lesions(image, mask)) == 1


@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (2, 3), (2000, 1)])
@pytest.mark.parametrize("inside", [False, True])
def test_lesions_of_no_leaf_and_of_the_smallest_images(shape, inside):
    image = np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8)
    lesions = find_lesions(image, np.full(shape, inside))
    assert lesions.shape == shape and lesions.dtype == bool
    assert not (lesions & ~inside).any()


def test_image_and_mask_are_not_changed():
    image, mask, _ = leaf()
    before = image.copy(), mask.copy()
    find_lesions(image, mask)
    assert (image == before[0]).all() and (mask == before[1]).all()


@pytest.mark.parametrize("size, part", [
    (256, np.s_[:, :]), (80, np.s_[:, :]), (256, np.s_[60:200, 50:220])],
    ids=["reduced", "enlarged", "cut by the image"])
def test_lesions_in_a_box_are_those_of_the_whole_image(size, part):
    image, mask, _ = leaf(size)
    image, mask = image[part], mask[part]
    x, y, width, height = box = cv2.boundingRect(mask.astype(np.uint8))
    window = np.s_[y:y + height, x:x + width]
    lesions = find_lesions_in_box(image, mask[window], box)
    assert lesions.any()
    assert (find_lesions(image, mask)[window] == lesions).all()


@pytest.mark.parametrize("class_name", CLASS_COUNTS)
def test_drawn_leaves_have_lesions_unless_they_are_healthy(class_name):
    shares = []
    for seed in range(5):
        image, mask = draw_leaf_and_mask(
            class_name, np.random.default_rng(seed), 256)
        shares.append(find_lesions(image, mask).sum() / mask.sum())
    if class_name.endswith("healthy"):
        assert np.median(shares) < 0.005
    else:
        assert np.median(shares) > 0.005


@pytest.mark.skipif(not (DATA / "leaves").is_dir(), reason="no real leaves")
@pytest.mark.parametrize("side, off", [(60, 0.2), (100, 0.12), (300, 0.06),
                                       (800, 0.06)])
def test_real_leaves_have_the_same_lesions_at_any_size(side, off):
    # Nine in ten of 34 leaves differ by less than 18 %, 12, 5 and 5.
    differences = []
    for name in ("Apple_rust", "Apple_scab", "Apple_Black_rot",
                 "Grape_Esca"):
        for path in sorted((DATA / "leaves" / name).iterdir())[:200:50]:
            image = read_image(path)
            mask = leaf_mask(image)
            alone = share(image, mask)
            if alone > 2:
                differences.append(abs(
                    share(*resized(image, mask, side)) / alone - 1))
    assert len(differences) > 8
    assert np.quantile(differences, 0.75) < off


@pytest.mark.skipif(not (DATA / "leaves").is_dir(), reason="no real leaves")
def test_real_healthy_leaves_have_almost_no_lesions():
    shares = {}
    for folder in sorted((DATA / "leaves").iterdir()):
        values = []
        for path in sorted(folder.iterdir())[:200:20]:
            image = read_image(path)
            mask = leaf_mask(image)
            values.append(find_lesions(image, mask).sum()
                          / max(1, mask.sum()))
        shares[folder.name] = np.median(values)
    healthy = [shares.pop(name) for name in ("Apple_healthy",
                                             "Grape_healthy")]
    assert max(healthy) < 0.01 < min(shares.values())
