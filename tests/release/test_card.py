"""leaffliction/release/card.py: front matter, sentences, warnings, bytes."""

import copy
import dataclasses
import re

import pytest
import yaml
from judged import FromName, write_data

from leaffliction.release.card import (Facts, in_words, model_card, summary,
                                       write_card)
from leaffliction.release.evaluation import evaluate_release, share
from leaffliction.release.front_matter import yaml_lines
from leaffliction.utils.errors import UserError
from leaffliction.utils.parallel import Workers

FACTS = Facts(
    "apple-grape", "MobileNetV2 of 224 pixels", 5_712_345, "ab" * 32,
    "apple-grape-split.csv", 42, 93.4, "a machine with 2 cores",
    ("First the head.", "Then **all** of it."), {"Apple_mildew": (30, 40)},
    {"Python": "3.11.9", "Keras": "3.15.1"})


def section(card, title):
    """Return the text of a section of a card."""
    return re.search(rf"^## {title}\n\n(.*?)(?=^## |\Z)", card,
                     re.MULTILINE | re.DOTALL)[1]


@pytest.fixture
def card(figures):
    return model_card(figures, FACTS)


@pytest.fixture
def metadata(card):
    return yaml.safe_load(card.split("---\n")[1])


def test_the_front_matter_has_the_keys_that_hugging_face_reads(metadata):
    assert metadata["pipeline_tag"] == "image-classification"
    assert metadata["license"] == "other"
    assert metadata["license_name"] and metadata["license_link"] == "LICENSE"
    for key in ("tags", "datasets", "metrics", "language"):
        assert metadata[key] and all(
            isinstance(item, str) for item in metadata[key])


def test_the_model_index_follows_the_schema(metadata, figures):
    model, = metadata["model-index"]
    assert model["name"] == "apple-grape"
    kinds = {result["dataset"]["type"]: result
             for result in model["results"]}
    assert list(kinds) == ["leaffliction-" + kind for kind in (
        "laboratory", "orchard", "web", "strangers", "everyday", "laid")]
    for result in model["results"]:
        assert set(result) == {"task", "dataset", "metrics"}
        assert result["task"]["type"] == "image-classification"
        assert {"type", "name"} <= set(result["dataset"])
        for metric in result["metrics"]:
            assert {"type", "value"} <= set(metric)
            assert isinstance(metric["value"], float)
    laboratory = kinds["leaffliction-laboratory"]
    assert laboratory["dataset"]["name"] == "laboratory (4 photographs)"
    assert [metric["value"] for metric in laboratory["metrics"]] == [
        0.5, 0.6667, 0.75, 0.5625]
    assert laboratory["dataset"]["split"] == "validation"
    assert kinds["leaffliction-web"]["dataset"]["split"] == "validation"
    assert kinds["leaffliction-strangers"]["metrics"] == [{
        "type": "false_positive_rate", "name": "share known, wrongly",
        "value": 0.3333}]


@pytest.mark.parametrize("value", [
    {"a": ["no", "x y", 'quote"d', "1.0", "a: b", "# c", "plain-1"],
     "b": [{"c": 1, "d": {"e": None}}, {"c": 0.5}], "f": [], "g": True,
     "h": "été\n"}])
def test_yaml_is_read_back_as_it_was(value):
    assert yaml.safe_load("\n".join(yaml_lines(value))) == value


def test_the_summary_is_three_sentences_with_figures(figures):
    good, bad, refusal = summary(figures)
    assert ("for 75.0% of new leaves on a plain ground (66.7% of these "
            "answers are right)") in good
    assert ("for 100.0% of new apple leaves in the orchards that it learned "
            "from (100.0% of these") in good
    assert ("of 1 photographs from the web it answered for 1, and 1 of these "
            "answers were right") in bad
    assert ("few or no photographs of apple rust, apple scab and grape esca"
            in bad)
    assert "it took 1 of 3 leaves of other plants" in refusal
    assert all(sentence.count(". ") == 0 and sentence.endswith(".")
               for sentence in (good, bad, refusal))


def test_the_summary_says_where_no_leaf_gets_a_diagnosis(figures):
    refused = copy.deepcopy(figures)
    refused["learned"]["orchard"] |= {"known": share(0, 9),
                                      "right_of_known": share(0, 0)}
    assert "for none of the new apple leaves in the orchards" in (
        summary(refused)[0])
    # A share of nothing is no result.
    orchard = yaml.safe_load(model_card(refused, FACTS).split("---\n")[1])[
        "model-index"][0]["results"][1]
    assert [metric["name"] for metric in orchard["metrics"]] == [
        "accuracy", "share known", "expected calibration error"]


