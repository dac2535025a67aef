"""What the page is told about a photograph, as a dictionary for JSON."""

import base64
from dataclasses import asdict
from pathlib import Path

import numpy as np

from leaffliction.model.classifier import Classifier
from leaffliction.prediction.hints import find_hints
from leaffliction.prediction.leaf_views import LeafViews, leaf_views
from leaffliction.utils.errors import UserError
from leaffliction.utils.images import encode_jpeg, read_for_network

QUALITY = 85    # of the views' JPEG


def predict_upload(classifier: Classifier, content: bytes) -> dict:
    """Return the prediction for a photograph, its lesions and its views.

    content: the photograph's file.
    The result has the keys known, classes, hints, lesions and views, as
    static/engine.js describes them; but each view is a data: URL.
    Raises UserError where it is no readable image.
    """
    rgb_img = read_upload(classifier, content)
    prediction = classifier.predict_image(rgb_img)
    views = leaf_views(rgb_img, prediction)
    summary = views.summary
    return {
        "known": prediction.known,
        # Unrounded: the page takes the mean of several photographs' logits.
        "classes": [{"name": name, "probability": share}
                    for name, share in
                    prediction.top(len(prediction.class_names))],
        "hints": [asdict(hint) for hint in find_hints(rgb_img, prediction)],
        "lesions": summary and {
            "leaves": summary.leaves, "share": round(summary.share, 4),
            "spots": summary.spots},
        "views": data_urls(views)}


def read_upload(classifier: Classifier, content: bytes) -> np.ndarray:
    """Return a photograph's file as RGB uint8 (H, W, 3), for a classifier.

    Raises UserError where it is no readable image.
    """
    # The page shows errors beside the file's own name.
    name = Path("photograph")
    try:
        return read_for_network(name, classifier.description.size, content)
    except UserError as error:
        raise UserError(str(error).removeprefix(f"{name}: ")) from None


def data_urls(views: LeafViews) -> dict[str, str]:
    """Return the views as data: URLs; without those that there are not."""
    images = {"photograph": views.photograph, "leaf": views.leaf,
              "lesions": views.lesions, "class_map": views.class_map}
    return {name: jpeg_url(image) for name, image in images.items()
            if image is not None}


def jpeg_url(rgb_img: np.ndarray) -> str:
    """Return RGB uint8 (H, W, 3) as the data: URL of a JPEG."""
    content = base64.b64encode(encode_jpeg(rgb_img, QUALITY)).decode()
    return f"data:image/jpeg;base64,{content}"
