"""The figure of predictions: the leaf, its lesions, the class map, bars."""

from leaffliction.model.classifier import Prediction
from leaffliction.prediction.batch import PredictedFile
from leaffliction.prediction.leaf_views import leaf_views
from leaffliction.prediction.text import NO_DIAGNOSIS
from leaffliction.utils.figures import hide_axes, renderable, truncate

BARS = 5    # classes with a bar, at most


def draw_predictions(pyplot, results: list[PredictedFile]):
    """Return a figure with a row for each result; each must carry pixels.

    A row has the image as it is; the leaf on white with its lesions
    outlined; the class map; and bars of the most probable classes.
    """
    figure = pyplot.figure(figsize=(13, 3.9 * len(results)),
                           layout="constrained", facecolor="white")
    rows = figure.subfigures(len(results), 1, squeeze=False)[:, 0]
    for row, result in zip(rows, results):
        _draw_row(row, result)
    return figure


def _draw_row(row, result: PredictedFile) -> None:
    """Draw one result into a subfigure."""
    prediction = result.prediction
    views = leaf_views(result.rgb_img, prediction)
    transformed = (views.photograph if views.lesions is None
                   else views.lesions)
    *images, bars = row.subplots(
        1, 4, gridspec_kw={"width_ratios": (1, 1, 1, 1.1)})
    for ax, image, title in zip(
            images, (views.photograph, transformed, views.class_map),
            ("Original", "Transformed: lesions", "What it looked at")):
        ax.imshow(image)
        ax.set_title(title)
        hide_axes(ax)
    draw_bars(bars, prediction)
    caption = renderable(prediction.class_name)
    if prediction.known:
        caption += f"   {prediction.confidence:.1%}"
    else:
        caption = f"{NO_DIAGNOSIS} (nearest: {caption})"
    row.suptitle(renderable(result.path.name), fontsize=11)
    row.supxlabel(caption, fontsize=16, fontweight="bold",
                  color="darkgreen" if prediction.known else "firebrick")


def draw_bars(ax, prediction: Prediction) -> None:
    """Draw the most probable classes as bars, the first on top."""
    top = prediction.top(BARS)
    colours = ["darkgreen" if prediction.known else "firebrick"]
    colours += ["grey"] * (len(top) - 1)
    ax.barh(range(len(top)), [share for _, share in top], 0.45, color=colours)
    for row, (name, share) in enumerate(top):
        ax.text(0, row - 0.32, renderable(truncate(name, 34)),
                va="bottom", fontsize=10)
        is_long = share > 0.8       # with room for the number inside it
        ax.text(share + (-0.02 if is_long else 0.02), row, f"{share:.1%}",
                va="center", ha="right" if is_long else "left", fontsize=10,
                color="white" if is_long else "black")
    ax.set_xlim(0, 1)
    ax.set_ylim(BARS - 0.4, -0.7)
    ax.set_title("Most probable classes")
    hide_axes(ax)
