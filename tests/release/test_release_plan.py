"""leaffliction/release/plan.py: every class on every kind of ground."""

from collections import Counter, defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from small_sources import CLASS_NAMES, read, write_photographs

from leaffliction.release import plan as plans
from leaffliction.release.dataset import STRANGERS, WEB
from leaffliction.release.plan import (GROUND_WEIGHTS, LABORATORY_IMAGES,
                                       OUTLIER, OUTLINES, VISIBLE_LESIONS,
                                       WEB_COPIES, WEB_WEIGHT, Planner,
                                       sampling_weights)
from leaffliction.release.scenes import Scene
from leaffliction.training.split import EARLY_STOPPING, TRAINING, VALIDATION
from leaffliction.utils.errors import UserError


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photographs")
    write_photographs(folder)
    return read(folder)


@pytest.fixture(scope="module")
def lesion_shares(sources):
    """Return lesions on half of the leaves with scab, and nowhere else."""
    scab = [path for path in sources.parts.training.paths()
            if path.parts[-3:-1] == ("leaves", "Apple_scab")]
    return dict.fromkeys(scab[::2], VISIBLE_LESIONS) | dict.fromkeys(
        scab[1::2], 0.9 * VISIBLE_LESIONS)


@pytest.fixture(scope="module")
def planned(sources, lesion_shares):
    return Planner(sources, 7, lesion_shares).plan()


def scenes_of(planned):
    return [image.image for image in planned
            if isinstance(image.image, Scene)]


def photographs_of(image):
    """Return the files that a planned image is made of."""
    if isinstance(image.image, Path):
        return {image.image}
    scene = image.image
    return {scene.path, *scene.others, scene.ground, scene.outline} - {None}


def test_every_scene_has_a_seed_of_its_own(planned):
    seeds = [scene.seed for scene in scenes_of(planned)]
    assert len(set(seeds)) == len(seeds) > 5000
    assert {seed for seed, _ in seeds} == {7}


def test_the_seed_chooses_the_plan(sources, lesion_shares, planned):
    assert Planner(sources, 7, lesion_shares).plan() == planned
    of_other_seed = Planner(sources, 8, lesion_shares).plan()
    assert [scene.path for scene in scenes_of(of_other_seed)] != [
        scene.path for scene in scenes_of(planned)]


def test_each_class_is_on_every_ground(planned):
    grounds = defaultdict(set)
    for image in planned:
        grounds[image.label].add(image.ground)
    everywhere = {"laboratory", "orchard", "web"}
    assert grounds == {
        0: everywhere | {"drawn"}, 1: everywhere, 2: everywhere | {"drawn"},
        3: everywhere | {"drawn"}, OUTLIER: {"strangers"}}


def test_held_out_photographs_are_in_no_image_and_all_others_are(
        sources, planned):
    used = set().union(*map(photographs_of, planned))
    parts = sources.parts
    held_out = {*parts.validation.paths(), *parts.early_stopping.paths(),
                *sources.strangers_in(VALIDATION),
                *sources.strangers_in(EARLY_STOPPING)}
    assert not used & held_out
    assert used == {*parts.training.paths(), *sources.web.paths(),
                    *sources.strangers_in(TRAINING)}


def test_photographs_show_their_class(sources, planned):
    names = CLASS_NAMES + ("none",)
    for image in planned:
        source, name = image.path.parts[-3:-1]
        if source == STRANGERS:
            name = "none"
        assert names[image.label] == name
        if isinstance(image.image, Scene):
            assert {path.parent.name for path in image.image.others} <= {name}
            assert image.image.plant == name.split("_")[0].replace("none", "")


def test_only_copies_of_the_web_have_a_fold(sources, planned):
    folds = dict(zip(sources.web.paths(), sources.folds().tolist()))
    counts = Counter()
    for image in planned:
        assert image.fold == folds.get(image.path, -1)
        # Nor are they part of a scene, which would be in every fold.
        assert not (photographs_of(image) - {image.path}) & folds.keys()
        if image.path.parts[-3] == WEB:
            counts[image.path] += 1
            assert (image.image.kind, image.weight, image.ground) == (
                "copy", WEB_WEIGHT, "web")
        else:
            assert image.weight == 1
    assert counts == dict.fromkeys(folds, WEB_COPIES)


