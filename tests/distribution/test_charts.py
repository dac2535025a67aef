"""The pie and bar charts of a plant's classes."""

import pytest
from matplotlib import pyplot
from matplotlib.colors import to_hex

from leaffliction.distribution.charts import draw_charts, draw_plant
from leaffliction.utils.figures import open_pyplot

# As many classes as PlantVillage has, with names as long as its longest (50).
MANY = {f"Corn_(maize)___Cercospora_leaf_spot Gray_leaf_s_{number}":
        1 + number ** 2 for number in range(38)}


@pytest.fixture(autouse=True)
def closed_figures():
    yield
    pyplot.close("all")


def draw(classes, plant="Apple"):
    """Return the figure of one plant, its slices, and its bars."""
    figure = draw_plant(open_pyplot(True), plant, classes)
    left, right = figure.axes
    return figure, left.patches, list(right.patches)


def texts_of(figure):
    """Return all visible texts of a figure, after drawing it."""
    figure.canvas.draw()
    axes_texts = [text for axes in figure.axes for text in
                  [*axes.texts, *axes.get_yticklabels()]]
    return [text for text in [figure._suptitle, *axes_texts]
            if text.get_visible() and text.get_text()]


@pytest.mark.parametrize("classes", [
    {"Apple_scab": 3}, {"Apple_scab": 3, "Apple_rust": 1}, MANY])
def test_subject_5_pie_and_bars_share_colours_and_titles(classes):
    figure, slices, bars = draw(classes)
    assert figure._suptitle.get_text() == "apple class distribution"
    styles = [[(to_hex(patch.get_facecolor()), patch.get_hatch())
               for patch in patches] for patches in (slices, bars)]
    assert styles[0] == styles[1]
    assert len(set(styles[0])) == len(classes), "a style repeats"
    texts = [text.get_text() for axes in figure.axes for text in axes.texts]
    if len(classes) == 2:
        assert texts.count("3\n75.0%") == texts.count("3  (75.0%)") == 1
    assert [bar.get_width() for bar in bars] == list(classes.values())
    labels = [label.get_text() for label in figure.axes[1].get_yticklabels()]
    assert all(label.startswith(name)
               for label, name in zip(labels, classes, strict=True))


def test_subject_6_slices_of_balanced_classes_are_equal():
    _, slices, _ = draw({f"Apple_{name}": 7 for name in "abcde"})
    angles = [piece.theta2 - piece.theta1 for piece in slices]
    assert angles == pytest.approx([72] * 5, abs=1e-3)


@pytest.mark.parametrize("classes", [
    {"Apple_scab": 3},
    {"Apple_healthy": 400, **{f"Apple_a_rather_long_name_{number}": 2
                              for number in range(7)}},
    MANY,
    {"A_" + "W" * 200: 3, "A_" + "W" * 201: 4},
    {f"Apple_{number}": 1 for number in range(20)},
], ids=["one", "skewed", "many", "wide", "balanced"])
def test_labels_do_not_overlap_and_are_not_cut_off(classes):
    figure, _, _ = draw(classes)
    boxes = [text.get_window_extent() for text in texts_of(figure)]
    assert len(boxes) >= 2 + 2 * len(classes)
    for index, box in enumerate(boxes):
        # With a tolerance of a pixel: matplotlib rounds its boxes.
        assert box.x0 >= -1 and box.y0 >= -1
        assert box.x1 <= figure.bbox.x1 + 1 and box.y1 <= figure.bbox.y1 + 1
        # The space above and below the letters may overlap.
        core = box.shrunk(1, 0.8)
        assert not core.count_overlaps(boxes[index + 1:])


def test_dollar_signs_are_no_formula():
    figure, _, _ = draw({r"A_$\frac$": 1})
    text = figure.axes[1].get_yticklabels()[0]
    assert text._preprocess_math(text.get_text()) == (r"A_$\frac$", False)


def test_plants_with_similar_names_get_different_file_names():
    figures = draw_charts(open_pyplot(True), {
        "a b": {"a b_1": 1}, "a/b": {"x": 1}, "W" * 99: {"y": 1},
        "W" * 98: {"z": 1}})
    assert len(figures) == 4
    assert not any(set(" /") & set(name) for name in figures)
