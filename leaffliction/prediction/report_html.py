"""The pieces of a report as HTML, each a function of what it shows.

All text from outside (names of files and classes, errors) is escaped.
"""

import base64
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from html import escape
from pathlib import Path

from leaffliction.prediction.hints import Hint
from leaffliction.prediction.languages import Language
from leaffliction.prediction.leaf_views import LesionSummary
from leaffliction.prediction.plants import PredictedPlant
from leaffliction.utils.console import printable

STYLE = Path(__file__).with_name("report.css")
CLASSES = 3         # shown for each photograph, the most probable first
# Signs for people who cannot tell colours: a disc, a triangle, a cross.
KNOWN_SIGN, UNKNOWN_SIGN, UNREADABLE_SIGN = (
    f'<svg viewBox="0 0 10 10" aria-hidden="true"><path d="{path}"/></svg>'
    for path in ("M5 0a5 5 0 1 0 .01 0z", "M5 0 10 9.5H0z",
                 "M2 0 5 3 8 0 10 2 7 5 10 8 8 10 5 7 2 10 0 8 3 5 0 2z"))


@dataclass(frozen=True)
class ReportRow:
    """What the report says about one photograph.

    name: of its file.
    classes: (name, probability 0..1) of all classes, the most probable
    first.  known: whether the photograph is in distribution.
    lesions: None where no leaf is found.
    thumbnail: a JPEG, or None.
    error: why the photograph cannot be read; then there are no classes.
    plant: the name of the plant, where it is one of several of a plant.
    """

    name: str
    classes: Sequence[tuple[str, float]] = ()
    known: bool = False
    hints: Sequence[Hint] = ()
    lesions: LesionSummary | None = None
    thumbnail: bytes | None = None
    error: str | None = None
    plant: str | None = None


def text_html(text: object) -> str:
    """Return a text escaped, for an element or an attribute in quotes.

    Control characters and lone surrogates, which file names may hold, are
    escaped as in messages; the spaces of French typography stay.
    """
    return escape(re.sub("[^\u00a0\u202f]+",
                         lambda match: printable(match[0]), str(text)))


def percent(share: float, language: Language) -> str:
    """Return 0..1 as a percentage, as the language writes it."""
    number = f"{100 * share:.1f}".replace(".", language.report["decimal"])
    return language.report["percent"].format(number=number)


def head_html(language: Language, model: str, day: date) -> str:
    """Return the beginning of the document, up to the heading."""
    texts = language.report
    made = texts["made"].format(model=model, date=day.isoformat())
    return (
        f'<!DOCTYPE html>\n<html lang="{language.code}">\n<head>\n'
        '<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width">\n'
        f"<title>{text_html(texts['title'])}</title>\n"
        f"<style>\n{STYLE.read_text(encoding='utf-8')}</style>\n</head>\n"
        f"<body>\n<main>\n<h1>{text_html(texts['title'])}</h1>\n"
        f'<p class="quiet">{text_html(made)}</p>\n'
        f'<p class="caution">{text_html(texts["caution"])}</p>\n')


def summary_html(counts: Iterable[tuple[str, int]], unknown: int,
                 unreadable: int, language: Language) -> str:
    """Return the table of how many photographs there are of what.

    counts: (class, known photographs).  unknown, unreadable: the others.
    """
    texts = language.report
    counts = list(counts)
    rows = [(language.class_name(name), number) for name, number in counts]
    rows += [(texts[key], number) for key, number in (
        ("unknown", unknown), ("unreadable", unreadable)) if number]
    body = "\n".join(f"<tr><td>{text_html(name)}</td><td>{number}</td></tr>"
                     for name, number in rows)
    total = sum(number for _, number in rows)
    return (f"<h2>{text_html(texts['summary'])}</h2>\n<table>\n"
            f"<thead><tr><th>{text_html(texts['class'])}</th>"
            f"<th>{text_html(texts['count'])}</th></tr></thead>\n"
            f"<tbody>\n{body}\n</tbody>\n<tfoot><tr>"
            f"<th>{text_html(texts['all'])}</th><td>{total}</td></tr>"
            "</tfoot>\n</table>\n")


