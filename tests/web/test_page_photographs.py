"""The page in a browser: photographs go in, answers come out."""

import cv2
import numpy as np
from browsing import (EN, SCAB, STRANGER, WORDS, button, choose, give, leaf,
                      row, verdict, wait_for, wait_for_rows, wait_for_text)
from serving import photograph

from leaffliction.utils.images import encode_jpeg
from leaffliction.web import handlers
from leaffliction.web.prediction_json import predict_upload

# Returns the middle of the picture of a row, and its corner, as RGBA.
PIXELS = """async (row) => {
  const image = row.querySelector("img");
  await image.decode();     // The caption may be there earlier.
  const bitmap = await createImageBitmap(image);
  const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(bitmap, 0, 0);
  const at = (x, y) => [...context.getImageData(x, y, 1, 1).data];
  return [at(bitmap.width >> 1, bitmap.height >> 1), at(2, 2)];
}"""
# Notes each count and each time left that a person could have read.
OBSERVE = """() => {
  window.seen = { counts: [], times: [] };
  const text = (id) => document.getElementById(id).textContent;
  new MutationObserver(() => {
    seen.counts.push(text("progress-text"));
    seen.times.push(text("time-left"));
  }).observe(document.getElementById("progress-line"),
             { subtree: true, childList: true, characterData: true });
}"""


def test_a_dropped_photograph_becomes_a_row_with_its_answer(tab, page):
    give(tab, {"leaf.jpg": leaf()}, "drop")
    wait_for_rows(tab, 1)
    answer = predict_upload(page.classifier, leaf())
    first, second, third = [round(100 * one["probability"])
                            for one in answer["classes"]]
    shown = row(tab, "leaf.jpg")
    assert verdict(shown) == f"Esca of grape (black measles) {first}%"
    assert shown.locator(".others").inner_text().split("\n") == [
        "Apple scab", f"{second}%", "É 漢", f"{third}%"]
    bar, frame = [shown.locator(selector).first.bounding_box()["width"]
                  for selector in (".bar span", ".bar")]
    assert round(100 * bar / frame) == first
    assert tab.locator("#progress-line").is_hidden()
    shown.locator("summary").click()
    about = EN["classes"]["grape_esca"]
    for text in (about["signs"], about["next"], about["sources"][0]):
        shown.get_by_text(text).wait_for()


def test_views_of_a_photograph(tab, page):
    choose(tab, {"leaf.jpg": leaf()})
    wait_for_rows(tab, 1)
    shown = row(tab, "leaf.jpg")
    lesions = predict_upload(page.classifier, leaf())["lesions"]
    spots = WORDS["spots_other"].format(count=lesions["spots"])
    pixels = {"photograph": shown.evaluate(PIXELS)}
    for view, caption in (
            ("leaf", WORDS["caption_leaf"]),
            ("lesions", WORDS["lesions_of_leaf"].format(
                share=f"{round(100 * lesions['share'])}%", spots=spots)),
            ("class_map", WORDS["caption_class_map"])):
        shown.get_by_role("radio", name=WORDS[f"view_{view}"],
                          exact=True).check()
        wait_for_text(shown.locator(".caption"), caption)
        pixels[view] = shown.evaluate(PIXELS)
    middle, corner = pixels["leaf"]
    assert min(corner[:3]) > 250 > max(middle[:3])
    assert max(pixels["photograph"][1][:3]) < 250
    assert len({str(colours) for colours in pixels.values()}) == 4
    assert spots in shown.locator(".facts").inner_text()
    button(shown, "Enlarge leaf.jpg").click()
    picture = tab.get_by_role("dialog", name="leaf.jpg").get_by_role(
        "img", name=WORDS["view_class_map"])
    wait_for(tab, "(image) => image.naturalWidth > 0",
             picture.element_handle())
    tab.keyboard.press("Escape")
    assert tab.get_by_role("dialog").count() == 0