def test_few_leaves_of_the_laboratory_are_copied(planned):
    for label in (0, 2, 3):
        indoors = [image for image in planned
                   if image.label == label and image.ground == "laboratory"
                   and image.path.parts[-3] == "leaves"]
        assert len(indoors) == LABORATORY_IMAGES + OUTLINES


def test_ill_leaves_in_scenes_show_their_lesions(planned, lesion_shares):
    visible = {path for path, share in lesion_shares.items()
               if share >= VISIBLE_LESIONS}
    leaves = defaultdict(set)
    for image in planned:
        scene = image.image
        if isinstance(scene, Scene) and scene.kind in (
                "on ground", "on plain", "foliage", "close-up"):
            leaves[image.label] |= {scene.path, *scene.others}
            assert scene.is_ill == (image.label != 0)
    assert visible and leaves[2] == visible
    # Of a class without visible lesions, all leaves are used.
    assert leaves[3] == {image.image for image in planned if image.label == 3
                         and isinstance(image.image, Path)}


def test_grounds_are_healthy_trees_or_other_plants(planned):
    grounds = defaultdict(set)
    for image in planned:
        scene = image.image
        if isinstance(scene, Scene):
            under = scene.ground and "/".join(scene.ground.parts[-3:-1])
            grounds[scene.kind, image.ground].add(under)
    trees, peach, tomato = (
        "orchard/Apple_healthy", "strangers/Peach", "strangers/Tomato")
    indoors = {"leaves/Apple_healthy", "leaves/Apple_scab",
               "leaves/Grape_Esca"}
    assert {key: under for key, under in grounds.items()
            if under != {None}} == {
        ("on ground", "orchard"): {trees},
        ("on ground", "web"): {peach, tomato},
        ("foliage", "web"): {trees, peach, tomato, None},
        ("outline", "web"): {peach, tomato, None},
        ("outline", "strangers"): {trees, None},
        ("in laboratory", "laboratory"): indoors,
        ("in laboratory", "strangers"): indoors}


def test_each_ground_has_images_and_a_weight(planned):
    assert {image.ground for image in planned} == set(GROUND_WEIGHTS)


def test_each_class_has_the_same_share_of_a_ground(monkeypatch):
    monkeypatch.setattr(plans, "GROUND_WEIGHTS", {
        "laboratory": 0.4, "orchard": 0.5, "strangers": 0.1})
    weights = sampling_weights(
        np.array([0, 0, 0, 1, 1, 2, OUTLIER]),
        np.array(["laboratory", "laboratory", "orchard", "laboratory",
                  "laboratory", "orchard", "strangers"]),
        np.array([1, 3, 5, 1, 0, 0, 2]))
    assert weights == pytest.approx([0.05, 0.15, 0.5, 0.2, 0, 0, 0.1])


def test_without_a_ground_the_others_get_its_share(monkeypatch):
    monkeypatch.setattr(plans, "GROUND_WEIGHTS", {
        "drawn": 0.6, "web": 0.2, "orchard": 0.2})
    weights = sampling_weights(np.array([0, 1, 1]),
                               np.array(["drawn", "web", "orchard"]),
                               np.array([0, 1, 1]))
    assert weights == pytest.approx([0, 0.5, 0.5])


def test_an_orchard_without_healthy_trees_is_refused(sources):
    parts = sources.parts
    names = tuple(name.replace("healthy", "spot")
                  for name in parts.training.class_names)
    ill = replace(sources, parts=replace(parts, training=replace(
        parts.training, class_names=names)))
    with pytest.raises(UserError, match="orchard: has no healthy class"):
        Planner(ill, 7, {})
