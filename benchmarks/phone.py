"""The page for a phone's browser, beside Python: same answers, and how fast.

    python -m benchmarks.phone DIRECTORY ...
    python -m benchmarks.phone DIRECTORY ... --learnings ZIP --count 50

DIRECTORY: photographs; of each, up to --count are sampled evenly.  Needs
Chromium and Playwright; the folder is made anew (leaffliction.web.phone).

Prints for each directory how Chromium's answers compare with Python's: the
same class, `known`, and hints; the largest and the 99 % quantile of the
differences of probabilities; the same number of leaves, and, where both found
leaves, lesions whose share is within a percentage point and whose number of
spots is within a tenth.  They are split into what comes from the JPEG
decoder (Python's answers for Chromium's pixels against those for its own) and
the rest (Chromium's answers against Python's for the same pixels); and how
far the pixels differ, of 255 levels.

Then the same for leaves that are laid on a plain ground: one small one, one
that fills most of the photograph, two or six; and how long leaves, lesions and
their views take there, without slowing down.

Then the same for large photographs (enlarged to 12 megapixels, with noise),
which Python decodes at a quarter of the size: there, Python's own answers for
the whole and for the reduced photograph differ as well.

Last, the times, on a processor slowed down 4 times (Chromium's throttling,
with everything on the page's own thread, which alone it slows): from opening
the kept page to the first answer, and for each further photograph.
"""

import argparse
import base64
import statistics
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import cv2
import numpy as np

from benchmarks.hints import blend
from leaffliction.model.bundle import read_archive
from leaffliction.model.classifier import Classifier
from leaffliction.model.released import DEFAULT, find_archive
from leaffliction.prediction.hints import find_hints
from leaffliction.prediction.leaf_views import LesionSummary, measure_lesions
from leaffliction.transformation.mask import leaf_mask
from leaffliction.utils import cli
from leaffliction.utils.folders import find_images
from leaffliction.utils.images import (encode_jpeg, read_for_network,
                                       read_image)
from leaffliction.web.phone.folder import write_folder
from leaffliction.web.prediction_json import read_upload

CHROMIUM = "/usr/bin/chromium"
SLOWDOWN = 4
ROUNDS = 5
LARGE, LARGE_COUNT = (4032, 3024), 20     # pixels, photographs
NOISE, QUALITY = 4, 90      # standard deviation in levels; of the JPEG
PHOTOGRAPH = "/benchmark/"
# Laid leaves: width and height of the photograph, how many there are of each
# kind, and the side of each leaf's photograph in it, all in pixels.
LAID, LAID_COUNT = (800, 600), 50
LAID_SIDES = {1: 560, 2: 360, 6: 240, 0: 140}
GROUNDS = ((235, 235, 230), (128, 110, 100), (200, 180, 150), (90, 90, 95))
LOAD = """async () => {
  const { loadPredictor } = await import("./phone/predictor.js");
  window.predict = await loadPredictor(new URL("model/", location.href));
}"""
PREDICT = """async ([address, withPixels]) => {
  const file = await (await fetch(address)).blob();
  const start = performance.now();
  const { classes, known, ood_score, hints, lesions } = await predict(file);
  const seconds = (performance.now() - start) / 1000;
  let pixels = null;
  if (withPixels) {
    const { readPhotograph } = await import("./phone/preprocess.js");
    const { width, height, data } = await readPhotograph(file, 4096);
    let text = "";
    for (let start = 0; start < data.length; start += 8192) {
      text += String.fromCharCode(...data.subarray(start, start + 8192));
    }
    pixels = { width, height, data: btoa(text) };
  }
  return { classes, known, ood_score, seconds, pixels, lesions,
           hints: hints.map(({ code }) => code) };
}"""
TIME_VIEWS = """async (address) => {
  const { readPhotograph } = await import("./phone/preprocess.js");
  const { leafViews } = await import("./phone/leaf_views.js");
  const file = await (await fetch(address)).blob();
  const picture = await readPhotograph(file, 4096);
  const start = performance.now();
  leafViews(picture);
  return performance.now() - start;
}"""


