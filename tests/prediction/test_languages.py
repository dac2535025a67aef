"""leaffliction/prediction/languages.py: one file of texts per language."""

import json
import re
from string import Formatter

import pytest

from leaffliction.model.classifier import Classifier
from leaffliction.model.released import released_models
from leaffliction.prediction.hints import CODES as CODES_OF_HINTS
from leaffliction.prediction.hints import Hint
from leaffliction.prediction.languages import (FOLDER, Language,
                                               choose_language,
                                               language_codes, load_language)
from leaffliction.utils.errors import UserError

CODES = language_codes()


def sentences(code):
    """Return {path of keys: sentence} of a language's file."""
    found = {}

    def collect(node, path):
        if isinstance(node, dict):
            for key, value in node.items():
                collect(value, f"{path}/{key}")
        elif isinstance(node, list):
            # Each language may have sources of its own, but at least one.
            assert node and all(isinstance(text, str) for text in node), path
            found[path] = ""
        else:
            assert isinstance(node, str) and node.strip(), path
            found[path] = node

    collect(json.loads((FOLDER / f"{code}.json").read_text("utf-8")), code)
    return {path.removeprefix(code): text for path, text in found.items()}


def fields(sentence):
    """Return the names of the values that a sentence holds, sorted."""
    return sorted(name for _, name, _, _ in Formatter().parse(sentence)
                  if name is not None)


@pytest.mark.parametrize("code", CODES)
def test_each_language_says_what_english_says(code):
    english, texts = sentences("en"), sentences(code)
    assert sorted(set(english) - set(texts)) == [], f"missing in {code}.json"
    assert sorted(set(texts) - set(english)) == [], f"not in en.json: {code}"
    for path, sentence in english.items():
        assert fields(texts[path]) == fields(sentence), f"{code}{path}"


def test_french_has_its_spaces():
    # No line may begin with one of these signs, nor end with «.
    breaking = re.compile(r".{0,20}(?<![\u00a0\u202f])[:;?!%»](?=[\s).,]|$)"
                          r"|«(?!\u00a0).{0,9}")
    for path, sentence in sentences("fr").items():
        assert breaking.findall(sentence) == [], path


def test_each_class_of_the_released_models_has_a_text():
    language = load_language("en")
    for archive in released_models().values():
        for name in Classifier.load(archive).class_names:
            assert language.class_text(name), name


def test_a_class_is_found_in_any_spelling_and_shown_as_it_is_without_text():
    language = load_language("fr")
    assert language.class_name("Apple_scab") == "Tavelure du pommier"
    assert language.class_name("apple  SCAB") == "Tavelure du pommier"
    assert language.class_name("Pawpaw__leaf_spot") == "Pawpaw leaf spot"
    assert language.class_name("_") == "_"
    assert language.class_text("Pawpaw__leaf_spot") is None


@pytest.mark.parametrize("wanted, code", [
    (["fr"], "fr"), (["fr-CH;q=0.8"], "fr"), (["fr_FR.UTF-8"], "fr"),
    (["xx", " FR-ca", "en"], "fr"), (["en-GB", "fr"], "en"),
    (["fro"], "en"), (["C"], "en"), ([""], "en"), ([], "en")])
def test_the_first_wanted_language_that_there_is_is_chosen(wanted, code):
    assert choose_language(wanted).code == code


@pytest.mark.parametrize("code", ["xx", "", "../texts/en", "FR"])
def test_a_language_that_there_is_not_is_an_error(code):
    with pytest.raises(UserError, match=f"there are {', '.join(CODES)}"):
        load_language(code)


def test_a_hint_is_a_sentence_with_its_values():
    language = Language("en", "English", {}, {
        "small_leaf": "come closer: the leaf covers {share} %"}, {}, {})
    assert language.hint(Hint("small_leaf", {"share": 8})) == (
        "come closer: the leaf covers 8 %")


@pytest.mark.parametrize("code, plants", [
    ("en", "apple, grape, pea"), ("fr", "pommier, vigne, pea")])
def test_a_hint_names_plants_in_the_language_or_in_english(code, plants):
    sentence = load_language(code).hint(
        Hint("not_like_learned", {"plants": "apple, grape, pea"}))
    assert plants in sentence and "{" not in sentence


def test_each_code_of_a_hint_has_a_sentence():
    assert sorted(load_language("en").hints) == sorted(CODES_OF_HINTS)
