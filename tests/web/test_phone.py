"""The page without a server, in a browser: the same answers, offline."""

import base64
import csv
import io
import shutil
import zipfile
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
import pytest
from browsing import (MOTS, TIMEOUT_MS, WORDS, browser_path, button, choose,
                      row, wait_for, wait_for_rows, wait_for_text)
from PIL import Image
from static_site import Site

from leaffliction.model.bundle import read_archive
from leaffliction.model.classifier import Classifier
from leaffliction.model.released import find_archive
from leaffliction.prediction.hints import CODES, find_hints
from leaffliction.prediction.leaf_views import leaf_views, overlay_class_map
from leaffliction.transformation.mask import leaf_mask
from leaffliction.utils.errors import UserError
from leaffliction.utils.images import encode_jpeg, shrink
from leaffliction.web.phone import folder as folders
from leaffliction.web.phone import litert_js
from leaffliction.web.take_along import PAGE_COLUMNS
from samples.drawing import draw_leaf

ANSWER = """async (content) => {
  const { loadPredictor } = await import("./phone/predictor.js");
  window.predict ??= await loadPredictor(new URL("model/", location.href));
  const bytes = Uint8Array.from(atob(content), (c) => c.charCodeAt(0));
  const { views, ...answer } = await predict(new Blob([bytes]));
  const map = new Uint8Array(await views.class_map.arrayBuffer());
  return { ...answer, map: btoa(String.fromCharCode(...map)) };
}"""


# Whether the device keeps as many photographs.
KEPT = """async (count) => {
  const { Store, PHOTOGRAPHS } = await import("./phone/store.js");
  return (await new Store().all(PHOTOGRAPHS)).length === count;
}"""


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """Return the folder for the released model."""
    def refuse(scratch):
        raise UserError("the tests have no network")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(litert_js, "download_package", refuse)
        out = tmp_path_factory.mktemp("phone") / "out"
        try:
            folders.write_folder(out, read_archive(find_archive(
                "apple-grape")))
        except UserError as error:
            pytest.skip(f"{error}; `make phone` downloads it")
    return out


@pytest.fixture
def site(written, tmp_path):
    """Return a running Site with a copy of the folder."""
    shutil.copytree(written, tmp_path / "site")
    site = Site(tmp_path / "site")
    with site.running():
        yield site


@pytest.fixture
def phone(site, visits_to):
    """Return a tab with the page, as on a phone."""
    return visits_to(site.address).open(width=390, height=844)


def leaf(seed=1, size=256, class_name="Grape_Esca"):
    return draw_leaf(class_name, np.random.default_rng(seed), size)


def jpeg(rgb_img):
    return encode_jpeg(rgb_img, 90)


def turned():
    """Return a JPEG whose EXIF says that it is to be turned."""
    exif = Image.Exif()
    exif[0x0112] = 6
    stream = io.BytesIO()
    Image.fromarray(leaf(4, 300)[:240]).save(stream, "JPEG", exif=exif)
    return stream.getvalue()


def transparent():
    """Return a PNG of which half is transparent."""
    pixels = np.dstack([leaf(5, 300), np.full((300, 300), 255, np.uint8)])
    pixels[:, :150, 3] = 0
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


def on_tray(count, columns=3, side=80):
    """Return drawn leaves side by side on a plain tray of 2 rows."""
    tray = np.full((2 * side + 60, columns * (side + 20), 3), 235, np.uint8)
    for number in range(count):
        row, column = divmod(number, columns)
        y, x = 20 + row * (side + 20), 10 + column * (side + 20)
        drawn = leaf(number + 1)
        mask = leaf_mask(drawn)[..., np.newaxis] * 1.0
        window = tray[y:y + side, x:x + side]
        window[:] = cv2.resize(mask * drawn + (1 - mask) * 235, (side, side),
                               interpolation=cv2.INTER_AREA)
    return tray


