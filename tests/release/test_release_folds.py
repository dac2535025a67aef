"""leaffliction/release/folds.py: each photograph judged by a network that has
not seen it."""

from types import SimpleNamespace

import numpy as np
import pytest
from small_sources import CLASS_NAMES, CONFIG, read, write_photographs

from leaffliction.release import folds
from leaffliction.release.dataset import FOLDS
from leaffliction.release.evaluation import SURE_ENOUGH
from leaffliction.release.folds import (BRIEF_IMAGES, drop_class,
                                        judge_unlearned, judge_web)
from leaffliction.release.plan import Planner
from leaffliction.release.pool import Pool
from leaffliction.release.recipe import Prepared
from leaffliction.training.examples import Examples
from leaffliction.training.split import LEFT_OUT, SETS
from leaffliction.utils.parallel import Workers

RUST, WORKERS = CLASS_NAMES.index("Apple_rust"), Workers(1)


@pytest.fixture(scope="module")
def release(tmp_path_factory):
    """Return what is trained on, without a backbone and with no features."""
    folder = tmp_path_factory.mktemp("photographs")
    write_photographs(folder)
    sources = read(folder)
    planned = Planner(sources, 1, {}).plan()
    labels = sources.parts.early_stopping.labels
    return Prepared(CONFIG, sources, None, None,
                    Pool.of(planned, np.empty((len(planned), 0))),
                    Examples(np.arange(len(labels)), labels))


@pytest.fixture
def networks(monkeypatch):
    """Return a list that gets the arguments of each training.

    A network is a number here: how many were trained before it.
    """
    trained = []

    def fit_network(prepared, images, left_out):
        trained.append((prepared, images, left_out))
        return len(trained) - 1

    monkeypatch.setattr(folds, "fit_network", fit_network)
    monkeypatch.setattr(
        folds, "finish", lambda prepared, fitted, workers: SimpleNamespace(
            classifier=lambda: fitted))
    return trained


def test_a_fold_is_judged_by_the_network_that_has_not_seen_it(
        release, networks, monkeypatch):
    monkeypatch.setattr(folds, "predict", lambda network, paths, *_: [
        (network, path) for path in paths])
    predictions = judge_web(release, 90, WORKERS)
    assert [path for _, path in predictions] == release.sources.web.paths()
    assert [network for network, _ in predictions] == (
        release.sources.folds().tolist())
    assert len(networks) == FOLDS
    for fold, (prepared, images, left_out) in enumerate(networks):
        assert prepared is release and images == 90
        assert np.array_equal(left_out, release.pool.folds == fold)
        assert left_out.any()


def test_a_disease_is_judged_by_a_network_that_has_not_learned_it(
        release, networks, monkeypatch):
    # Of each disease: sure, refused, unsure, just sure enough; and again.
    answers = [SimpleNamespace(known=known, confidence=confidence)
               for known, confidence in ((True, 0.9), (False, 0.9),
                                         (True, 0.69), (True, SURE_ENOUGH))]
    asked = {}

    def predict(network, paths, workers, title):
        asked[title] = paths
        return answers[:len(paths)]

    monkeypatch.setattr(folds, "predict", predict)
    validation = release.sources.parts.validation
    numbers = dict(zip(CLASS_NAMES, validation.counts().tolist()))
    expected = {name: (min(2, numbers[name] - 1), numbers[name])
                for name in CLASS_NAMES[1:]}
    assert max(numbers.values()) <= len(answers)
    assert judge_unlearned(release, WORKERS) == expected
    for label, (prepared, images, left_out) in enumerate(networks, 1):
        assert images == BRIEF_IMAGES
        assert np.array_equal(left_out, release.pool.labels == label)
        assert label not in prepared.sources.parts.training.labels
        paths = asked[CLASS_NAMES[label]]
        assert {path.parent.name for path in paths} == {CLASS_NAMES[label]}
        assert set(paths) < set(validation.paths())
    assert len(networks) == 3


def test_a_dropped_class_is_in_no_part(release):
    before, after = (prepared.sources.parts for prepared in (
        release, drop_class(release, RUST)))
    labels = before.leaves.dataset.labels
    assert (after.names == np.where(labels == RUST, LEFT_OUT,
                                    before.names)).all()
    assert RUST in before.training.labels and LEFT_OUT not in before.names
    for name in SETS:
        old, new = (getattr(parts, {"stopping": "early_stopping"}.get(
            name, name)) for parts in (before, after))
        assert new.files == tuple(
            file for file in old.files if file.parts[1] != "Apple_rust")
        assert new.class_names == CLASS_NAMES
        assert len(after.leaves_of(name)) == len(new.files)


def test_a_dropped_class_is_not_among_the_early_stopping_examples(release):
    after = drop_class(release, RUST)
    old, new = release.early_stopping, after.early_stopping
    rows = np.flatnonzero(old.targets != RUST)
    assert 0 < len(rows) < len(old.targets)
    assert new.targets.tolist() == old.targets[rows].tolist()
    assert new.features.tolist() == rows.tolist()
    assert new.targets.tolist() == (
        after.sources.parts.early_stopping.labels.tolist())
    # The rest, as the network's number of outputs, stays.
    assert after.classes == release.classes == 4
    assert after.pool is release.pool
    assert after.sources.web is release.sources.web
