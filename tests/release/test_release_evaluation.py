"""leaffliction/release/evaluation.py: exact figures of known answers."""

import json
from collections import Counter

import pytest
from judged import FILES, FromName, write_data

from leaffliction.model.metrics import wilson_interval
from leaffliction.release.evaluation import evaluate_release, share
from leaffliction.utils.errors import UserError
from leaffliction.utils.parallel import Workers


def counts(of_share):
    """Return (count, of) of a share."""
    return of_share["count"], of_share["of"]


def test_right_and_known_of_learned_classes(figures):
    laboratory = figures["learned"]["laboratory"]
    assert laboratory["n"] == 4
    # Right: scab 90 and esca 60.  Refused: rust 95.  Sure: scab 90, esca 80.
    assert counts(laboratory["right"]) == (2, 4)
    assert counts(laboratory["known"]) == (3, 4)
    assert counts(laboratory["right_of_known"]) == (2, 3)
    assert counts(laboratory["sure"]) == (2, 4)
    assert counts(laboratory["right_of_sure"]) == (1, 2)
    assert laboratory["predicted"] == {
        "Grape_Esca": 2, "Apple_scab": 1, "Apple_rust": 1}
    assert list(laboratory["classes"]) == ["Apple_scab", "Grape_Esca"]
    esca = laboratory["classes"]["Grape_Esca"]
    assert (counts(esca["right"]), counts(esca["known"])) == ((1, 2), (1, 2))


def test_a_refused_photograph_is_right_but_not_right_of_the_known(tmp_path):
    data, split = write_data(tmp_path, {
        "wild/Apple_scab/scab-90-refused.jpg": None,
        "wild/Apple_scab/scab-80-known.jpg": None,
        "wild/Apple_scab/rust-80-known.jpg": None})
    web = evaluate_release(FromName(), data, split, Workers(1))["learned"][
        "web"]
    assert counts(web["right"]) == (2, 3)
    assert counts(web["right_of_known"]) == (1, 2)
    assert counts(web["right_of_sure"]) == (1, 2)
    assert web["calibration_error_of_known"] == pytest.approx(0.3)


def test_calibration_error_of_all_and_of_the_known(figures):
    laboratory = figures["learned"]["laboratory"]
    # Each answer is in a bin of its own: the mean of |right - confidence|.
    assert laboratory["calibration_error"] == pytest.approx(
        (0.1 + 0.8 + 0.4 + 0.95) / 4)
    assert laboratory["calibration_error_of_known"] == pytest.approx(
        (0.1 + 0.8 + 0.4) / 3)


def test_a_class_that_was_not_learned_counts_as_known_or_refused(figures):
    orchard = figures["learned"]["orchard"]
    assert orchard["n"] == 1 and counts(orchard["right"]) == (1, 1)
    assert orchard["calibration_error"] == pytest.approx(0.3)
    mildew = orchard["unlearned"]["Apple_mildew"]
    assert counts(mildew["known"]) == (1, 2)
    assert "right" not in mildew


def test_foreign_kinds_and_their_groups(figures):
    strangers = figures["foreign"]["strangers"]
    assert counts(strangers["known"]) == (1, 3)
    assert counts(strangers["sure"]) == (1, 3)
    assert {name: counts(group["known"]) for name, group
            in strangers["groups"].items()} == {"Cherry": (1, 2),
                                                "Corn": (0, 1)}
    everyday = figures["foreign"]["everyday"]
    assert counts(everyday["known"]) == (1, 1) and everyday["groups"] == {}
    assert counts(everyday["sure"]) == (0, 1)


def test_several_diseases(figures):
    diseases = figures["diseases"]
    assert (diseases["n"], counts(diseases["known"])) == (3, (1, 3))
    assert diseases["predicted"] == {"Apple_rust": 2, "Apple_scab": 1}
    assert diseases["predicted_of_known"] == {"Apple_rust": 1}


def test_grape_leaves_are_laid_on_orchard_photographs(laid, figures):
    calls, _ = laid
    leaves = Counter(leaf.name for leaf, _, _ in calls)
    grounds = Counter(ground.name for _, ground, _ in calls)
    assert leaves == {"esca-60-known.jpg": 4, "rust-95-refused.jpg": 4}
    assert sorted(grounds.values()) == [2, 3, 3]
    assert all(ground.parts[-3] == "orchard" for _, ground, _ in calls)
    assert sorted(seed for _, _, seed in calls) == list(range(8))
    laid_figures = figures["laid"]
    assert counts(laid_figures["right"]) == (4, 8)
    assert counts(laid_figures["right_plant"]) == (4, 8)
    assert counts(laid_figures["known"]) == (4, 8)
    # What is taken for apple is refused.
    assert counts(laid_figures["known_wrong_plant"]) == (0, 8)


def test_a_laid_leaf_known_as_the_other_plant_is_counted(tmp_path, laid):
    data, split = write_data(tmp_path, {
        "leaves/Grape_Esca/rust-95-known.jpg": "validation",
        "orchard/Apple_rust/rust-95-known.jpg": "validation"})
    laid_figures = evaluate_release(FromName(), data, split, Workers(1),
                                    laid[1])["laid"]
    assert counts(laid_figures["known_wrong_plant"]) == (8, 8)
    assert counts(laid_figures["right_plant"]) == (0, 8)


def test_what_is_absent_or_unreadable_is_said(tmp_path, capsys):
    figures = evaluate_release(FromName(), *write_data(tmp_path), Workers(2))
    assert figures["absent"] == {
        "field": "no folder field", "crops": "no folder other/crops",
        "laid": "no function that lays leaves on grounds"}
    assert figures["unreadable"] == 1
    error, = capsys.readouterr().err.splitlines()
    assert error.startswith("error: ") and "everyday/broken.jpg" in error


def test_leaves_that_cannot_be_laid_are_unreadable(tmp_path, laid):
    def fail(leaf, ground, seed):
        raise UserError(f"{leaf}: no leaf in it")

    figures = evaluate_release(FromName(), *write_data(tmp_path), Workers(1),
                               fail)
    assert figures["unreadable"] == 1 + 8
    assert figures["laid"]["n"] == 0
    assert figures["laid"]["right"]["share"] is None


def test_without_grapes_nothing_is_laid(tmp_path, laid):
    files = {file: part for file, part in FILES.items()
             if "esca/" not in file}
    figures = evaluate_release(FromName(), *write_data(tmp_path, files),
                               Workers(1), laid[1])
    assert figures["absent"]["laid"].startswith("no grape leaves")
    assert "laid" not in figures


def test_the_figures_are_json_and_do_not_depend_on_the_workers(
        tmp_path, laid, figures):
    again = evaluate_release(FromName(), *write_data(tmp_path), Workers(1),
                             laid[1])
    assert json.loads(json.dumps(figures)) == figures == again


def test_a_share_has_its_interval_or_none():
    assert share(3, 4) == {"count": 3, "of": 4, "share": 0.75,
                           "interval_95": list(wilson_interval(3, 4))}
    assert share(0, 0) == {"count": 0, "of": 0, "share": None,
                           "interval_95": None}
