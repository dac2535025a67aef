"""leaffliction/web/qr.py: the code holds the text."""

import re
import xml.etree.ElementTree as ElementTree

import cv2
import numpy as np
import pytest

from leaffliction.web.qr import QUIET_ZONE, qr_svg

MODULE = 6      # pixels, for the decoder


def draw_svg(svg):
    """Return the modules of a drawing, bool (side, side): True is black."""
    root = ElementTree.fromstring(svg)
    side = int(root.attrib["viewBox"].split()[2])
    white, black = root
    assert white.attrib == {"fill": "#fff", "d": f"M0 0h{side}v{side}H0z"}
    modules = np.zeros((side, side), bool)
    squares = re.findall(r"M(\d+) (\d+)h1v1h-1z", black.attrib["d"])
    assert "".join(f"M{x} {y}h1v1h-1z" for x, y in squares) == (
        black.attrib["d"])
    for x, y in squares:
        modules[int(y), int(x)] = True
    return modules


@pytest.mark.parametrize("text", [
    "http://192.168.1.5:8000/join/AAAAAAAAAAAAAAAAAAAAAA",
    "http://[fe80::fc:ff:fe00:1]:65535/join/abcdefghij-_KLMNOPQRST"])
def test_a_reader_finds_the_text(text):
    modules = draw_svg(qr_svg(text))
    image = np.where(modules, 0, 255).astype(np.uint8)
    image = image.repeat(MODULE, axis=0).repeat(MODULE, axis=1)
    # OpenCV's search for the corners fails on a fifth of such drawings; ZXing
    # reads all of them.
    low, high = QUIET_ZONE * MODULE, (len(modules) - QUIET_ZONE) * MODULE - 1
    corners = np.array([[[low, low], [high, low], [high, high], [low, high]]],
                       np.float32)
    assert cv2.QRCodeDetector().decode(image, corners)[0] == text


def test_the_code_has_its_quiet_zone_on_each_side():
    rows, columns = np.nonzero(draw_svg(qr_svg("http://127.0.0.1:1/")))
    side = len(draw_svg(qr_svg("http://127.0.0.1:1/")))
    for used in (rows, columns):
        assert used.min() == QUIET_ZONE
        assert used.max() == side - 1 - QUIET_ZONE
