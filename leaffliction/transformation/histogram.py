"""The histogram of a leaf's colours, in nine channels.

matplotlib draws its axes once, and OpenCV the lines of each leaf: so it
takes 3 ms instead of 100.
"""

from functools import cache

import cv2
import numpy as np

# The nine channels: RGB and width of the line, conversion from RGB, index in
# its result.  Value equals green on a green leaf: it is drawn wide, below.
LAB, HSV = cv2.COLOR_RGB2LAB, cv2.COLOR_RGB2HSV
CHANNELS = {
    "blue": ((0, 0, 255), 2, None, 2),
    "blue-yellow": ((225, 190, 0), 2, LAB, 2),
    "green": ((0, 128, 0), 2, None, 1),
    "green-magenta": ((255, 0, 255), 2, LAB, 1),
    "hue": ((138, 43, 226), 2, HSV, 0),
    "lightness": ((105, 105, 105), 2, LAB, 0),
    "red": ((255, 0, 0), 2, None, 0),
    "saturation": ((0, 191, 255), 2, HSV, 1),
    "value": ((255, 185, 80), 6, HSV, 2)}
# Inches and dots per inch of the chart, and where its scale may end (%).
CHART, CHART_DPI, CHART_TOPS = (7.2, 3.6), 90, (1, 2, 5, 10, 20, 50, 100)


def draw_histogram(shares: dict[str, np.ndarray]) -> np.ndarray:
    """Return the chart of each channel's proportions, RGB uint8 (H, W, 3).

    shares: as `proportions` returns them.
    """
    highest = max(map(np.max, shares.values()))
    chart, origin, scale = blank_chart(
        next(top for top in CHART_TOPS if top >= highest or top == 100))
    view = chart.copy()
    for name, (colour, width, _, _) in reversed(CHANNELS.items()):
        # Along the bottom a line needs no points but its ends.
        near = cv2.dilate(shares[name], np.ones(3)).ravel() > 0
        near[[0, -1]] = True
        levels = np.flatnonzero(near)
        points = np.column_stack([levels, shares[name][levels]])
        points = np.rint((origin + points * scale) * 16).astype(np.int32)
        # Two fine lines side by side take a third of a thick one's time.
        for shift, thick in ((0, 1), (10, 1)) if width == 2 else (
                (0, width),):
            cv2.polylines(view, [points + shift], False, colour, thick,
                          cv2.LINE_AA, 4)
    return view


@cache
def blank_chart(top: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return a histogram without lines, and where they go.

    top: % at which the scale ends.  Returns RGB uint8, and the pixel (x, y)
    of the origin and of one level and one percent further, less the origin.
    matplotlib takes 100 ms to draw it, so each is drawn once.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    canvas = FigureCanvasAgg(Figure(CHART, CHART_DPI))
    axes = canvas.figure.add_axes((0.085, 0.13, 0.9, 0.84))
    for name, (colour, *_) in CHANNELS.items():
        axes.plot([], color=np.divide(colour, 255), label=name)
    axes.set(xlabel="Pixel intensity", ylabel="Proportion of pixels (%)",
             xlim=(0, 255), ylim=(0, top), yticks=np.linspace(0, top, 6))
    axes.legend(fontsize="small", loc="upper right")
    canvas.draw()
    chart = np.array(canvas.buffer_rgba())[..., :3].copy()
    # matplotlib counts pixels from below, and from their corners.
    origin, step = axes.transData.transform([(0, 0), (1, 1)]) * (1, -1)
    return chart, origin + (-0.5, len(chart) - 0.5), step - origin


def proportions(rgb_img: np.ndarray, mask: np.ndarray) -> dict:
    """Return {channel: % of the leaf's pixels at each level}, float (256,).

    Each sums up to 100, or to 0 without a leaf.  As in OpenCV, hue has 180
    levels of 2 degrees, and the two opponent channels are shifted by 128.
    """
    # PlantCV's own function takes 125 ms for what takes 0.7 ms here.
    spaces = {None: rgb_img, LAB: cv2.cvtColor(rgb_img, LAB),
              HSV: cv2.cvtColor(rgb_img, HSV)}
    share = 100 / max(1, np.count_nonzero(mask))
    return {name: share * cv2.calcHist(
        [spaces[space]], [index], mask.astype(np.uint8), [256],
        (0, 256)).ravel().astype(float)
        for name, (_, _, space, index) in CHANNELS.items()}
