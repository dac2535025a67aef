"""The figures of evaluation.py as tables, for a terminal and for Markdown."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from leaffliction.release.evaluation import LAID, LEARNED, SURE_ENOUGH
from leaffliction.release.photographs import (CROPS, DISEASES, EVERYDAY,
                                              FIELD, LABORATORY, ORCHARD,
                                              STRANGERS, WEB)
from leaffliction.utils.console import printable
from leaffliction.utils.tables import text_table

TITLES = {
    LABORATORY: "laboratory", ORCHARD: "orchard",
    FIELD: "orchard, kept apart", WEB: "web",
    STRANGERS: "other plants outdoors", EVERYDAY: "everyday pictures",
    CROPS: "other crops in the laboratory",
    LAID: "grape leaves laid on orchard photographs",
    DISEASES: "apple leaves with several diseases at once"}
OUTDOORS = (ORCHARD, FIELD, WEB)
# Of fewer photographs, even 29 of 30 right has an interval from 83 to 99 %.
FEW = 30
NOTHING = "-"


@dataclass(frozen=True)
class Table:
    """A table of texts.

    header, rows: all of the same length.  left: how many columns are aligned
    to the left; the others are aligned to the right.
    """

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    left: int = 1

    def text(self) -> str:
        """Return the table as aligned lines, below its title."""
        flags = [column < self.left for column in range(len(self.header))]
        lines = text_table([self.header, *self.rows], flags)
        return f"{self.title}\n" + "\n".join(
            f"  {line}" for line in lines.split("\n"))

    def markdown(self) -> str:
        """Return the table in GitHub's Markdown, without its title."""
        flags = ["---" if column < self.left else "---:"
                 for column in range(len(self.header))]
        return "\n".join(
            "| " + " | ".join(cell.replace("|", r"\|") for cell in row) + " |"
            for row in (self.header, flags, *self.rows))


def percent(share: dict, with_count: bool = False) -> str:
    """Return a share of evaluation.share as "98.3% (95.1% to 99.4%)".

    with_count: add of how many, as in "98.3% of 59 (...)".
    """
    if share["share"] is None:
        return NOTHING
    low, high = share["interval_95"]
    count = f" of {share['of']:,}" if with_count else ""
    return f"{share['share']:.1%}{count} ({low:.1%} to {high:.1%})"


def tables(figures: dict) -> list[Table]:
    """Return all tables of the figures that there are."""
    found = [_learned_table(figures)] if figures["learned"] else []
    found += [_class_table(TITLES[kind], of_kind) for kind, of_kind
              in figures["learned"].items()]
    if LAID in figures:
        found += [_laid_table(figures[LAID]),
                  _class_table(TITLES[LAID], figures[LAID])]
    if figures["foreign"]:
        found.append(_foreign_table(figures["foreign"]))
    if DISEASES in figures:
        found.append(_disease_table(figures[DISEASES]))
    return [*found, _sure_table(figures)]


def absent_lines(figures: dict) -> list[str]:
    """Return one line for each kind that was not judged, with the reason."""
    return [f"{TITLES[kind]}: not judged ({reason})"
            for kind, reason in figures["absent"].items()]


def _learned_table(figures: dict) -> Table:
    """Return a row for each kind that shows learned classes."""
    return Table("photographs of learned classes", (
        "photographs", "n", "right (95 % interval)", "known",
        "right of the known", "calibration error", "of the known"), tuple(
            (TITLES[kind], f"{of_kind['n']:,}", percent(of_kind["right"]),
             percent(of_kind["known"]),
             percent(of_kind["right_of_known"], with_count=True),
             _decimal(of_kind["calibration_error"]),
             _decimal(of_kind["calibration_error_of_known"]))
            for kind, of_kind in figures["learned"].items()))


def _class_table(title: str, of_kind: dict) -> Table:
    """Return a row for each class of a kind, those not learned at the end."""
    rows = [(printable(name), f"{of_class['n']:,}",
             percent(of_class["right"]), percent(of_class["known"]),
             percent(of_class["right_of_known"], with_count=True))
            for name, of_class in of_kind["classes"].items()]
    rows += [(f"{printable(name)} (not learned)", f"{of_class['n']:,}",
              NOTHING, percent(of_class["known"]), NOTHING)
             for name, of_class in of_kind.get("unlearned", {}).items()]
    return Table(f"{title}, by class", (
        "class", "n", "right (95 % interval)", "known",
        "right of the known"), tuple(rows))


