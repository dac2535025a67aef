"""Train and evaluate the released model, and write what is released.

    python -m leaffliction.release DATA       (make release DATA=...)

DATA holds the photographs (dataset.py, photographs.py).  Written are, beside
each other:

    apple-grape.zip         the archive; signature.txt has its SHA-1
    apple-grape-split.csv   which photographs were learned from
    apple-grape.json        every figure of the evaluation
    apple-grape.md          the model card

The same photographs, seed and machine give the same archive.
"""

from leaffliction import program  # first: it handles Ctrl-C during imports

import hashlib
import json
import logging
import platform
import re
import tempfile
from dataclasses import replace
from pathlib import Path

from leaffliction.model.bundle import (MODEL, OOD_DETECTOR, sign,
                                       write_archive)
from leaffliction.model.classifier import Classifier
from leaffliction.model.released import DEFAULT
from leaffliction.model.signatures import SIGNATURE
from leaffliction.release import recipe
from leaffliction.release.card import Facts, write_card
from leaffliction.release.dataset import read_sources, write_release_split
from leaffliction.release.evaluation import Outcome, evaluate_release
from leaffliction.release.finish import finish
from leaffliction.release.folds import judge_unlearned, judge_web
from leaffliction.release.scenes import lay_leaf
from leaffliction.training.archive import package_versions
from leaffliction.training.export import Exported
from leaffliction.training.keras import limit_threads
from leaffliction.training.report import Clock
from leaffliction.training.split import part_counts
from leaffliction.utils import cli, models_folder
from leaffliction.utils.cores import usable_cores
from leaffliction.utils.files import atomic_write, file_digest
from leaffliction.utils.parallel import Workers, reuse_freed_memory
from leaffliction.utils.storage import path_of

NAME = DEFAULT
SCRATCH = ".releasing-"  # prefix of the folder of intermediate files
# The network's numbers, in words.
FORMS = {"int8": "in 8-bit integers", "float32": "in 32-bit floats"}
RECIPE = (
    "MobileNetV2 (ImageNet weights, input of {size} pixels). The blocks from "
    "{unfreeze} on are fine-tuned on {images:,} images, sampled so "
    "that every class is seen equally often on every kind of ground: "
    "laboratory, drawn foliage, orchard, web.",
    "Where a class has no photographs of a kind, it has scenes: leaves cut "
    "out and laid on real foliage or on plain backgrounds, heaped up to "
    "foliage, close-ups, and leaves from the orchard in a laboratory's "
    "outline. So no class can be told by where its pictures come from.",
    "Photographs of other plants teach the network to be unsure of them "
    "(outlier exposure). Styles of the features are mixed within a batch "
    "(MixStyle), and the weights are averaged with those before fine-tuning "
    "({kept:.0%} to {rest:.0%}; WiSE-FT).",
    "[What was tried](../docs/explanation/release.md).")


def release(data: Path, output: Path, images: int, workers: Workers) -> int:
    """Train, evaluate and write everything; return the exit status.

    images: how many fine-tuning sees.
    """
    clock, config = Clock(), recipe.CONFIG
    reuse_freed_memory()
    # TensorFlow warns that each network is compiled anew.
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    with tempfile.TemporaryDirectory(prefix=SCRATCH, dir=output) as scratch:
        with clock.phase("reading and splitting"):
            sources = read_sources(data, config, workers)
        split = output / f"{NAME}-split.csv"
        write_release_split(split, sources)
        with clock.phase("features"):
            prepared = recipe.prepare(sources, config, Path(scratch), workers)
        with clock.phase("training"):
            fitted = recipe.fit_network(prepared, images)
        with clock.phase("export"):
            exported = finish(prepared, fitted, workers)
        minutes = clock.elapsed() / 60
        archive = output / f"{NAME}.zip"
        write_released(archive, exported, prepared, images)
        with clock.phase("networks without a fold of the web"):
            web = judge_web(prepared, images, workers)
        with clock.phase("networks without a disease"):
            unlearned = judge_unlearned(prepared, workers)
    with clock.phase("evaluation"):
        figures = evaluate_release(
            Classifier.load(archive), data, split, workers, lay_leaf,
            Outcome(tuple(sources.web.classes()), tuple(web)))
    figures["unlearned"] = unlearned
    figures["seconds"] = clock.seconds
    with atomic_write(output / f"{NAME}.json") as partial:
        partial.write_text(json.dumps(figures, indent=1) + "\n")
    write_card(output / f"{NAME}.md", figures, Facts(
        NAME, f"MobileNetV2 of {config.size} pixels, "
        f"{FORMS[exported.figures['form']]}", archive.stat().st_size,
        file_digest(archive), split.name, config.seed, round(minutes, 1),
        processor(), recipe_text(images), unlearned, package_versions()))
    return cli.DONE


def write_released(archive: Path, exported: Exported,
                   prepared: recipe.Prepared, images: int) -> None:
    """Write the archive and its signature."""
    sources, config = prepared.sources, prepared.config
    details = {
        "settings": {
            "weights": prepared.backbone.weights,
            "weights_sha256": prepared.backbone.weights_sha256,
            "cut": prepared.backbone.split_layer, "size": config.size,
            "batch_size": config.batch_size, "seed": config.seed,
            "images": images, "pool": len(prepared.pool.labels)},
        "forms": exported.figures,
        "images": part_counts(sources.parts.names) | {
            "web": len(sources.web.files),
            "strangers": part_counts(sources.stranger_parts)},
        "model_sha256": hashlib.sha256(exported.model).hexdigest(),
        "versions": package_versions()}
    write_archive(archive, replace(exported.description, details=details), {
        MODEL: exported.model,
        OOD_DETECTOR: exported.ood_detector.to_bytes()}, archive.parent, [])
    sign(archive, archive.with_name(SIGNATURE))


def recipe_text(images: int) -> tuple[str, ...]:
    """Return the paragraphs of the card that say how it was trained."""
    return tuple(paragraph.format(
        size=recipe.CONFIG.size, unfreeze=recipe.CONFIG.unfreeze,
        images=images, kept=recipe.KEPT_CHANGE, rest=1 - recipe.KEPT_CHANGE)
        for paragraph in RECIPE)


def processor() -> str:
    """Return the processor's name, and how many cores were used."""
    try:
        found = re.search(r"model name\s*: (.*)",
                          Path("/proc/cpuinfo").read_text())
    except OSError:
        found = None
    name = found[1] if found else platform.machine()
    return f"{usable_cores()} cores of {name}"


def main(argv: list[str] | None = None) -> int:
    """Run the program and return its exit status."""
    parser = cli.Parser("Train, evaluate and write the released model.")
    add = parser.add_argument
    add("data", type=path_of, metavar="DATA",
        help="folder of the photographs")
    add("--output", type=path_of, default=models_folder.FOLDER,
        metavar="FOLDER", help="where to write")
    add("--images", type=cli.positive_int, default=recipe.IMAGES,
        metavar="N", help="images that fine-tuning sees")
    parser.add_jobs()
    options = parser.parse_args(argv)
    workers = program.make_workers(options.jobs, options.cluster)
    limit_threads(min(options.jobs, usable_cores()))
    options.output.mkdir(parents=True, exist_ok=True)
    return release(options.data, options.output, options.images, workers)


if __name__ == "__main__":
    program.start(main)
