"""Large photographs: no step decodes more pixels than it needs."""

from functools import partial

import cv2
import numpy as np
import pytest
from PIL import Image

from leaffliction.augmentation.balance import (PlannedImage, make_copies,
                                               read_leaf)
from leaffliction.model.bundle import Description
from leaffliction.model.classifier import Classifier
from leaffliction.training import audit, backgrounds
from leaffliction.training.backgrounds import make_backgrounds
from leaffliction.training.cutouts import cut_out_file
from leaffliction.training.features import load_image
from leaffliction.training.field_images import FieldImage
from leaffliction.utils import images
from leaffliction.utils.images import (preprocess, read_for_network,
                                       read_image, write_image)
from samples.drawing import draw_leaf

WIDTH, HEIGHT = 2400, 1800


@pytest.fixture(scope="module")
def photograph(tmp_path_factory):
    """Return a photograph of 4 megapixels whose EXIF says it is turned."""
    path = tmp_path_factory.mktemp("large") / "leaf.jpg"
    leaf = cv2.resize(draw_leaf("Apple_rust", np.random.default_rng(1), 256),
                      (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(leaf).save(path, quality=92, exif=exif)
    return path


@pytest.mark.parametrize("size", [64, 160, 224])
def test_network_input_is_that_of_the_whole_image(photograph, size):
    reduced, whole = read_for_network(photograph, size), read_image(photograph)
    assert whole.shape == (WIDTH, HEIGHT, 3)
    assert 2 * size <= min(reduced.shape[:2]) < HEIGHT
    gap = np.abs(preprocess(reduced, size) - preprocess(whole, size)) * 127.5
    assert gap.mean() < 0.5 and gap.max() < 8


def test_reduced_decoding_does_not_brighten(tmp_path):
    # With grain: all blocks of a plain image would be rounded alike.
    grain = np.random.default_rng(1).normal(0, 3, (HEIGHT, WIDTH, 1))
    path = tmp_path / "leaf.jpg"
    Image.fromarray((np.uint8([147, 140, 136]) + grain).astype(
        np.uint8)).save(path, quality=90)
    reduced, whole = read_for_network(path, 64), read_image(path)
    assert reduced.shape == (HEIGHT // 4, WIDTH // 4, 3)
    assert abs(reduced.mean() - whole.mean()) < 0.05


@pytest.mark.parametrize("side", [64, 256, 399])
def test_small_images_are_decoded_at_full_size(tmp_path, side):
    path = tmp_path / "leaf.jpg"
    write_image(path, draw_leaf("Apple_scab", np.random.default_rng(1), side))
    assert (read_for_network(path, 160) == read_image(path)).all()


class ConstantNetwork:
    """A network that returns zeros for every image."""

    def __call__(self, batch):
        count = len(batch)
        return (np.zeros((count, 2), np.float32),
                np.zeros((count, 5, 5, 2), np.float32),
                np.zeros((count, 3), np.float32))


def predict(path):
    class Known:
        def judge(self, features, logits):
            return np.zeros(len(features))

    classifier = Classifier.__new__(Classifier)
    classifier.description = Description(("a", "b"), 160, 1.0, -1.0, 1.0)
    classifier.network, classifier.ood_detector = ConstantNetwork(), Known()
    return classifier.predict_file(path)


BACKGROUNDS = partial(make_backgrounds, [], 160, np.random.default_rng(0))


@pytest.mark.parametrize("read", [
    partial(load_image, size=160), cut_out_file, audit.border_pixels, predict,
    partial(audit.predict_masked, network=ConstantNetwork(), size=160),
    partial(read_leaf, longest=640),
    lambda path: FieldImage(path, "Apple", (1, 2)).render(BACKGROUNDS())])
def test_every_reader_decodes_at_a_half_or_a_quarter(
        photograph, monkeypatch, read):
    sizes = []
    to_rgb = images.to_rgb

    def record_size(image):
        rgb_img = to_rgb(image)
        sizes.append(max(rgb_img.shape[:2]))
        return rgb_img

    monkeypatch.setattr(images, "to_rgb", record_size)
    monkeypatch.setattr(backgrounds, "FOLIAGE_IMAGES", 1)
    monkeypatch.setattr(backgrounds, "SHADE_PATTERNS", 1)
    read(photograph)
    assert sizes == [WIDTH // 2] or sizes == [WIDTH // 4]


def test_border_features_do_not_depend_on_the_resolution(photograph, tmp_path):
    small = tmp_path / "leaf.png"
    write_image(small, cv2.resize(read_image(photograph), (192, 256),
                                  interpolation=cv2.INTER_AREA))
    of_small = audit.border_pixels(small)
    gap = audit.border_pixels(photograph).astype(int) - of_small
    rgb_img = read_image(small)
    assert of_small.tolist() == [
        value for row, column in audit.BORDER_POINTS
        for value in rgb_img[round(row * 255), round(column * 191)].tolist()]
    assert np.abs(gap).max() <= 4


def test_augmented_copies_respect_the_longest_side(photograph, tmp_path):
    copies = PlannedImage(photograph.relative_to(photograph.parent), 0, (
        ("Flip", photograph.with_name("leaf_Flip.jpg").relative_to(
            photograph.parent)),))
    for longest, side in ((640, 640), (None, WIDTH)):
        output = tmp_path / str(longest)
        make_copies(copies, photograph.parent, output, 1, longest)
        assert max(read_image(output / "leaf_Flip.jpg").shape) == side
        assert (output / "leaf.jpg").read_bytes() == photograph.read_bytes()
