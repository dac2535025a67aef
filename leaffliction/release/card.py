"""The model card of a released model: Markdown, in Hugging Face's format.

Every figure comes from evaluation.evaluate_release; no sentence holds one of
its own.  The same arguments give the same bytes.
"""

import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from leaffliction.prediction.text import OOD_WORDS
from leaffliction.release.evaluation import LAID, SURE_ENOUGH, share
from leaffliction.release.front_matter import front_matter
from leaffliction.release.photographs import (CROPS, DISEASES, EVERYDAY,
                                              FIELD, LABORATORY, ORCHARD,
                                              STRANGERS, WEB)
from leaffliction.release.sources import SOURCES, TERMS
from leaffliction.release.tables import (FEW, TITLES, Table,
                                         absent_lines, join, outdoor_counts,
                                         percent, small_samples, tables)
from leaffliction.utils.console import printable
from leaffliction.utils.tables import open_text

WIDTH = 79
KINDS = {
    LABORATORY: "single leaves on a plain ground, of leaves that the model "
                "has not seen (PlantVillage)",
    ORCHARD: "apple leaves on the tree, from the photographs of the orchards "
             "that it learned from, held back (Plant Pathology 2021)",
    FIELD: "more of the same source, kept apart from the start and only "
           "judged; cameras and seasons are the same, and perhaps some trees",
    WEB: "apple and grape leaves as people photograph them and put them on "
         "the web (PlantDoc); the model has learned from them, so each was "
         "judged by another network, trained in the same way without a "
         "quarter of them",
    LAID: "grape leaves of the laboratory, cut out and laid on orchard "
          "photographs; all real photographs with trees behind the leaf are "
          "of apple, so these show whether the ground decides the plant",
    STRANGERS: "leaves of other plants, photographed outdoors; other "
               "photographs of these plants were learned from, as strangers "
               "(PlantDoc)",
    EVERYDAY: "pictures without a leaf, only judged",
    CROPS: "leaves of pepper, potato and tomato on a plain ground, only "
           "judged (PlantVillage)",
    DISEASES: "apple leaves in orchards with so many diseases at once that "
              "the experts named none; no answer is right, and a refusal is "
              "best (Plant Pathology 2021)"}
NOT_MEASURED = (
    "other countries, cultivars, seasons and cameras than those of the "
    "sources", "young leaves, and the first days of a disease",
    "fruits, twigs and bark", "photographs that show many leaves, or a leaf "
    "from afar", "damage by insects, frost, spray or lack of nutrients",
    "what a grower does with the answer")


@dataclass(frozen=True)
class Facts:
    """What a card says beside the figures.

    name: of the model, as predict.py --learnings takes it.
    network: in words, such as "MobileNetV2 of 224 pixels, in 8-bit integers".
    archive_bytes, sha256: of the archive NAME.zip.
    split: the name of the split's file, beside the archive.
    minutes: that the training took, on `processor`.  watts: what it drew,
    None if that is unknown.
    recipe: paragraphs of Markdown that say how it was trained.
    unlearned: for each disease that was left out of a training, how many of
    its photographs were refused or not SURE_ENOUGH, and of how many.
    versions: of Python and the packages, by name.
    """

    name: str
    network: str
    archive_bytes: int
    sha256: str
    split: str
    seed: int
    minutes: float
    processor: str
    recipe: tuple[str, ...]
    unlearned: Mapping[str, tuple[int, int]]
    versions: Mapping[str, str]
    watts: float | None = None


def write_card(path: Path, figures: dict, facts: Facts) -> None:
    """Write the model card, Markdown with YAML at its top.

    figures: those of evaluation.evaluate_release.
    Raises UserError if the file can't be written.
    """
    text = model_card(figures, facts)
    with open_text(path) as stream:
        stream.write(text)


def model_card(figures: dict, facts: Facts) -> str:
    """Return the text of the model card."""
    sections = {
        "The model": _model(figures, facts),
        "What it is for": _uses(figures),
        "How to use it": _commands(facts),
        "What it learned from": _photographs(figures, facts),
        "How it was trained": _recipe(facts),
        "How right it is": _evaluation(figures),
        "Small numbers": _small_numbers(figures),
        "Diseases that it has not learned": _unlearned(facts),
        "What was not measured": _not_measured(figures),
        "What the training took": _cost(facts)}
    parts = [front_matter(facts.name, figures), f"# {facts.name}",
             *map(_wrap, summary(figures))]
    for title, paragraphs in sections.items():
        parts += [f"## {title}", *map(_wrap, paragraphs)]
    parts.append(_wrap("*`make release` wrote this card; every figure in it "
                       "comes from the evaluation of that run.*"))
    return "\n\n".join(part.strip("\n") for part in parts) + "\n"


