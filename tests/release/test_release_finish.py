"""leaffliction/release/finish.py and recipe.py: from photographs to what the
archive holds."""

import hashlib
import importlib
import json

import numpy as np
import pytest
from quick_training import shorten
from small_backbone import load_backbone
from small_sources import CLASS_NAMES, CONFIG, read, write_photographs

from leaffliction.model.classifier import Classifier
from leaffliction.model.metrics import log_sum_exp
from leaffliction.release import finish as finishing
from leaffliction.release import plan, recipe
from leaffliction.release.finish import (finish, fit_gate, is_indoors,
                                         sample_rows)
from leaffliction.release.folds import predict
from leaffliction.training.split import EARLY_STOPPING
from leaffliction.utils import cli
from leaffliction.utils.parallel import Workers
from samples.drawing import draw_leaf

FEW = {"LABORATORY_IMAGES": 6, "WEB_COPIES": 1, "STRANGER_COPIES": 1,
       "OUTLINES": 1, "DRAWN": 1, "ON_ORCHARD": 1, "ON_STRANGERS": 1,
       "ON_PLAIN": 1, "FOLIAGE": 1, "CLOSE_UPS": 1}


@pytest.fixture
def clouds():
    """Return features of two clouds, on scales that differ."""
    rng = np.random.default_rng(1)
    scale, offset = np.array([1, 100, 0.01]), np.array([5, -300, 0])
    return tuple((rng.normal(centre, 1, (count, 3)) * scale + offset)
                 for centre, count in (((-2, 0, 1), 60), ((2, 0, -1), 240)))


def test_the_gate_separates_two_clouds(clouds):
    indoors, outdoors = clouds
    gate = fit_gate(indoors, outdoors)
    assert gate.shape == (4,) and gate.dtype == np.float32
    assert (indoors @ gate[:-1] + gate[-1] < 0).mean() > 0.95
    assert (outdoors @ gate[:-1] + gate[-1] > 0).mean() > 0.95


def test_the_gate_decides_as_the_logistic_regression(clouds):
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    gate = fit_gate(*clouds)
    features = np.vstack(clouds)
    model = make_pipeline(StandardScaler(), LogisticRegression(
        C=finishing.GATE_STRENGTH, class_weight="balanced"))
    model.fit(features, np.arange(300) >= 60)
    assert features @ gate[:-1] + gate[-1] == pytest.approx(
        model.decision_function(features), abs=1e-3)


def test_a_feature_that_never_changes_does_not_matter():
    still = np.zeros((20, 1))
    moved = np.arange(20.0)[:, np.newaxis]
    gate = fit_gate(np.hstack([moved, still]), np.hstack([moved + 30, still]))
    assert np.isfinite(gate).all() and gate[0] > 0
    assert gate[1] == pytest.approx(0)


@pytest.fixture(scope="module")
def patch():
    """Return a monkeypatch for all tests of this file."""
    with pytest.MonkeyPatch.context() as patch:
        yield patch


@pytest.fixture(scope="module")
def photographs(tmp_path_factory, patch):
    """Return a folder of drawn leaves, of which few images are planned."""
    shorten(patch.setattr)
    for name, number in FEW.items():
        patch.setattr(plan, name, number)
    patch.setattr(finishing, "RANGE_IMAGES", 8)
    folder = tmp_path_factory.mktemp("photographs")

    def picture(source, name, rng):
        if source == "strangers":
            name = "Grape_spot"
        leaf = draw_leaf(name, rng, 32)
        # Outdoors it is darker, and nothing is grey.
        return leaf if source == "leaves" else leaf // np.uint8([4, 2, 6])

    write_photographs(folder, picture)
    return folder


@pytest.fixture(scope="module")
def fine_tuned(patch):
    """Return a list that gets the weights before and after fine-tuning."""
    weights, fine_tune = [], recipe.loop.fine_tune

    def watch(network, *arguments):
        before = network.get_weights()
        result = fine_tune(network, *arguments)
        weights.append((network, before, network.get_weights()))
        return result

    patch.setattr(recipe.loop, "fine_tune", watch)
    return weights


@pytest.fixture(scope="module")
def released(photographs, fine_tuned, patch):
    """Run make release once.

    Returns the folder of what it wrote, and what it finished: (release,
    fitted network, exported network).
    """
    main = importlib.import_module("leaffliction.release.__main__")
    output, finished = photographs / "models", []

    def record(release, fitted, workers):
        exported = finish(release, fitted, workers)
        finished.append((release, fitted, exported))
        return exported

    def judge_web(release, images, workers):
        return predict(Classifier.load(output / "apple-grape.zip"),
                       release.sources.web.paths(), workers, "Web")

    patch.setattr(recipe, "CONFIG", CONFIG)
    patch.setattr(recipe, "load_backbone", load_backbone)
    patch.setattr(main, "finish", record)
    patch.setattr(main, "judge_web", judge_web)
    patch.setattr(main, "judge_unlearned", lambda *_: {"Apple_scab": (1, 2)})
    assert main.main([str(photographs), "--output", str(output), "--images",
                      "48"]) == 0
    return output, *finished