def _foreign_table(foreign: dict) -> Table:
    """Return a row for each kind without a learned class, and its groups."""
    rows = []
    for kind, of_kind in foreign.items():
        rows.append((TITLES[kind], f"{of_kind['n']:,}",
                     percent(of_kind["known"])))
        rows += [(f"- {printable(name)}", f"{group['n']:,}",
                  percent(group["known"]))
                 for name, group in of_kind["groups"].items()]
    return Table("no learned class, so known is wrong", (
        "photographs", "n", "known, wrongly (95 % interval)"), tuple(rows))


def _laid_table(laid: dict) -> Table:
    """Return the figures of grape leaves laid on orchard photographs."""
    names = {"right_plant": "the right plant", "right": "the right class",
             "known": "known", "right_of_known": "right of the known",
             "known_wrong_plant": "known, as the wrong plant"}
    return Table(TITLES[LAID], ("answer", "n", "share (95 % interval)"),
                 tuple((text, f"{laid[key]['of']:,}", percent(laid[key]))
                       for key, text in names.items()))


def _disease_table(diseases: dict) -> Table:
    """Return how often each class is the most probable one."""
    rows = [("any", f"{diseases['n']:,}", percent(diseases["known"]))]
    rows += [(printable(name), f"{count:,}",
              f"{diseases['predicted_of_known'].get(name, 0):,}")
             for name, count in diseases["predicted"].items()]
    return Table(TITLES[DISEASES], (
        "most probable class", "n", "of them known"), tuple(rows))


def _sure_table(figures: dict) -> Table:
    """Return a row for each kind: who relies only on sure answers."""
    kinds = figures["learned"] | figures["foreign"] | {
        kind: figures[kind] for kind in (LAID, DISEASES) if kind in figures}
    return Table(
        f"answers that are known and at least {SURE_ENOUGH:.0%} sure",
        ("photographs", "n", "answered so (95 % interval)", "of these right"),
        tuple((TITLES[kind], f"{of_kind['n']:,}", percent(of_kind["sure"]),
               percent(of_kind["right_of_sure"], with_count=True)
               if "right_of_sure" in of_kind else "none can be")
              for kind, of_kind in kinds.items()))


def _decimal(value: float | None) -> str:
    """Return an error with three decimals."""
    return NOTHING if value is None else f"{value:.3f}"


# Warnings of small numbers.

def outdoor_counts(figures: dict) -> dict[str, int]:
    """Return for each learned class its number of photographs outdoors."""
    return {name: sum(_count_of(figures, kind, name) for kind in OUTDOORS)
            for name in figures["classes"]}


def small_samples(figures: dict) -> list[str]:
    """Return a sentence on each kind with none or FEW of a class.

    The first is about all photographs outdoors together.
    """
    judged = [kind for kind in LEARNED if kind in figures["learned"]]
    counts = {TITLES[kind]: {
        name: _count_of(figures, kind, name) for name in figures["classes"]}
        for kind in judged}
    if set(judged) & set(OUTDOORS):
        counts = {"outdoors, all kinds together": outdoor_counts(figures)
                  } | counts
    counts |= {TITLES[kind]: {name: group["n"] for name, group
                              in of_kind["groups"].items()}
               for kind, of_kind in figures["foreign"].items()}
    return [sentence for where, of_kind in counts.items()
            if (sentence := _too_few(where, of_kind))]


def _too_few(where: str, counts: dict[str, int]) -> str:
    """Return what there is none or little of, as a sentence, or ""."""
    none = [name for name, count in counts.items() if not count]
    few = [f"{printable(name)} ({count})" for name, count in counts.items()
           if 0 < count < FEW]
    parts = []
    if none:
        parts.append("no photograph of "
                     + join(map(printable, none), "or"))
    if few:
        parts.append(f"fewer than {FEW} of " + join(few))
    return f"{where}: " + "; ".join(parts) + "." if parts else ""


def join(words: Iterable[str], conjunction: str = "and") -> str:
    """Return words, one or more, as "a, b and c"."""
    *first, last = words
    return f"{', '.join(first)} {conjunction} {last}" if first else last


def _count_of(figures: dict, kind: str, class_name: str) -> int:
    """Return the number of photographs of a class in one kind."""
    of_kind = figures["learned"].get(kind, {"classes": {}})
    return of_kind["classes"].get(class_name, {"n": 0})["n"]


def join_tables(parts: Sequence[Table]) -> str:
    """Return tables for a terminal, with an empty line between them."""
    return "\n\n".join(table.text() for table in parts)