# The tolerance is of probabilities.  Of a large JPEG, Pillow decodes a half
# or a quarter of the size: pixels differ there by a level.
CASES = {
    "reduced": (lambda: jpeg(leaf(1)), 1e-4),
    "half the size": (lambda: jpeg(leaf(2, 448)), 1e-4),
    "enlarged": (lambda: jpeg(leaf(3)[:150, :200]), 1e-4),
    "turned": (turned, 1e-4),
    "transparent": (transparent, 1e-4),
    "dark": (lambda: jpeg(leaf(6) // 4), 1e-4),
    "burnt out": (lambda: jpeg(np.clip(leaf(7) * 4.0, 0, 255).astype(
        np.uint8)), 1e-4),
    "blurred": (lambda: jpeg(cv2.GaussianBlur(leaf(8), (0, 0), 6)), 1e-4),
    "no leaf": (lambda: jpeg(np.random.default_rng(0).integers(
        0, 256, (200, 260, 1), np.uint8).repeat(3, 2)), 1e-4),
    "several leaves": (lambda: jpeg(on_tray(2)), 1e-4),
    "a small leaf": (lambda: jpeg(on_tray(1)), 1e-4),
    "a cut leaf": (lambda: jpeg(leaf(1)[:, 60:]), 1e-4),
    "a large JPEG": (lambda: jpeg(leaf(9, 1200)[:1130]), 0.02)}


def test_answers_are_those_of_python(phone, tmp_path):
    classifier = Classifier.load("apple-grape")
    codes = set()
    for name, (make, tolerance) in CASES.items():
        file = tmp_path / "photograph"
        file.write_bytes(make())
        rgb_img = classifier.read(file)
        expected = classifier.predict_image(rgb_img)
        found = phone.evaluate(ANSWER, base64.b64encode(
            file.read_bytes()).decode())
        shares = {item["name"]: item["probability"]
                  for item in found["classes"]}
        assert [shares[class_name] for class_name in classifier.class_names
                ] == pytest.approx(expected.probabilities, abs=tolerance)
        assert found["classes"][0]["name"] == expected.class_name, name
        assert found["known"] == expected.known, name
        assert found["ood_score"] == pytest.approx(
            expected.ood_score, rel=100 * tolerance), name
        hints = [(hint.code, hint.values) for hint in find_hints(
            rgb_img, expected)]
        assert [(hint["code"], hint["values"]) for hint in found["hints"]
                ] == hints, name
        codes |= {code for code, _ in hints}
        check_map(found["map"], rgb_img, expected)
    assert codes == set(CODES)


VIEWS = """async ([width, height, content]) => {
  const { leafViews } = await import("./phone/leaf_views.js");
  const data = Uint8ClampedArray.from(atob(content), (c) => c.charCodeAt(0));
  const found = leafViews({ width, height, data });
  const encoded = ({ data }) => {
    let text = "";
    data.forEach((byte) => { text += String.fromCharCode(byte); });
    return btoa(text);
  };
  return found && [found.summary, encoded(found.pictures.leaf),
                   encoded(found.pictures.lesions)];
}"""
PHOTOGRAPHS = {
    "reduced": lambda: leaf(1, 300),
    "hardly reduced": lambda: leaf(2, 200),
    "sharpened": lambda: leaf(7, 60),
    "six leaves": lambda: on_tray(6),
    "cut into pieces": lambda: np.where(
        (np.arange(256) // 6 == 20)[:, np.newaxis, np.newaxis],
        np.uint8(40), leaf(4)),
    "with holes": lambda: np.where(
        cv2.circle(np.zeros((256, 256, 1), np.uint8), (110, 128), 9, 1, -1)
        > 0, leaf(5)[:1, :1], leaf(5)),
    "no leaf": lambda: np.full((64, 80, 3), 200, np.uint8)}


def test_leaves_and_lesions_are_those_of_python(phone):
    prediction = Classifier.load("apple-grape").predict_image(leaf())
    leaves = []
    for name, make in PHOTOGRAPHS.items():
        rgb_img = make()
        height, width = rgb_img.shape[:2]
        expected = leaf_views(rgb_img, prediction)
        found = phone.evaluate(VIEWS, [width, height, base64.b64encode(
            np.dstack([rgb_img, np.full((height, width), 255, np.uint8)])
            .tobytes()).decode()])
        if expected.summary is None:
            assert found is None, name
            continue
        summary, *pictures = found
        leaves.append(summary["leaves"])
        assert summary["leaves"] == expected.summary.leaves, name
        assert summary["share"] == pytest.approx(
            expected.summary.share, abs=5e-4), name
        assert summary["spots"] == pytest.approx(
            expected.summary.spots, rel=0.02), name
        # OpenCV rounds the ends of a line off.
        for picture, view, most in zip(pictures, (
                expected.leaf, expected.lesions), (0, 0.03)):
            pixels = np.frombuffer(base64.b64decode(picture), np.uint8)
            differs = (pixels.reshape(height, width, 4)[..., :3]
                       != view).any(axis=2)
            assert differs.mean() <= most, name
    assert len(leaves) == len(PHOTOGRAPHS) - 1 and max(leaves) == 6


LOOKS = """async (logits) => {
  const { predict } = await import("./phone/classifier.js");
  let looks = 1;
  const { probabilities } = await predict({
    temperature: 2, ood_threshold: 1e9, ood_temperature: 9,
    arrays: { mean: [0], class_means: [0], within: [1], overall: [1] } },
    { logits, features: [0] }, async () => {
      looks += 1;
      return [[0, logits[1]]];
    });
  return [looks, probabilities[0]];
}"""


def test_only_unsure_answers_take_further_looks(phone):
    # 0.9 is the probability at a logit of 4.394, with this temperature.
    for logit, expected in ((4.5, [1, 0.9047]),
                            (4.3, [2, (0.8957 + 0.5) / 2])):
        assert phone.evaluate(LOOKS, [logit, 0]) == pytest.approx(
            expected, abs=1e-4)


def check_map(content, rgb_img, prediction):
    """Compare the phone's class map with Python's, but for JPEG."""
    found = np.asarray(Image.open(io.BytesIO(base64.b64decode(content))))
    expected = overlay_class_map(shrink(rgb_img, 800), prediction)
    assert found.shape == expected.shape
    assert np.abs(found.astype(int) - expected).mean() < 5


@contextmanager
def phone_of_its_own(browser, folder, address):
    """Yield a tab of a browser that keeps what it stores in a folder."""
    context = browser.browser_type.launch_persistent_context(
        folder, executable_path=browser_path(),
        args=["--no-sandbox"], locale="en-US")
    context.set_default_timeout(TIMEOUT_MS)
    try:
        tab = context.pages[0]
        tab.goto(address)
        tab.wait_for_selector("body[data-ready]")
        yield tab
    finally:
        context.close()


def test_after_one_visit_it_works_without_a_network(
        written, tmp_path, browser):
    site = Site(written)
    with site.running(), phone_of_its_own(
            browser, tmp_path / "browser", site.address) as tab:
        choose(tab, {"first.jpg": jpeg(leaf())})
        wait_for_rows(tab, 1)
        wait_for(tab, KEPT, 1)
        # No server of these compresses anything.
        assert 2e6 < site.sent < 8e6
    # The browser starts anew, and nobody answers.
    with phone_of_its_own(browser, tmp_path / "browser", site.address) as tab:
        # The photograph is still there; it was kept on the device.
        wait_for_rows(tab, 1)
        assert row(tab, "first.jpg").locator(".verdict").is_visible()
        choose(tab, {"second.jpg": jpeg(leaf(2))})
        wait_for_rows(tab, 2)
        assert tab.locator("li.row h3").all_inner_texts() == [
            "second.jpg", "first.jpg"]
        tab.locator("#language").select_option("fr")
        wait_for(tab, "() => document.documentElement.lang === 'fr'")
        button(row(tab, "first.jpg"), MOTS["remove_one"].format(
            name="first.jpg")).click()
        wait_for(tab, KEPT, 1)
        tab.reload()
        wait_for_rows(tab, 1)
        assert row(tab, "second.jpg").is_visible()


def publish(site, title):
    """Change a text of the site, and its service worker with it."""
    files = {path: (site.folder / path).read_bytes()
             for path in folders.listed(site.folder)}
    text = files["texts/en.json"].decode()
    files["texts/en.json"] = text.replace(WORDS["intake_title"],
                                          title).encode()
    files["service_worker.js"] = folders.service_worker(
        {path: content for path, content in files.items()
         if path not in folders.NOT_KEPT})
    for path, content in files.items():
        (site.folder / path).write_bytes(content)


# What a browser does on each visit: it looks for another version.
UPDATE = """async () => {
  const registration = await navigator.serviceWorker.ready;
  await registration.update().catch(() => {});
  return Boolean(registration.waiting);
}"""


def title(tab):
    return tab.locator("#intake-title").inner_text()


def test_an_update_is_used_when_it_is_whole(site, visits_to):
    visits = visits_to(site.address)
    tab = visits.open()
    wait_for(tab, "() => navigator.serviceWorker.controller")
    publish(site, "Another title")
    # A part of the new version is missing.
    site.missing.add("texts/en.json")
    visits.allowed += ["status of 404", "texts/en.json"]
    # Not awaited: Chromium takes seconds to give a failed version up.
    tab.evaluate(f"() => void ({UPDATE})()")
    assert site.was_refused.wait(10)
    tab.reload()
    tab.wait_for_selector("body[data-ready]")
    assert title(tab) == WORDS["intake_title"]
    site.missing.clear()
    wait_for(tab, UPDATE)
    # It is whole; this page goes on with the old version.
    for words, code in ((MOTS, "fr"), (WORDS, "en")):
        tab.locator("#language").select_option(code)
        wait_for_text(tab.locator("#intake-title"), words["intake_title"])
    # The next visit begins with the new one.
    tab.goto("about:blank")
    wait_for(visits.show(tab), """async () => {
      const registration = await navigator.serviceWorker.ready;
      return !registration.waiting;
    }""")
    assert title(tab) == "Another title"
    choose(tab, {"leaf.jpg": jpeg(leaf())})
    wait_for_rows(tab, 1)


def test_corrections_are_saved_as_a_zip_to_learn_from(phone, tmp_path):
    files = {"one.jpg": jpeg(leaf()), "two.jpg": jpeg(leaf(2))}
    choose(phone, files)
    wait_for_rows(phone, 2)
    shown = row(phone, "one.jpg")
    button(shown, WORDS["it_is"]).click()
    shown.locator("select").select_option("Grape_Esca")
    button(shown, WORDS["save"]).click()
    shown.locator(".saved").wait_for()
    button(row(phone, "two.jpg"), WORDS["not_a_leaf"]).click()
    row(phone, "two.jpg").locator(".saved").wait_for()
    phone.locator("#open-corrections").click()
    with phone.expect_download() as download:
        button(phone, WORDS["save_corrections"]).click()
    download.value.save_as(tmp_path / "saved.zip")
    with zipfile.ZipFile(tmp_path / "saved.zip") as saved:
        assert saved.testzip() is None
        content = {name: saved.read(name) for name in saved.namelist()}
    table = list(csv.DictReader(io.StringIO(
        content.pop("corrections/corrections.csv").decode())))
    assert {line["name"]: content[f"corrections/{line['file']}"]
            for line in table} == files
    assert sorted(Path(name).parent.as_posix() for name in content) == [
        "corrections/.not_a_leaf", "corrections/Grape_Esca"]
    phone.on("dialog", lambda dialog: dialog.accept())
    button(phone, WORDS["delete_corrections"]).click()
    wait_for_text(phone.locator("#corrections-empty"),
                  WORDS["corrections_empty"])
    phone.reload()
    wait_for_rows(phone, 2)
    assert phone.locator(".saved").count() == 0


def test_csv_is_that_of_the_program(phone):
    choose(phone, {"=1.jpg": jpeg(leaf()), "text.txt": b"text"})
    wait_for_rows(phone, 1)
    wait_for_rows(phone, 1, "error")
    assert row(phone, "text.txt").get_by_text(
        WORDS["error_unreadable"]).is_visible()
    with phone.expect_download() as download:
        phone.locator("#save-csv").click()
    head, text_row, leaf_row = csv.reader(io.StringIO(
        Path(download.value.path()).read_text()))
    assert tuple(head) == PAGE_COLUMNS
    assert leaf_row[0] == "'=1.jpg" and 0 < float(leaf_row[2]) <= 1
    assert text_row[:4] == ["text.txt", "", "", ""] and text_row[4]
    assert phone.locator("#save-report").is_hidden()


def test_a_network_that_cannot_be_loaded_is_one_line_and_is_tried_again(
        site, visits_to):
    site.missing.add("phone/worker.js")
    visits = visits_to(site.address)
    visits.allowed += ["404", "Service Worker registration blocked"]
    # Without a service worker, which would refuse to keep half of the page.
    tab = visits.open(service_workers="block")
    choose(tab, {"leaf.jpg": jpeg(leaf())})
    wait_for_rows(tab, 1, "error")
    shown = row(tab, "leaf.jpg")
    assert shown.get_by_text(WORDS["error_not_loaded"]).is_visible()
    site.missing.clear()
    button(shown, WORDS["again"]).click()
    wait_for_rows(tab, 1)
