"""What is drawn on a photograph: colours, line widths, outlines, numbers."""

import cv2
import numpy as np

# RGB.
GREEN, BLUE, MAGENTA, ORANGE = (
    (0, 200, 0), (0, 0, 255), (255, 0, 255), (255, 120, 0))
# The image's shorter side divided by the width of a line: a line is 2 pixels
# wide at 256, and 31 at 4000.  On a small leaf in a large image the leaf's
# longer side divided by LINES_PER_LEAF is the limit, so that lines do not
# cover the leaf.
LINES_PER_SIDE, LINES_PER_LEAF = 128, 32
# The image's shorter side divided by the height of a leaf's number, and the
# least height in pixels.
NUMBERS_PER_SIDE, MIN_NUMBER_HEIGHT = 24, 11


def line_width(rgb_img: np.ndarray, leaf_side: int) -> int:
    """Return the width in pixels of a line that looks alike at any size.

    leaf_side: longer side, in pixels, of the leaf on which it is drawn.
    """
    return max(1, round(min(min(rgb_img.shape[:2]) / LINES_PER_SIDE,
                            leaf_side / LINES_PER_LEAF)))


def draw_outlines(view: np.ndarray, mask: np.ndarray, corner: tuple[int, int],
                  colour: tuple[int, int, int], width: int) -> None:
    """Draw the outline of each connected part of a mask, in place.

    view: RGB uint8 (H, W, 3).  mask: bool, of a part of the view.
    corner: x and y of the mask's first pixel in the view.
    colour: RGB.  width: of the line, in pixels.
    """
    outlines, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL,
                                   cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(view, outlines, -1, colour, width, offset=corner)


def write_numbers(view: np.ndarray, corners: list[tuple[int, int, int]]
                  ) -> np.ndarray:
    """Write each leaf's number beside it, in place; return the view.

    Above the leaf's upper left corner if the image has room there, else
    inside.  The number of a single leaf is not written.
    corners: the number of each leaf, and x and y of that corner.
    """
    if len(corners) < 2:
        return view
    height = max(MIN_NUMBER_HEIGHT,
                 round(min(view.shape[:2]) / NUMBERS_PER_SIDE))
    thickness = max(1, round(height / 9))
    font = cv2.FONT_HERSHEY_SIMPLEX
    scale = cv2.getFontScaleFromHeight(font, height, thickness)
    pad = max(2, height // 6)
    for number, x, y in corners:
        (width, _), _ = cv2.getTextSize(str(number), font, scale, thickness)
        x = max(0, min(x, view.shape[1] - width - 2 * pad))
        y = max(0, y - height - 2 * pad)
        cv2.rectangle(view, (x, y),
                      (x + width + 2 * pad, y + height + 2 * pad),
                      (255, 255, 255), cv2.FILLED)
        cv2.putText(view, str(number), (x + pad, y + height + pad), font,
                    scale, (0, 0, 0), thickness, cv2.LINE_AA)
    return view
