"""The YAML at the top of a model card, as Hugging Face reads it.

The keys are those of huggingface/hub-docs, modelcard.md.
"""

import json
import re
from collections.abc import Iterator

from leaffliction.release.evaluation import LAID
from leaffliction.release.photographs import DOMAINS, WEB
from leaffliction.release.sources import SOURCES
from leaffliction.release.tables import TITLES

TASK = "image-classification"
# Words that YAML would not read as texts, in any case of letters.
YAML_WORDS = frozenset(("true", "false", "null", "yes", "no", "on", "off",
                        "y", "n"))
PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_./-]*")


def front_matter(name: str, figures: dict) -> str:
    """Return the YAML with the lines "---" around it.

    name: of the model.  figures: those of evaluation.evaluate_release.
    """
    fields = {
        "language": ["en"], "license": "other",
        "license_name": "mit-and-terms-of-the-photographs",
        "license_link": "LICENSE", "library_name": "tflite",
        "pipeline_tag": TASK,
        "tags": [TASK, "tflite", "litert", "mobilenet-v2", "plant-disease",
                 "agriculture", "apple", "grape",
                 "out-of-distribution-detection"],
        "datasets": [source.dataset for source in SOURCES if source.dataset],
        "metrics": ["accuracy"],
        "model-index": [{"name": name, "results": list(_results(figures))}]}
    return "\n".join(["---", *yaml_lines(fields), "---", ""])


def _results(figures: dict) -> Iterator[dict]:
    """Yield an entry of the model index for each kind of photographs."""
    for kind, of_kind in figures["learned"].items():
        yield _result(kind, of_kind["n"], (
            ("accuracy", "accuracy", of_kind["right"]["share"]),
            ("accuracy", "accuracy of the known",
             of_kind["right_of_known"]["share"]),
            ("coverage", "share known", of_kind["known"]["share"]),
            ("expected_calibration_error", "expected calibration error",
             of_kind["calibration_error"])))
    for kind, of_kind in figures["foreign"].items():
        yield _result(kind, of_kind["n"], (
            ("false_positive_rate", "share known, wrongly",
             of_kind["known"]["share"]),))
    if LAID in figures:
        laid = figures[LAID]
        yield _result(LAID, laid["n"], (
            ("accuracy", "accuracy", laid["right"]["share"]),
            ("accuracy", "accuracy of the plant",
             laid["right_plant"]["share"])))


def _result(kind: str, count: int,
            metrics: tuple[tuple[str, str, float | None], ...]) -> dict:
    """Return one entry; metrics: (type, name, value), None is left out."""
    return {
        "task": {"type": TASK, "name": "plant disease of a leaf"},
        "dataset": {"type": f"leaffliction-{kind}",
                    "name": f"{TITLES[kind]} ({count:,} photographs)",
                    "split": ("validation" if kind in (*DOMAINS, LAID, WEB)
                              else "test")},
        "metrics": [{"type": kind_of_metric, "name": name,
                     "value": round(value, 4)}
                    for kind_of_metric, name, value in metrics
                    if value is not None]}


def yaml_lines(value: dict | list) -> Iterator[str]:
    """Yield the lines of a dict or list of dicts, lists and scalars."""
    if isinstance(value, dict):
        for key, item in value.items():
            if isinstance(item, (dict, list)) and item:
                yield f"{key}:"
                yield from (f"  {line}" for line in yaml_lines(item))
            else:
                yield f"{key}: {_scalar(item)}"
        return
    for item in value:
        first, *rest = (yaml_lines(item) if isinstance(item, (dict, list))
                        else [_scalar(item)])
        yield f"- {first}"
        yield from (f"  {line}" for line in rest)


def _scalar(value: object) -> str:
    """Return a scalar as YAML: JSON, which YAML contains, or a plain text."""
    if (isinstance(value, str) and PLAIN.fullmatch(value)
            and value.casefold() not in YAML_WORDS):
        return value
    return json.dumps(value, ensure_ascii=False)