@dataclass(frozen=True)
class Answer:
    """What one side says about a photograph.

    probabilities: (classes,).  ood_score: as Prediction's.  hints: codes.
    lesions: of all leaves, or None where no leaf was found.
    """

    probabilities: np.ndarray
    known: bool
    ood_score: float
    hints: tuple[str, ...]
    lesions: LesionSummary | None


def of_python(classifier: Classifier, rgb_img: np.ndarray) -> Answer:
    """Return Python's answer for RGB uint8 (H, W, 3)."""
    prediction = classifier.predict_image(rgb_img)
    return Answer(
        prediction.probabilities, prediction.known, prediction.ood_score,
        tuple(hint.code for hint in find_hints(rgb_img, prediction)),
        measure_lesions(rgb_img))


class Handler(SimpleHTTPRequestHandler):
    """Serves the folder, and photographs beside it, on one origin."""

    photographs: Sequence[bytes] = ()

    def do_GET(self) -> None:
        """Send a file, or a photograph: /benchmark/7."""
        if not self.path.startswith(PHOTOGRAPH):
            super().do_GET()
            return
        content = self.photographs[int(self.path.removeprefix(PHOTOGRAPH))]
        self.send_response(200)
        self.send_header("Content-Type", "image/jpeg")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *arguments: object) -> None:
        """Say nothing."""


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve a folder on this machine; yield its address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0),
                                 partial(Handler, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


class Phone:
    """The page in Chromium, with the predictor on its own thread."""

    def __init__(self, page: object, class_names: Sequence[str]) -> None:
        self.page, self.class_names = page, class_names

    def answer(self, content: bytes, with_pixels: bool = False
               ) -> tuple[Answer, np.ndarray | None, float]:
        """Return the answer, Chromium's pixels (H, W, 3), and seconds."""
        Handler.photographs = [content]
        found = self.page.evaluate(PREDICT, [f"{PHOTOGRAPH}0", with_pixels])
        shares = {item["name"]: item["probability"]
                  for item in found["classes"]}
        pixels = found["pixels"] and np.frombuffer(
            base64.b64decode(found["pixels"]["data"]), np.uint8).reshape(
            found["pixels"]["height"], found["pixels"]["width"], 4)[..., :3]
        return (Answer(np.array([shares[name] for name in self.class_names]),
                       found["known"], found["ood_score"],
                       tuple(found["hints"]), found["lesions"]
                       and LesionSummary(**found["lesions"])),
                pixels, found["seconds"])


def compare(title: str, ours: Sequence[Answer], theirs: Sequence[Answer]
            ) -> None:
    """Print how two lists of answers for the same photographs differ."""
    pairs = list(zip(ours, theirs))
    classes = sum(one.probabilities.argmax() == other.probabilities.argmax()
                  for one, other in pairs)
    known = sum(one.known == other.known for one, other in pairs)
    apart = np.array([np.abs(one.probabilities - other.probabilities).max()
                      for one, other in pairs])
    hints = sum(one.hints == other.hints for one, other in pairs)
    scores = np.array([abs(one.ood_score - other.ood_score)
                       for one, other in pairs])
    print(f"  {title:<34} class {classes / len(pairs):7.2%}  known "
          f"{known / len(pairs):7.2%}  hints {hints / len(pairs):7.2%}  "
          "probabilities: largest "
          f"{apart.max():.4f}, 99 % {np.quantile(apart, 0.99):.4f}, within "
          f"0.02 {np.mean(apart <= 0.02):.2%}; OOD scores: median "
          f"{np.median(scores):.2g}", flush=True)
    compare_lesions([(one.lesions, other.lesions) for one, other in pairs])


def compare_lesions(pairs: Sequence[tuple[LesionSummary | None,
                                          LesionSummary | None]]) -> None:
    """Print how the lesions of two lists of answers differ."""
    leaves = sum((one.leaves if one else 0) == (other.leaves if other else 0)
                 for one, other in pairs)
    both = [pair for pair in pairs if all(pair)]
    shares = np.array([abs(one.share - other.share) for one, other in both])
    spots = sum(abs(one.spots - other.spots) <= 0.1 * other.spots
                for one, other in both)
    print(f"    number of leaves {leaves / len(pairs):7.2%}; of {len(both)} "
          f"with leaves: share within 1 point {np.mean(shares <= 0.01):.2%}, "
          f"largest difference {shares.max(initial=0):.4f}, spots within a "
          f"tenth {spots / max(1, len(both)):.2%}", flush=True)


def compare_small(phone: Phone, classifier: Classifier,
                  paths: Sequence[Path]) -> None:
    """Compare photographs that both sides decode at full size."""
    phones, python, same_pixels, levels = [], [], [], []
    for path in paths:
        answer, pixels, _ = phone.answer(path.read_bytes(), True)
        phones.append(answer)
        python.append(of_python(classifier, classifier.read(path)))
        same_pixels.append(of_python(classifier, pixels))
        levels.append(np.abs(pixels.astype(int) - read_image(path)))
    compare("Chromium against Python", phones, python)
    compare("of it, the decoder", same_pixels, python)
    compare("of it, the rest", phones, same_pixels)
    differences = np.concatenate([part.ravel() for part in levels])
    print(f"  pixels: {np.mean(differences > 0):.2%} differ, by at most "
          f"{differences.max()} levels")


def compare_large(phone: Phone, classifier: Classifier,
                  contents: Sequence[bytes]) -> None:
    """Compare photographs that Python decodes at a quarter of their size."""
    side = classifier.description.size
    reduced, whole, phones = [], [], []
    for content in contents:
        name = Path("large")
        reduced.append(of_python(
            classifier, read_for_network(name, side, content)))
        # No network is so large: nothing is reduced.
        whole.append(of_python(
            classifier, read_for_network(name, 4096, content)))
        phones.append(phone.answer(content)[0])
    compare("Chromium against Python", phones, reduced)
    compare("of it, Python's reduced decoding", whole, reduced)
    compare("of it, the rest", phones, whole)


def lay(paths: Sequence[Path], count: int, seed: int) -> bytes:
    """Return photographs' leaves on a plain ground, side by side: a JPEG.

    count: a key of LAID_SIDES.
    """
    generator = np.random.default_rng(seed)
    width, height = LAID
    whole = np.uint8(np.clip(generator.normal(
        GROUNDS[seed % len(GROUNDS)], NOISE, (height, width, 3)), 0, 255))
    side, columns = LAID_SIDES[count], min(3, max(1, count))
    for place, path in enumerate(paths[:max(1, count)]):
        rgb_img, mask = (cv2.resize(image, (side, side)) for image in (
            read_image(path), leaf_mask(read_image(path)) * 1.0))
        x = (width - columns * side) // 2 + place % columns * side
        y = 20 + place // columns * (side + 20)
        window = whole[y:y + side, x:x + side]
        window[:] = blend(rgb_img, mask, window)
    return encode_jpeg(whole, QUALITY)


def compare_laid(phone: Phone, classifier: Classifier, paths: Sequence[Path]
                 ) -> None:
    """Compare leaves that are laid on a plain ground; print times."""
    for count in LAID_SIDES:
        contents = [lay(np.roll(paths, -7 * seed), count, seed)
                    for seed in range(LAID_COUNT)]
        phones, python, times = [], [], []
        for content in contents:
            phones.append(phone.answer(content)[0])
            python.append(of_python(classifier, read_upload(
                classifier, content)))
            times.append(phone.page.evaluate(TIME_VIEWS, f"{PHOTOGRAPH}0"))
        compare(f"{count} laid" if count else "1 small, laid", phones, python)
        print(f"    leaves, lesions and their views {np.median(times):.0f} "
              f"ms (median), {max(times):.0f} ms (largest)", flush=True)


def enlarge(path: Path, seed: int) -> bytes:
    """Return a photograph as a phone's: 12 megapixels, noisy, a JPEG."""
    rgb_img = cv2.resize(read_image(path), LARGE,
                         interpolation=cv2.INTER_CUBIC)
    noise = np.random.default_rng(seed).normal(0, NOISE, rgb_img.shape)
    return encode_jpeg(np.uint8(np.clip(rgb_img + noise, 0, 255)), QUALITY)


def print_times(page: object, phone: Phone, address: str,
                photographs: dict[str, list[bytes]]) -> None:
    """Measure first and further answers on a slow processor."""
    slow = page.context.new_cdp_session(page)
    slow.send("Emulation.setCPUThrottlingRate", {"rate": SLOWDOWN})
    for kind, contents in photographs.items():
        first, further = [], []
        for _ in range(ROUNDS):
            Handler.photographs = contents
            page.goto("about:blank")
            start = page.evaluate("Date.now()")
            page.goto(address)
            page.evaluate(LOAD)
            phone.answer(contents[0])
            first.append((page.evaluate("Date.now()") - start) / 1000)
            further += [phone.answer(content)[2] for content in contents[1:]]
        print(f"{kind}: first answer {min(first):.2f} to {max(first):.2f} s "
              f"after opening, further {statistics.median(further):.3f} s "
              f"(median), {max(further):.3f} s (largest of {len(further)})",
              flush=True)


def sample(folder: Path, count: int) -> list[Path]:
    """Return up to `count` images of a folder, evenly from all of it."""
    paths = find_images(folder)
    chosen = np.unique(np.linspace(0, len(paths) - 1, count).astype(int))
    return [folder / paths[index] for index in chosen]


def measure(page: object, address: str, classifier: Classifier,
            folders: dict[Path, list[Path]]) -> None:
    """Print everything."""
    page.goto(address)
    page.evaluate(LOAD)
    phone = Phone(page, classifier.class_names)
    for folder, paths in folders.items():
        print(f"{folder}, {len(paths)} photographs")
        compare_small(phone, classifier, paths)
    first = next(iter(folders.values()))
    print(f"{LAID[0]} x {LAID[1]}, leaves of the first directory")
    compare_laid(phone, classifier, first)
    paths = [path for paths in folders.values() for path in paths]
    large = [enlarge(path, seed) for seed, path in enumerate(
        paths[::max(1, len(paths) // LARGE_COUNT)][:LARGE_COUNT])]
    print(f"{LARGE[0]} x {LARGE[1]}, {len(large)} photographs")
    compare_large(phone, classifier, large)
    print_times(page, phone, address, {
        "small photographs": [path.read_bytes() for path in paths[:20]],
        "12 megapixels": large[:5]})


def main(argv: list[str] | None = None) -> int:
    """Run the benchmark and return its exit status."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folders", nargs="+", type=Path, metavar="DIRECTORY")
    parser.add_argument("--learnings", default=DEFAULT, metavar="ZIP")
    parser.add_argument("--count", type=cli.positive_int, default=200)
    options = parser.parse_args(argv)
    archive = find_archive(options.learnings)
    classifier = Classifier.load(archive)
    folders = {folder: sample(folder, options.count)
               for folder in options.folders}
    from playwright.sync_api import sync_playwright
    with (tempfile.TemporaryDirectory() as scratch, sync_playwright() as web):
        out = Path(scratch, "phone")
        write_folder(out, read_archive(archive))
        browser = web.chromium.launch(executable_path=CHROMIUM,
                                      args=["--no-sandbox"])
        with served(out) as address:
            measure(browser.new_page(), address, classifier, folders)
        browser.close()
    return cli.DONE


if __name__ == "__main__":
    sys.exit(cli.run(main))
