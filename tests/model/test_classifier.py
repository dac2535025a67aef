"""leaffliction/model/classifier.py: predictions, computed by hand."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tiny import BIAS, CLASS_NAMES, DETECTOR, OOD_THRESHOLD, WEIGHTS

from leaffliction.model import classifier as classifiers
from leaffliction.model.bundle import (MODEL, OOD_DETECTOR, Description,
                                       write_archive)
from leaffliction.model.classifier import (SURE, Classifier, Prediction,
                                           centre_crop, tta_views)
from leaffliction.model.metrics import softmax
from leaffliction.model.ood import OutdoorsRule
from leaffliction.utils.errors import UserError
from leaffliction.utils.images import preprocess


def test_predictions_are_those_computed_by_hand(archive, images, batch):
    means = batch.mean(axis=(1, 2))
    expected = means @ WEIGHTS + BIAS
    to_classes = np.square(
        2 * (means[:, None] - DETECTOR.class_means)).sum(axis=2)
    scores = to_classes.min(axis=1) - np.square(means).sum(axis=1)
    predictions = Classifier.load(archive).predict(list(images))
    for prediction, logits, score, image in zip(
            predictions, expected, scores, batch, strict=True):
        shares = softmax(logits[np.newaxis] / 2.0)[0]
        if prediction.known and shares.max() >= SURE:
            assert prediction.probabilities == pytest.approx(shares, abs=1e-5)
        assert prediction.ood_score == pytest.approx(score, abs=1e-4)
        assert prediction.known == (score <= OOD_THRESHOLD)
        assert prediction.class_name == CLASS_NAMES[logits.argmax()]
        # The logits are the mean of the class maps.
        assert prediction.class_maps.mean(axis=(0, 1)) == pytest.approx(
            logits, abs=1e-5)
        assert prediction.class_maps[0, 1] == pytest.approx(
            image[:4, 4:].mean(axis=(0, 1)) @ WEIGHTS + BIAS, abs=1e-5)
    assert len({prediction.known for prediction in predictions}) == 2


@pytest.mark.parametrize("sure", [0.0, 0.5, 1.01])
def test_an_unsure_image_gets_the_mean_over_four_views_as_well(
        archive, images, monkeypatch, sure):
    monkeypatch.setattr(classifiers, "SURE", sure)
    classifier = Classifier.load(archive)

    def forward(rgb_img):
        # As if the network saw the left edge of the image only.
        left = rgb_img[:, 0].mean() / 255
        logits = np.array([[left, 0.5, 0]]) * 4
        return logits, np.zeros((2, 2, 3)), np.zeros((1, 3))

    monkeypatch.setattr(classifier, "_forward", forward)
    for image in images:
        image[:, 4:] = 255 - image[:, :4]
        views = [softmax(forward(view)[0] / 2.0)[0]
                 for view in tta_views(image)]
        prediction = classifier.predict_image(image)
        assert prediction.known and (views[0] != views[1]).any()
        assert prediction.probabilities == pytest.approx(
            views[0] if views[0].max() >= sure else np.mean(views, axis=0))


def test_unknown_images_get_the_mean_over_four_views(archive, images):
    classifier = Classifier.load(archive)
    unknown = [image for image, prediction in zip(
        images, classifier.predict(images)) if not prediction.known]
    for image in unknown:
        # A mark in the corner, which the centre crop does not contain.
        image[0, 0] = 255
        crop = image[1:7, 1:7]
        views = [softmax((preprocess(view, 8).mean(axis=(0, 1)) @ WEIGHTS
                          + BIAS)[np.newaxis] / 3.0)[0]
                 for view in (image, image[:, ::-1], crop, crop[:, ::-1])]
        shares = classifier.predict_image(image).probabilities
        assert shares == pytest.approx(np.mean(views, axis=0), abs=2e-5)
        assert np.abs(shares - views[0]).max() > 2e-4
    assert unknown


@pytest.mark.parametrize("shape", [(1, 1), (2, 9), (10, 20)])
def test_a_centre_crop_is_never_empty(shape):
    crop = centre_crop(np.zeros(shape), 0.8)
    assert crop.shape == tuple(side - 2 * round(side * 0.1)
                               for side in shape)
    assert crop.size


def test_threads_share_a_classifier(archive, images):
    classifier = Classifier.load(archive)
    alone = classifier.predict(images)
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(classifier.predict_image, [*images] * 200))
    for one, other in zip(alone * 200, together, strict=True):
        assert np.array_equal(one.probabilities, other.probabilities)
        assert np.array_equal(one.class_maps, other.class_maps)


def write_with(archive, model, detector):
    """Write the archive of tiny.py again, with another OOD detector."""
    write_archive(archive,
                  Description(CLASS_NAMES, 8, 2.0, OOD_THRESHOLD, 3.0),
                  {MODEL: model, OOD_DETECTOR: detector.to_bytes()},
                  Path("augmented"), ())


def test_outdoors_the_energy_decides_what_is_known(
        archive, model, images, batch):
    # Outdoors is where red is more than blue.
    rule = OutdoorsRule(np.float32([1, 0, -1, 0]), 3.0)
    write_with(archive, model, replace(DETECTOR, outdoors=rule))
    means = batch.mean(axis=(1, 2))
    logits = means @ WEIGHTS + BIAS
    energies = np.log(np.exp(logits).sum(axis=1))
    is_outdoors = means[:, 0] > means[:, 2]
    scores = np.where(is_outdoors, 3.0 - energies, DETECTOR.scores(means))
    predictions = Classifier.load(archive).predict(list(images))
    assert [prediction.ood_score for prediction in predictions] == (
        pytest.approx(scores, abs=1e-4))
    known = [prediction.known for prediction in predictions]
    assert known == (scores <= OOD_THRESHOLD).tolist()
    # It knows some outdoors, and refuses others; indoors there are others.
    assert {*np.array(known)[is_outdoors]} == {True, False}
    assert not is_outdoors.all()


def describe(count):
    """Return the detector of tiny.py for another number of classes."""
    return replace(DETECTOR, class_means=np.resize(
        DETECTOR.class_means, (count, 3)))


@pytest.mark.parametrize("detector", [
    describe(2), describe(4),
    replace(describe(4), outdoors=OutdoorsRule(np.zeros(4, np.float32), 0))])
def test_members_of_different_class_counts_are_refused(
        archive, model, detector):
    write_with(archive, model, detector)
    with pytest.raises(UserError, match="^learnings.zip: not a readable "
                       "archive .* does not have 3 classes"):
        Classifier.load(archive)


def test_with_a_rule_for_outdoors_fewer_classes_may_be_described(
        archive, model, images):
    rule = OutdoorsRule(np.float32([0, 0, 0, -1]), 0.0)
    write_with(archive, model, replace(describe(2), outdoors=rule))
    for prediction in Classifier.load(archive).predict(list(images)):
        assert prediction.probabilities.shape == (3,)


def test_a_description_of_fewer_classes_is_refused(archive, model):
    write_archive(archive, Description(("a", "b"), 8, 2.0, 0.5, 3.0),
                  {MODEL: model, OOD_DETECTOR: DETECTOR.to_bytes()},
                  Path("augmented"), ())
    with pytest.raises(UserError, match="does not have 2 classes"):
        Classifier.load(archive)


@pytest.mark.parametrize("member", [MODEL, OOD_DETECTOR])
def test_a_member_with_other_content_is_refused(archive, model, member):
    members = {MODEL: model, OOD_DETECTOR: DETECTOR.to_bytes(),
               member: b"other"}
    write_archive(archive,
                  Description(CLASS_NAMES, 8, 2.0, OOD_THRESHOLD, 3.0),
                  members, Path("augmented"), ())
    with pytest.raises(UserError, match="^learnings.zip: not a readable "):
        Classifier.load(archive)


def test_the_most_probable_classes_come_first():
    prediction = Prediction(("a", "b", "c", "d"),
                            np.array([0.2, 0.5, 0.1, 0.2]), 1.0, True,
                            np.zeros((1, 1, 4)))
    assert prediction.top(3) == [("b", 0.5), ("a", 0.2), ("d", 0.2)]
    assert len(prediction.top(99)) == 4
    assert (prediction.class_name, prediction.confidence) == ("b", 0.5)
