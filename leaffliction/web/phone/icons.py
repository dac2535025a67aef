"""The icon on the phone's home screen: a leaf with a spot, drawn here."""

from pathlib import Path

import cv2
import numpy as np

from leaffliction.utils.images import encode_image

GROUND, BLADE = (223, 240, 216), (47, 109, 66)
VEIN, SPOT = (223, 240, 216), (233, 161, 59)
# On a square of 32 x 32: Bezier curves of the blade, each from the last
# point of the one before; stalk and veins; the spot's centre and radius.
BLADE_START = (28, 3)
BLADE_CURVES = (
    ((15, 3), (5, 8), (4.5, 18.5)), ((4.2, 24), (7, 28.5), (15.3, 28.1)),
    ((26, 28), (29.5, 16), (28, 3)))
STALK = ((4, 30), (8, 26))
VEINS = (((8, 26), (22, 10)), ((12.5, 20.6), (12.5, 14)),
         ((12.5, 20.6), (19, 20.8)), ((17, 15.6), (17, 10.7)),
         ((17, 15.6), (23, 15.7)))
SPOT_CENTRE, SPOT_RADIUS = (20.5, 21.5), 2.6
VEIN_WIDTH = 1.6
# Phones cut a circle of 4/5 of the side out of an icon: all lies within.
SCALE = 0.6
OVERSAMPLING = 4    # drawn larger, then averaged: smooth edges


def icon(side: int) -> bytes:
    """Return the icon as a PNG of side x side pixels."""
    large = OVERSAMPLING * side
    unit = SCALE * large / 32
    image = np.full((large, large, 3), GROUND, np.uint8)

    def to_pixels(points: np.ndarray | tuple) -> np.ndarray:
        """Return points in pixels of the large image."""
        return np.rint((np.asarray(points) - 16) * unit + large / 2
                       ).astype(int)

    cv2.line(image, *to_pixels(STALK), BLADE, round(VEIN_WIDTH * unit))
    cv2.fillPoly(image, [to_pixels(blade())], BLADE)
    for vein in VEINS:
        cv2.line(image, *to_pixels(vein), VEIN, round(VEIN_WIDTH * unit))
    cv2.circle(image, to_pixels(SPOT_CENTRE), round(SPOT_RADIUS * unit), SPOT,
               cv2.FILLED)
    return encode_image(Path("icon.png"), cv2.resize(
        image, (side, side), interpolation=cv2.INTER_AREA))


def blade(steps: int = 50) -> np.ndarray:
    """Return the outline of the leaf's blade, float (N, 2), on 32 x 32."""
    share = np.linspace(0, 1, steps)[:, np.newaxis]
    start, points = np.asarray(BLADE_START, float), []
    for curve in np.asarray(BLADE_CURVES, float):
        one, two, end = curve
        points.append(start * (1 - share) ** 3
                      + 3 * one * share * (1 - share) ** 2
                      + 3 * two * share ** 2 * (1 - share)
                      + end * share ** 3)
        start = end
    return np.concatenate(points)
