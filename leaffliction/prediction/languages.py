"""What a grower reads, in each language: one file of texts/ per language.

A file texts/CODE.json holds, for the language with the ISO 639-1 code CODE:

    language    the name of the language, in itself
    classes     for each class, by its class_key: its name in words, what it
                is, its signs, what it is mistaken for, what to do next, and
                the sources of this
    hints       a sentence for each code of a hint
    plants      the plants that a hint names, by their English names
    page        what the page in the browser says
    report      what the report says

The browser reads the same files.  Sentences hold values as {share}, which
both str.format and the page replace.  tests/prediction/test_languages.py
compares each file with en.json and names what is missing.
"""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from leaffliction.prediction.hints import Hint
from leaffliction.utils.class_names import class_key
from leaffliction.utils.errors import UserError

FOLDER = Path(__file__).parent / "texts"
DEFAULT = "en"


@dataclass(frozen=True)
class ClassText:
    """What a grower reads about a class; each but the sources a few sentences.

    name: of the disease, in words.  what: it is, with its cause.  signs: on
    the leaf, then elsewhere.  mistaken: for what, and how to tell.  next:
    what to do, in general terms.  sources: of all this, one string each.
    """

    name: str
    what: str
    signs: str
    mistaken: str
    next: str
    sources: Sequence[str]


@dataclass(frozen=True)
class Language:
    """The texts of one language.

    code: ISO 639-1, in lower case ("fr").  name: of the language, in itself.
    classes: {class_key: text}.  hints: {code: sentence}.  plants: {English
    name: name}.  report: {key: sentence}.  The sentences are templates for
    str.format.
    """

    code: str
    name: str
    classes: dict[str, ClassText]
    hints: dict[str, str]
    plants: dict[str, str]
    report: dict[str, str]

    def class_text(self, class_name: str) -> ClassText | None:
        """Return the text about a class, or None where there is none.

        Users' own classes have none.  class_name: as in the archive; case
        and separators do not matter.
        """
        return self.classes.get(class_key(class_name))

    def class_name(self, class_name: str) -> str:
        """Return the name of a class in words: "Apple_scab" is "Apple scab".

        A class without a text shows its name with spaces for underscores.
        """
        text = self.class_text(class_name)
        return text.name if text else " ".join(
            class_name.replace("_", " ").split()) or class_name

    def hint(self, hint: Hint) -> str:
        """Return a hint as a sentence, which names plants in the language.

        A plant without a name in the language keeps its English one.
        """
        values = dict(hint.values)
        if "plants" in values:
            values["plants"] = ", ".join(
                self.plants.get(name, name)
                for name in values["plants"].split(", "))
        return self.hints[hint.code].format(**values)


def language_codes() -> list[str]:
    """Return the codes of all languages that there are, sorted."""
    return sorted(path.stem for path in FOLDER.glob("*.json"))


@cache
def load_language(code: str) -> Language:
    """Return the texts of a language.

    Raises UserError, with the codes that there are, for any other code.
    """
    # A code may come from another computer: it must not lead out of FOLDER.
    if code not in language_codes():
        raise UserError(f"no texts in the language {code!r} "
                        f"(there are {', '.join(language_codes())})")
    texts = json.loads((FOLDER / f"{code}.json").read_text(encoding="utf-8"))
    classes = {key: ClassText(**text)
               for key, text in texts["classes"].items()}
    return Language(code, texts["language"], classes, texts["hints"],
                    texts["plants"], texts["report"])


def choose_language(wanted: Iterable[str]) -> Language:
    """Return the first of the wanted languages that there is, or English.

    wanted: the most wanted first, as a browser (Accept-Language, split at
    its commas) or an environment (LANG) writes them: "fr-CH", "fr;q=0.8",
    "fr_FR.UTF-8".  Only the language counts, not the country.
    """
    for text in wanted:
        code = re.split("[^a-z]", text.strip().lower())[0]
        if code in language_codes():
            return load_language(code)
    return load_language(DEFAULT)