def test_small_numbers_are_warned_of_and_large_ones_are_not(figures):
    warned = model_card(figures, FACTS)
    assert ("outdoors, all kinds together: no photograph of Grape_Esca; fewer "
            "than 30 of Apple_rust (1) and Apple_scab (1)."
            in " ".join(section(warned, "Small numbers").split()))
    assert "**Warning:**" in section(warned, "What it is for")
    assert "grape esca outdoors" in section(warned, "What was not measured")
    many = copy.deepcopy(figures)
    # Every class and plant gets 30 in every kind.
    full = {"n": 30, "known": share(30, 30), "right": share(30, 30),
            "right_of_known": share(30, 30)}
    for of_kind in many["learned"].values():
        of_kind["classes"] = {name: full for name in many["classes"]}
    for of_kind in many["foreign"].values():
        of_kind["groups"] = {"Cherry": full}
    calm = model_card(many, FACTS)
    assert section(calm, "Small numbers").strip() == (
        "No figure rests on fewer than 30 photographs.")
    assert "**Warning:**" not in calm
    assert "esca outdoors" not in calm


def test_figures_sources_and_facts_are_in_the_card(card, figures):
    evaluation = section(card, "How right it is")
    assert "| laboratory | 4 | 50.0% (15.0% to 85.0%) |" in evaluation
    assert "| Grape_Esca | 2 | 50.0% (9.5% to 90.5%) |" in evaluation
    assert "| Apple_mildew (not learned) | 2 | - |" in evaluation
    assert "| - Cherry | 2 | 50.0% (9.5% to 90.5%) |" in evaluation
    assert "| Apple_rust | 2 | 1 |" in evaluation      # several diseases
    assert "**orchard, kept apart**" not in evaluation
    sources = section(card, "What it learned from")
    assert "| PlantVillage | single leaves on a plain ground | 2 |" in sources
    for citation in ("1511.08060", "10.1002/aps3.11390", "1911.10317",
                     "compeleceng.2019.04.011", "CC BY 4.0"):
        assert citation in sources
    assert "`apple-grape-split.csv`" in sources
    trained = section(card, "How it was trained")
    assert "Then **all** of it." in trained
    assert "Seed 42. Versions: Python 3.11.9, Keras 3.15.1." in trained
    assert ("| Apple_mildew | 40 | 75.0% (59.8% to 85.8%) |"
            in section(card, "Diseases that it has not learned"))
    assert f"`{'ab' * 32}`" in card and "5.7 MB" in card
    absent = section(card, "What was not measured")
    assert "- orchard, kept apart: not judged (no folder field)" in absent


def test_energy_is_unknown_or_computed(card, figures):
    assert ("93 minutes on a machine with 2 cores. What it drew is unknown."
            in section(card, "What the training took"))
    known = dataclasses.replace(FACTS, watts=60, minutes=90)
    assert "drew 60 W: 0.09 kWh" in model_card(figures, known)


def test_the_card_without_figures_of_some_kinds_says_so(tmp_path):
    data, split = write_data(tmp_path, {
        "other/everyday/rust-60-known.jpg": None})
    figures = evaluate_release(FromName(), data, split, Workers(1))
    facts = dataclasses.replace(FACTS, unlearned={})
    bare = model_card(figures, facts)
    assert section(bare, "Diseases that it has not learned") == (
        "Not measured.\n\n")
    assert "- laboratory: not judged (no folder leaves)" in bare
    assert len(yaml.safe_load(bare.split("---\n")[1])["model-index"][0][
        "results"]) == 1


def test_names_with_markup_do_not_break_a_table(figures):
    figures["foreign"]["everyday"]["groups"] = {
        "a|b\n": {"n": 1, "known": share(0, 1)}}
    assert r"| - a\|b\n | 1 |" in model_card(figures, FACTS)


def test_lines_of_prose_are_short_and_tables_are_whole(card):
    body = card.split("---\n", 2)[2]
    for line in body.splitlines():
        assert len(line) <= 79 or line.startswith("|") or " " not in line
        assert not line.startswith("|") or line.endswith("|")


def test_the_same_figures_and_facts_give_the_same_bytes(tmp_path, figures):
    for name in ("a.md", "b.md"):
        write_card(tmp_path / name, copy.deepcopy(figures), FACTS)
    written = (tmp_path / "a.md").read_bytes()
    assert written == (tmp_path / "b.md").read_bytes()
    assert written.startswith(b"---\n") and written.endswith(b"*\n")


def test_a_card_that_cannot_be_written_is_an_error(tmp_path, figures):
    with pytest.raises(UserError):
        write_card(tmp_path, figures, FACTS)


@pytest.mark.parametrize("name, words", [
    ("Apple_Black_rot", "apple black rot"), ("Grape_healthy", "healthy grape"),
    ("Apple", "apple")])
def test_classes_in_words(name, words):
    assert in_words(name) == words