def test_fifty_photographs_come_in_one_by_one(tab, page):
    network = page.network
    choose(tab, {"first.jpg": leaf()})
    wait_for_rows(tab, 1)
    tab.evaluate(OBSERVE)
    network.gate.clear()
    choose(tab, {f"{number}.jpg": photograph(number, SCAB)
                 for number in range(50)})
    # The page works while the others wait.
    wait_for_rows(tab, 2, "asking")
    wait_for_text(tab.locator("#progress-text"), "0 of 50")
    shown = row(tab, "first.jpg")
    shown.get_by_role("radio", name=WORDS["view_leaf"]).check()
    wait_for_text(shown.locator(".caption"), WORDS["caption_leaf"])
    button(tab, "Remove 49.jpg from this page").click()
    wait_for_text(tab.locator("#progress-text"), "0 of 49")
    network.gate.set()
    wait_for_rows(tab, 50)
    tab.locator("#progress-line").wait_for(state="hidden")
    seen = tab.evaluate("seen")
    counts = list(dict.fromkeys(seen["counts"]))
    # A busy machine shows few frames; all at once would be one count.
    assert len(counts) > 3
    assert counts[-1] == "49 of 49"
    assert "about 1 second left" in seen["times"]
    # 2,000 rows must fit into the memory: what is closed is not there, and
    # views that were lost are asked for again.
    assert tab.locator("li.row *").count() < 50 * 70
    asked = []
    tab.on("request", lambda request: asked.append(request.url))
    for name, questions in (("48.jpg", 0), ("0.jpg", 1)):
        shown = row(tab, name)
        shown.get_by_role("radio", name=WORDS["view_class_map"]).check()
        wait_for_text(shown.locator(".caption"), WORDS["caption_class_map"])
        assert len([url for url in asked if "predict" in url]) == questions


def test_a_file_without_an_answer_is_one_line_in_its_row(
        visits, monkeypatch):
    visits.allowed.append("status of 422")
    monkeypatch.setattr(handlers, "MAX_BYTES", 5000)
    tab = visits.open()
    choose(tab, {"1.jpg": photograph(1, SCAB), "notes.txt": b"a leaf",
                 "cut.jpg": leaf()[:99], "large.jpg": leaf(1, 224),
                 "2.jpg": photograph(2, SCAB)})
    wait_for_rows(tab, 2, "done")
    wait_for_rows(tab, 3, "error")
    for name, line in (("notes.txt", "unreadable"), ("cut.jpg", "unreadable"),
                       ("large.jpg", "too_large")):
        shown = row(tab, name)
        assert shown.get_by_text(WORDS[f"error_{line}"]).is_visible()
        assert shown.locator(".verdict").count() == 0
        assert button(shown, WORDS["again"]).is_visible()
    assert [verdict(row(tab, name)) for name in ("1.jpg", "2.jpg")] == [
        "Apple scab 78%"] * 2


def test_a_photograph_of_12_megapixels(tab):
    pixels = cv2.imdecode(np.frombuffer(leaf(), np.uint8), cv2.IMREAD_COLOR)
    large = encode_jpeg(cv2.resize(pixels, (4000, 3000)), 90)
    choose(tab, {"12.jpg": large})
    wait_for_rows(tab, 1)
    shown = row(tab, "12.jpg")
    assert shown.locator(".verdict").count() == 1
    # What the page keeps is small.
    wait_for(tab, "(image) => image.naturalWidth === 400",
             shown.locator("img").element_handle())


def test_a_stranger_is_called_so_in_words_and_shape(tab):
    choose(tab, {"dog.jpg": photograph(1, STRANGER), "leaf.jpg": leaf()})
    wait_for_rows(tab, 2)
    shown = row(tab, "dog.jpg")
    assert verdict(shown) == WORDS["unknown"]
    assert shown.get_by_text(WORDS["nearest"]).is_visible()
    # What to try instead.
    assert shown.get_by_text(EN["hints"]["no_leaf"]).is_visible()
    shapes = tab.locator(".verdict use").evaluate_all(
        "(shapes) => shapes.map((shape) => shape.getAttribute('href'))")
    assert shapes == ["#icon-stranger", "#icon-leaf"]
    for view in ("leaf", "lesions"):
        assert shown.get_by_role(
            "radio", name=WORDS[f"view_{view}"], exact=True).is_disabled()
    # There is no answer that could be right.
    assert button(shown, WORDS["right"]).count() == 0
    assert button(shown, WORDS["it_is"]).is_visible()


def test_pasted_photographs_and_the_order_and_filters_of_rows(tab):
    give(tab, {"sure.jpg": photograph(1, SCAB), "leaf.jpg": leaf(),
               "dog.jpg": photograph(1, STRANGER)}, "paste")
    wait_for_rows(tab, 3)
    names = tab.locator("li.row:visible h3")
    tab.get_by_label(WORDS["order"]).select_option(label=WORDS[
        "order_least_sure"])
    assert names.all_text_contents() == ["dog.jpg", "leaf.jpg", "sure.jpg"]
    tab.get_by_role("radio", name="Apple scab").check()
    assert names.all_text_contents() == ["sure.jpg"]
    tab.get_by_role("radio", name=WORDS["filter_unknown"]).check()
    assert names.all_text_contents() == ["dog.jpg"]
    button(tab, WORDS["clear"]).click()
    assert names.count() == 0
    tab.get_by_text(WORDS["advice"]).wait_for()