def row_html(row: ReportRow, language: Language) -> str:
    """Return the article about a photograph."""
    texts = language.report
    picture = '<div class="none"></div>'
    if row.thumbnail:
        content = base64.b64encode(row.thumbnail).decode()
        picture = f'<img alt="" src="data:image/jpeg;base64,{content}">'
    lines = [f"<h3>{text_html(row.name)}</h3>"]
    if row.plant is not None:
        lines.append(quiet_html(texts["plant"].format(plant=row.plant)))
    if row.error is not None:
        lines += [state_html(UNREADABLE_SIGN, texts["unreadable"]),
                  f'<p lang="en">{text_html(row.error)}</p>']
    else:
        lines += [verdict_html(row.known, row.classes, language),
                  quiet_html(lesions_text(row.lesions, language))]
    if row.hints:
        lines.append('<ul class="hints">' + "".join(
            f"<li>{text_html(language.hint(hint))}</li>"
            for hint in row.hints) + "</ul>")
    return article_html(picture, lines, row.known)


def plant_html(plant: PredictedPlant, language: Language) -> str:
    """Return the article about a plant."""
    texts = language.report
    lines = [f"<h3>{text_html(plant.path)}</h3>",
             verdict_html(plant.prediction.known,
                          plant.prediction.top(CLASSES), language),
             quiet_html(texts["agree"].format(
                 agree=plant.agree, count=len(plant.photographs)))]
    lines += [quiet_html(texts[key].format(
        names=", ".join(path.name for path in paths)))
        for key, paths in (("differing", plant.differing),
                           ("without_vote", plant.without_vote)) if paths]
    return article_html("", lines, plant.prediction.known)


def article_html(picture: str, lines: list[str], known: bool) -> str:
    """Return an article with a picture beside some lines, all of it HTML."""
    kind = "" if known else ' class="unsure"'
    body = "\n".join(lines)
    return f"<article{kind}>{picture}<div>\n{body}\n</div></article>\n"


def verdict_html(known: bool, classes: Sequence[tuple[str, float]],
                 language: Language) -> str:
    """Return whether it is known, and the most probable classes as bars."""
    texts = language.report
    items = "\n".join(
        f"<li><span>{text_html(language.class_name(name))}</span>"
        '<svg viewBox="0 0 100 8" preserveAspectRatio="none" '
        'aria-hidden="true"><rect class="track" width="100" height="8"/>'
        f'<rect class="bar" width="{100 * share:.1f}" height="8"/></svg>'
        f"<span>{text_html(percent(share, language))}</span></li>"
        for name, share in classes[:CLASSES])
    bars = f'<ol class="classes">\n{items}\n</ol>'
    if known:
        return state_html(KNOWN_SIGN, texts["known"]) + bars
    return (state_html(UNKNOWN_SIGN, texts["unknown"])
            + quiet_html(texts["nearest"]) + bars)


def state_html(sign: str, words: str) -> str:
    """Return a sign, which is HTML, and what it means."""
    return f'<p class="state">{sign}{text_html(words)}</p>\n'


def quiet_html(text: str) -> str:
    """Return a line that matters less."""
    return f'<p class="quiet">{text_html(text)}</p>'


def lesions_text(lesions: LesionSummary | None, language: Language) -> str:
    """Return a sentence about the lesions, or why there is none."""
    if lesions is None:
        return language.report["no_leaf"]
    return language.report["lesions"].format(
        share=percent(lesions.share, language), spots=lesions.spots,
        leaves=lesions.leaves)


def about_html(class_names: Iterable[str], language: Language) -> str:
    """Return the texts about these classes; "" where none has a text."""
    texts = language.report
    sections = []
    for name in class_names:
        about = language.class_text(name)
        if about is None:
            continue
        parts = "".join(
            f"<h4>{text_html(texts[key])}</h4><p>{text_html(text)}</p>\n"
            for key, text in (("signs", about.signs),
                              ("mistaken", about.mistaken),
                              ("next", about.next)))
        sources = text_html(texts["sources"].format(
            sources=" – ".join(about.sources)))
        sections.append(
            f'<section class="about">\n<h3>{text_html(about.name)}</h3>\n'
            f"<p>{text_html(about.what)}</p>\n{parts}"
            f'<p class="quiet">{sources}</p>\n'
            "</section>\n")
    if not sections:
        return ""
    return f"<h2>{text_html(texts['about'])}</h2>\n" + "".join(sections)
