"""A classifier that reads its answers in the names of files, and such files.

"scab-90-known a.jpg" is answered Apple_scab, 90 % sure and known;
"esca-40-refused.jpg" is Grape_Esca, and refused.  "broken.jpg" can't be read.
"""

import csv

import numpy as np

from leaffliction.model.classifier import Prediction
from leaffliction.utils.errors import UserError

CLASS_NAMES = ("Apple_rust", "Apple_scab", "Grape_Esca")
WORDS = ("rust", "scab", "esca")
HEADER = ("file", "leaf", "class", "domain", "part")
# Path below the folder of photographs, and its part in the split if it is
# there; training photographs would fail if they were judged.
FILES = {
    "leaves/Apple_scab/scab-90-known.jpg": "validation",
    "leaves/Apple_scab/esca-80-known.jpg": "validation",
    "leaves/Apple_scab/broken.jpg": "training",
    "leaves/grape esca/esca-60-known.jpg": "validation",
    "leaves/grape esca/rust-95-refused.jpg": "validation",
    "leaves/grape esca/broken.jpg": "stopping",
    "orchard/Apple_scab/scab-70-known.jpg": "validation",
    "orchard/Apple_mildew/rust-40-refused.jpg": "validation",
    "orchard/Apple_mildew/rust-50-known.jpg": "validation",
    "wild/Apple_rust/rust-100-known.jpg": None,
    "strangers/Cherry/scab-95-known.jpg": "validation",
    "strangers/Cherry/scab-20-refused.jpg": "validation",
    "strangers/Corn/rust-50-refused.jpg": "validation",
    "strangers/Corn/broken.jpg": "training",
    "other/everyday/rust-60-known.jpg": None,
    "other/everyday/broken.jpg": None,
    "other/diseases/rust-90-known.jpg": None,
    "other/diseases/rust-30-refused.jpg": None,
    "other/diseases/scab-30-refused.jpg": None}
DOMAINS = {"leaves": "laboratory", "orchard": "orchard",
           "strangers": "strangers"}


class FromName:
    """Stands for a classifier.  The first pixel of an image is its answer."""

    class_names = CLASS_NAMES

    def read(self, path):
        if "broken" in path.name:
            raise UserError(f"{path}: not a readable image")
        return pixels_of(path)

    def predict_image(self, rgb_img):
        label, percent, known = rgb_img[0, 0].tolist()
        probabilities = np.full(3, (100 - percent) / 200)
        probabilities[label] = percent / 100
        return Prediction(CLASS_NAMES, probabilities, 0.0, bool(known), None)


def pixels_of(path):
    """Return an image, wider than high, with the answer in a file's name."""
    word, percent, known = path.stem.split(" ")[0].split("-")
    rgb_img = np.zeros((8, 12, 3), np.uint8)
    rgb_img[0, 0] = WORDS.index(word), int(percent), known == "known"
    return rgb_img


def write_data(folder, files=FILES):
    """Write the files, empty; return their folder and the path of the split.
    """
    rows = []
    for file, part in files.items():
        path = folder / "data" / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        top, *middle, _ = file.split("/")
        if part is not None:
            rows.append((file, f"leaf {len(rows)}", middle[0].replace(
                " ", "_"), DOMAINS[top], part))
    write_split(folder / "split.csv", rows)
    return folder / "data", folder / "split.csv"


def write_split(path, rows, header=HEADER):
    """Write the CSV of a split."""
    with open(path, "w", newline="") as stream:
        csv.writer(stream).writerows([header, *rows])
