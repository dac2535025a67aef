"""A QR code as an SVG drawing."""

import cv2
import numpy as np

QUIET_ZONE = 4      # modules of white around the code (ISO/IEC 18004)


def qr_svg(text: str) -> str:
    """Return an SVG drawing of a QR code that holds a text.

    One unit of its view box is one module.  The drawing is black on white,
    also in a dark page: many readers need it so.
    """
    # OpenCV draws one pixel for each module, and white pixels around them.
    image = cv2.QRCodeEncoder_create().encode(text)
    rows, columns = np.nonzero(image == 0)
    top, left = rows.min(), columns.min()
    side = rows.max() - top + 1 + 2 * QUIET_ZONE
    squares = "".join(
        f"M{column - left + QUIET_ZONE} {row - top + QUIET_ZONE}h1v1h-1z"
        for row, column in zip(rows, columns))
    return (f'<svg xmlns="http://www.w3.org/2000/svg" role="img" '
            f'viewBox="0 0 {side} {side}" shape-rendering="crispEdges">'
            f'<path fill="#fff" d="M0 0h{side}v{side}H0z"/>'
            f'<path d="{squares}"/></svg>')