def summary(figures: dict) -> list[str]:
    """Return three sentences for growers: good for, not for, and refusals."""
    learned = figures["learned"]
    good = [f"for {_answered(learned[kind], text)}" for kind, text in (
        (LABORATORY, "new leaves on a plain ground"),
        (ORCHARD, "new apple leaves in the orchards that it learned from"))
        if kind in learned]
    first = ("This model names the disease of one apple or grape leaf that "
             "fills the photograph")
    first += f": it answers {join(good)}." if good else "."
    second = ("**Do not trust it** on other photographs without looking for "
              "yourself")
    facts = []
    if WEB in learned:
        web = learned[WEB]
        facts.append(f"of {web['n']:,} photographs from the web it answered "
                     f"for {web['known']['count']:,}, and "
                     f"{web['right_of_known']['count']:,} of these answers "
                     "were right")
    if few := _hardly_seen(figures):
        facts.append("outdoors it was tried on few or no photographs of "
                     + join(few))
    second += f": {'; '.join(facts)}." if facts else "."
    third = (f"The answer \"{OOD_WORDS}\" means no diagnosis, but not every "
             "disease or plant that it cannot know gets it")
    if STRANGERS in figures["foreign"]:
        known = figures["foreign"][STRANGERS]["known"]
        third += (f" (it took {known['count']:,} of {known['of']:,} leaves "
                  "of other plants for apple or grape)")
    return [first, second,
            f"{third}: ask an expert before you treat a plant."]


def _answered(of_kind: dict, text: str) -> str:
    """Return how many of `text` get a diagnosis, and how many are right."""
    known, right = of_kind["known"], of_kind["right_of_known"]
    if not known["count"]:
        return f"none of the {text}"
    return (f"{known['share']:.1%} of {text} ({right['share']:.1%} of these "
            "answers are right)")


def _hardly_seen(figures: dict) -> list[str]:
    """Return the classes, in words, with fewer than FEW outdoors."""
    return [in_words(name) for name, count
            in outdoor_counts(figures).items() if count < FEW]


def in_words(class_name: str) -> str:
    """Return a class in plain words: "apple black rot", "healthy grape"."""
    words = printable(class_name).replace("_", " ").lower()
    plant, _, rest = words.partition(" ")
    return f"healthy {plant}" if rest == "healthy" else words


# Sections: paragraphs, each wrapped by _wrap.

def _model(figures: dict, facts: Facts) -> Iterator[str]:
    """Yield what the model is."""
    names = [f"`{printable(name)}`" for name in figures["classes"]]
    yield (f"{facts.network}. It gives each of {len(names)} classes a "
           f"probability, calibrated by a temperature: {join(names)}. A "
           "detector refuses photographs that are not like those it has "
           "learned (relative Mahalanobis distance, and outdoors the energy "
           "of the logits); all others are called *known* below.")
    yield (f"The archive `{facts.name}.zip` has "
           f"{facts.archive_bytes / 1e6:.1f} MB, holds no photograph, and has "
           f"the SHA-256 `{facts.sha256}`.")


def _uses(figures: dict) -> Iterator[str]:
    """Yield intended uses, and uses that are not."""
    yield ("**Intended:** a first opinion on one leaf of apple or grape, "
           "photographed from near and filling the picture; teaching and "
           "research; a start for training on your own photographs.")
    yield ("**Not intended:** deciding alone whether to spray, pull up or "
           "sell plants; counting or mapping diseases over a field; plants "
           "other than apple and grape; diseases other than those above. A "
           "healthy leaf says nothing about the plant.")
    if few := _hardly_seen(figures):
        yield ("**Warning:** what the model says outdoors about "
               f"{join(few)} rests on fewer than {FEW} photographs of each, "
               "or on none.")


def _commands(facts: Facts) -> Iterator[str]:
    """Yield how to call it from a shell and from Python."""
    yield f"```\npython predict.py leaf.jpg --learnings {facts.name}\n```"
    yield ("```python\nfrom pathlib import Path\n\n"
           "from leaffliction import Classifier\n\n"
           f"classifier = Classifier.load(\"{facts.name}\")\n"
           "prediction = classifier.predict_file(Path(\"leaf.jpg\"))\n"
           "print(prediction.class_name, prediction.confidence, "
           "prediction.known)\n```")
    yield (f"Rely on no answer that is not known, or less than "
           f"{SURE_ENOUGH:.0%} sure; the last table of figures below says "
           "what that gives.")


