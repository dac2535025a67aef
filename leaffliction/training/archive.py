"""The archive of a training run: network, description and signature."""

import platform
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

from leaffliction.model.bundle import (FLOAT_MODEL, MODEL, OOD_DETECTOR,
                                       Description, sign, write_archive)
from leaffliction.model.signatures import SIGNATURE
from leaffliction.training.backbone import FrozenBackbone
from leaffliction.training.config import EARLY_STOPPING_SHARE, TrainConfig
from leaffliction.training.export import Exported
from leaffliction.training.loop import HEAD_RATE, WEIGHT_DECAY, Fitted
from leaffliction.training.network import DROPOUT
from leaffliction.training.report import report_files
from leaffliction.training.split import Parts, part_counts
from leaffliction.training.training_set import TrainingSet

PACKAGES = ("tensorflow", "keras", "numpy", "opencv-python", "pillow",
            "ai-edge-litert", "scikit-learn")


def describe(config: TrainConfig, parts: Parts, training: TrainingSet,
             backbone: FrozenBackbone, fitted: Fitted, exported: Exported
             ) -> Description:
    """Return the description with the settings and the numbers of images."""
    return replace(exported.description, details={
        "settings": settings_of(config, backbone, fitted),
        "interrupted": fitted.interrupted, "forms": exported.figures,
        "images": part_counts(parts.names),
        "contradicting_images": int(parts.leaves.contradicting.sum()),
        "leaves": part_counts(parts.names, parts.leaves.groups),
        "augmented_images": len(training.files),
        "field_views": len(training.field_images)})


def settings_of(config: TrainConfig, backbone: FrozenBackbone,
                fitted: Fitted) -> dict:
    """Return all settings of a run, by their names in learnings.json."""
    plan = fitted.plan
    return {
        "weights": backbone.weights, "cut": backbone.split_layer,
        "unfrozen_layers": backbone.unfrozen_layers,
        "weights_sha256": backbone.weights_sha256,
        "validation": config.validation, "size": config.size,
        "batch_size": config.batch_size, "seed": config.seed,
        "field_views": config.field_images,
        "learning_rate": plan.learning_rate, "epochs": plan.epochs,
        "patience": plan.patience, "head_rate": HEAD_RATE,
        "dropout": DROPOUT, "weight_decay": WEIGHT_DECAY,
        "precision": fitted.precision,
        "stopping_share": EARLY_STOPPING_SHARE,
        "budget_minutes": config.budget}


def add_results(description: Description, validation: dict, fitted: Fitted
                ) -> Description:
    """Return the description with the results on the validation set.

    validation: figures, as plain values.
    """
    return replace(description, details=description.details | {
        "validation": validation,
        "epochs_done": [len(history.get("loss", []))
                        for history in fitted.histories],
        "versions": package_versions()})


def package_versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that train."""
    return {"python": platform.python_version()} | {
        name: version(name) for name in PACKAGES}


def write_signed(path: Path, description: Description, exported: Exported,
                 training: TrainingSet, with_images: bool) -> str:
    """Write the archive and signature.txt; return the signature's line.

    with_images: whether the archive contains the balanced images.
    An earlier report beside it is deleted, since it describes another
    archive.
    """
    members = {MODEL: exported.model,
               OOD_DETECTOR: exported.ood_detector.to_bytes()}
    if exported.float_model is not None:
        members[FLOAT_MODEL] = exported.float_model
    write_archive(path, description, members, training.root,
                  training.files if with_images else [],
                  report_files(path.parent / "report"))
    return sign(path, path.with_name(SIGNATURE))