# TensorFlow: in the process that the tests of training have loaded it into.
@pytest.mark.xdist_group("tensorflow")
def test_photographs_become_a_classifier_with_a_rule_for_outdoors(
        released, fine_tuned):
    _, (release, fitted, exported) = released
    sources, workers = release.sources, Workers(2)
    assert len(release.pool.features) == len(release.pool.labels) > 100
    assert len(release.early_stopping.features) == len(
        sources.parts.early_stopping.files)
    (network, start, end), = fine_tuned
    for weight, first, last in zip(network.get_weights(), start, end,
                                   strict=True):
        assert weight == pytest.approx(
            first + recipe.KEPT_CHANGE * (last - first), abs=1e-6)
    assert any((first != last).any() for first, last in zip(start, end))
    assert fitted.logits == pytest.approx(network.predict_on_batch(
        release.early_stopping.features.astype(np.float32)), abs=1e-3)

    detector, description = exported.ood_detector, exported.description
    assert description.class_names == CLASS_NAMES
    # The laboratory has three of the four classes.
    assert len(detector.class_means) == 3
    judge_outdoors(exported, release, workers)
    predictions = predict(exported.classifier(), sources.web.paths(),
                          workers, "Web")
    assert len(predictions) == len(sources.web.files)
    for prediction in predictions:
        assert prediction.probabilities.shape == (4,)
        assert prediction.known == (
            prediction.ood_score <= description.ood_threshold)


@pytest.mark.xdist_group("tensorflow")
def test_make_release_writes_archive_split_figures_and_card(released):
    output, (release, _, _) = released
    archive, sources = output / "apple-grape.zip", release.sources
    assert {path.name for path in output.iterdir()} == {
        "apple-grape.zip", "apple-grape-split.csv", "apple-grape.json",
        "apple-grape.md", "signature.txt"}
    classifier = Classifier.load(archive, verify=True)
    assert classifier.class_names == CLASS_NAMES
    assert classifier.description.details["settings"]["images"] == 48
    figures = json.loads((output / "apple-grape.json").read_text())
    assert figures["learned"]["web"]["n"] == len(sources.web.files)
    assert figures["photographs"]["web"]["training"] == len(sources.web.files)
    assert figures["unlearned"] == {"Apple_scab": [1, 2]}
    card = (output / "apple-grape.md").read_text()
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    assert digest in card and "| Apple_scab | 2 | 50.0%" in card
    assert "fine-tuned on 48 images" in " ".join(card.split())


def test_a_folder_without_photographs_is_one_error(tmp_path, capsys):
    main = importlib.import_module("leaffliction.release.__main__")
    arguments = [str(tmp_path), "--output", str(tmp_path / "models")]
    assert cli.run(lambda: main.main(arguments)) == 1
    line, = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: {tmp_path / 'leaves'}: no such folder")
    assert not list((tmp_path / "models").iterdir())


def judge_outdoors(exported, release, workers):
    """Check the rule for outdoors of what is exported."""
    sources, rule = release.sources, exported.ood_detector.outdoors

    def run(paths):
        return finishing.features_and_logits(exported.model, paths, 32,
                                             workers)

    indoors = is_indoors(sources.parts.training)
    features, _ = run(sources.parts.training.paths())
    assert (rule.applies(features) == ~indoors).mean() > 0.9
    features, logits = run(sources.strangers_in(EARLY_STOPPING))
    energies = log_sum_exp(logits)[rule.applies(features)]
    assert len(energies)
    # The score is the threshold where the energy is that of the few most
    # certain strangers.
    least = np.quantile(energies, 1 - finishing.KNOWN_STRANGERS)
    assert rule.shift - least == pytest.approx(
        exported.description.ood_threshold, rel=1e-5)
    known = rule.scores(logits) <= exported.description.ood_threshold
    assert known[rule.applies(features)].sum() <= 1


def test_samples_are_of_one_kind_of_photographs(tmp_path, monkeypatch):
    write_photographs(tmp_path)
    training = read(tmp_path).parts.training
    files = [file.parts[0] for file in training.files]
    assert is_indoors(training).tolist() == [
        folder == "leaves" for folder in files]
    for indoors, folder in ((True, "leaves"), (False, "orchard")):
        rows = sample_rows(training, indoors, np.random.default_rng(1))
        assert rows.tolist() == [row for row, other in enumerate(files)
                                 if other == folder]
    monkeypatch.setattr(finishing, "DETECTOR_IMAGES", 3)
    rows = sample_rows(training, True, np.random.default_rng(1))
    assert len(set(rows)) == 3 and sorted(rows) == rows.tolist()
