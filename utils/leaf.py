"""Where the leaf is: its mask, and the leaf alone on white.

Transformation shows it, predict and train may use it, so it is plain
OpenCV: deterministic, and 1.5 ms for 256x256 pixels.
"""

import cv2
import numpy as np

# Levels (of 256) by which leaf and ground differ at least, on average, in a
# channel that counts.  480 reference leaves differ by 11 to 60 in the better
# of the two channels; less than 3 is the noise of a camera or a JPEG file.
LEAST_CONTRAST = 3
# The longer side of the image over the width of what still counts as leaf:
# 5 pixels of 256.  It removes grain of paper; stems are a little wider.
FINEST_PART = 51
# Pixels of the longer side beyond which an image is reduced first: 12
# megapixels take 0.3 s instead of 2.4 s, and the edge moves by 2 of 4000.
LARGEST_SIDE = 1024


def leaf_mask(rgb_img: np.ndarray) -> np.ndarray:
    """Return where the leaf is: bool (H, W) for RGB uint8 (H, W, 3).

    A leaf is greener, yellower or browner than what it lies on, and a
    shadow is neither: so the colour axes of CIE Lab decide, a (green to
    magenta) and b (blue to yellow), each by its own threshold (Otsu 1979),
    and lightness does not.  Of what either finds, the largest connected
    part is the leaf, with its holes filled, for these are lesions.
    All False where nothing stands out.
    """
    height, width = rgb_img.shape[:2]
    scale = LARGEST_SIDE / max(height, width)
    if scale < 1:
        small = cv2.resize(rgb_img, (max(1, round(width * scale)),
                                     max(1, round(height * scale))),
                           interpolation=cv2.INTER_AREA)
        mask = leaf_mask(small).astype(np.uint8) * 255
        return cv2.resize(mask, (width, height)) > 127
    lab_img = cv2.cvtColor(rgb_img, cv2.COLOR_RGB2LAB)
    found = (_below_otsu(lab_img[..., 1])
             | _below_otsu(cv2.bitwise_not(lab_img[..., 2])))
    finest = max(height, width) // FINEST_PART
    if finest > 1:
        kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE,
                                           (finest, finest))
        found = cv2.morphologyEx(found, cv2.MORPH_OPEN, kernel)
    outlines, _ = cv2.findContours(found, cv2.RETR_EXTERNAL,
                                   cv2.CHAIN_APPROX_NONE)
    mask = np.zeros_like(found)
    if outlines:
        largest = max(outlines, key=cv2.contourArea)
        cv2.drawContours(mask, [largest], -1, 1, cv2.FILLED)
    return mask.astype(bool)


def _below_otsu(channel: np.ndarray) -> np.ndarray:
    """Return 1 where a channel is below its threshold, uint8 (H, W).

    All 0 for a channel of too little contrast, which Otsu's method would
    split all the same.
    """
    _, below = cv2.threshold(channel, 0, 1,
                             cv2.THRESH_BINARY_INV | cv2.THRESH_OTSU)
    # A mask of zeros alone has the mean 0, and so has its contrast.
    inside = cv2.mean(channel, below)[0]
    outside = cv2.mean(channel, 1 - below)[0]
    if not 0 < below.mean() < 1 or outside - inside < LEAST_CONTRAST:
        return np.zeros_like(below)
    return below


def on_white(rgb_img: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Return the leaf alone on white, RGB uint8 (H, W, 3).

    mask: bool (H, W), True on the leaf.
    """
    return np.where(mask[..., np.newaxis], rgb_img, np.uint8(255))