def _photographs(figures: dict, facts: Facts) -> Iterator[str]:
    """Yield the sources with the numbers learned from, and the terms."""
    rows = []
    for source in SOURCES:
        parts = figures["photographs"].get(source.domain, {})
        count = parts.get("training", 0) + parts.get("stopping", 0)
        rows.append((source.name, source.shows,
                     f"{count:,}" if source.domain else "none, only judged",
                     source.citation, source.licence))
    yield Table("", ("source", "shows", "learned from", "reference",
                     "licence"), tuple(rows), left=5).markdown()
    yield (f"`{facts.split}` lists every photograph with its part: training, "
           "stopping (when to stop, temperatures and threshold), or "
           "validation. Photographs of one leaf are in one part, where it is "
           "known which these are; of orchard photographs it is not known.")
    yield "### Terms, and what follows for the weights"
    yield from TERMS


def _recipe(facts: Facts) -> Iterator[str]:
    """Yield how it was trained."""
    yield from facts.recipe
    versions = ", ".join(f"{name} {version}" for name, version
                         in facts.versions.items())
    yield f"Seed {facts.seed}. Versions: {versions}."


def _evaluation(figures: dict) -> Iterator[str]:
    """Yield all figures, after what the kinds of photographs are."""
    yield ("All answers are those of predict.py. Intervals are 95 % Wilson "
           "intervals, which take photographs as independent; several of one "
           "leaf or tree are not, so the truth may lie further out. *Right* "
           "counts refused photographs too; *right of the known* counts "
           "those that get a diagnosis. The calibration error is the mean "
           "gap between confidence and accuracy (15 bins).")
    yield "\n".join(_item(f"**{TITLES[kind]}**: {text}.")
                    for kind, text in KINDS.items()
                    if kind not in figures["absent"])
    for table in tables(figures):
        yield f"### {table.title[:1].upper()}{table.title[1:]}"
        yield table.markdown()
    if figures["unreadable"]:
        yield (f"{figures['unreadable']:,} files could not be read and are "
               "not counted.")


def _small_numbers(figures: dict) -> Iterator[str]:
    """Yield the warnings of small numbers."""
    warnings = small_samples(figures)
    if not warnings:
        yield f"No figure rests on fewer than {FEW} photographs."
        return
    yield ("A figure that rests on so few photographs says little: read its "
           "interval, not its share.")
    yield "\n".join(map(_item, warnings))


def _unlearned(facts: Facts) -> Iterator[str]:
    """Yield how leaves of diseases that were left out are answered."""
    if not facts.unlearned:
        yield "Not measured."
        return
    yield ("Each of these diseases was left out of a training of its own; "
           "then its photographs were predicted. The model should refuse "
           f"them, or be less than {SURE_ENOUGH:.0%} sure; the rest get a "
           "wrong diagnosis.")
    yield Table("", ("disease left out", "n",
                     f"refused, or below {SURE_ENOUGH:.0%} (95 % interval)"),
                tuple((printable(name), f"{of:,}", percent(share(count, of)))
                      for name, (count, of)
                      in facts.unlearned.items())).markdown()


def _not_measured(figures: dict) -> Iterator[str]:
    """Yield what no figure above is about."""
    none = [in_words(name) for name, count
            in outdoor_counts(figures).items() if not count]
    items = [f"{join(none)} outdoors" if none else "", *NOT_MEASURED,
             *absent_lines(figures)]
    yield "\n".join(_item(item) for item in items if item)


def _cost(facts: Facts) -> Iterator[str]:
    """Yield what the training took."""
    text = f"{facts.minutes:.0f} minutes on {facts.processor}"
    if facts.watts is None:
        yield f"{text}. What it drew is unknown."
        return
    energy = facts.watts * facts.minutes / 60000
    yield (f"{text}, which drew {facts.watts:.0f} W: {energy:.2f} kWh. Trials "
           "before it are not counted.")


# Layout.

def _item(text: str) -> str:
    """Return an item of a list."""
    return f"- {text}"


def _wrap(block: str) -> str:
    """Return a paragraph or a list in lines of WIDTH characters.

    Tables, headings and code keep their lines.
    """
    if block.startswith(("|", "#", "```")):
        return block
    return "\n".join(textwrap.fill(
        line, WIDTH, subsequent_indent="  " if line.startswith("- ") else "",
        break_long_words=False, break_on_hyphens=False)
        for line in block.split("\n"))
