"""The page in a browser: corrections, plants, and what is taken along."""

import csv
import io

from browsing import (EN, ESCA, SCAB, STRANGER, WORDS, button, choose, drag,
                      leaf, row, verdict, wait_for_rows, wait_for_text)
from pytest import approx
from serving import photograph

from leaffliction.prediction.plants import combine
from leaffliction.web import corrections
from leaffliction.web.prediction_json import read_upload


def corrected(page):
    """Return {path in the folder of corrections: content}, without CSV."""
    folder = page.site.corrections.folder
    return {path.parent.relative_to(folder).as_posix(): path.read_bytes()
            for path in folder.rglob("*.jpg")}


def saved(shown, name):
    """Wait until a row says that its correction is saved."""
    wait_for_text(shown.locator(".saved"), WORDS["saved"].format(name=name))


def test_right_and_undo(tab, page):
    choose(tab, {"leaf.jpg": leaf()})
    wait_for_rows(tab, 1)
    shown = row(tab, "leaf.jpg")
    button(shown, WORDS["right"]).click()
    saved(shown, "Esca of grape (black measles)")
    assert corrected(page) == {"Grape_Esca": leaf()}
    # The focus stays where the hand or the reader is.
    assert shown.locator(":focus").inner_text() == WORDS["undo"]
    button(shown, WORDS["undo"]).click()
    button(shown, WORDS["right"]).wait_for()
    assert corrected(page) == {".undone/Grape_Esca": leaf()}


def test_it_is_another_class_a_new_one_or_no_leaf(tab, page, visits):
    visits.allowed.append("status of 422")     # of a name that cannot be
    choose(tab, {"1.jpg": leaf(1), "2.jpg": leaf(2),
                 "3.jpg": photograph(3, STRANGER)})
    wait_for_rows(tab, 3)
    # The likeliest other class is chosen already.
    shown = row(tab, "1.jpg")
    button(shown, WORDS["it_is"]).click()
    button(shown, WORDS["save"]).click()
    saved(shown, "Apple scab")
    shown = row(tab, "2.jpg")
    button(shown, WORDS["it_is"]).click()
    menu = shown.get_by_role("combobox", name=WORDS["it_is"])
    menu.select_option(label=WORDS["another_class"])
    name = shown.get_by_role("textbox", name=WORDS["new_name"])
    name.fill("2021")
    name.press("Enter")
    wait_for_text(shown.get_by_role("alert"), WORDS["error_correction"])
    name.fill("Apple canker")
    name.press("Enter")
    saved(shown, "Apple canker")
    shown = row(tab, "3.jpg")
    button(shown, WORDS["not_a_leaf"]).click()
    saved(shown, WORDS["not_a_leaf"])
    assert corrected(page) == {
        "Apple_scab": leaf(1), "Apple canker": leaf(2),
        ".not_a_leaf": photograph(3, STRANGER)}


def test_the_panel_of_corrections(visits, page, monkeypatch):
    monkeypatch.setattr(corrections, "ENOUGH", 2)
    tab = visits.open(permissions=["clipboard-read", "clipboard-write"])
    opener = tab.get_by_role("button", name=WORDS["corrections"])
    opener.click()
    panel = tab.get_by_role("dialog", name=WORDS["corrections"])
    assert panel.get_by_text(WORDS["corrections_empty"]).is_visible()
    button(panel, WORDS["close"]).click()
    choose(tab, {"1.jpg": photograph(1, SCAB), "2.jpg": photograph(2, SCAB),
                 "3.jpg": photograph(3, ESCA),
                 "4.jpg": photograph(4, STRANGER)})
    wait_for_rows(tab, 4)
    for name, said in (("1.jpg", "right"), ("2.jpg", "right"),
                       ("3.jpg", "right"), ("4.jpg", "not_a_leaf")):
        button(row(tab, name), WORDS[said]).click()
    wait_for_text(opener, "4")
    opener.click()
    assert [line.split("\t") for line in
            panel.get_by_role("row").all_inner_texts()[1:]] == [
        ["Apple scab", "2", f"\n {WORDS['enough']}"],
        ["Esca of grape (black measles)", "1", ""],
        [WORDS["not_a_leaf"], "1", ""]]
    button(panel, WORDS["copy"]).click()
    panel.get_by_text(WORDS["copied"]).wait_for()
    command = tab.evaluate("navigator.clipboard.readText()")
    assert command == page.site.corrections.state()["command"]
    assert panel.get_by_text(command).is_visible()


def test_a_plant_of_three_photographs(tab):
    choose(tab, {"1.jpg": photograph(1, ESCA), "2.jpg": photograph(2, SCAB),
                 "3.jpg": photograph(3, SCAB), "4.jpg": photograph(4, ESCA)})
    wait_for_rows(tab, 4)
    for name in ("1.jpg", "2.jpg", "3.jpg"):
        tab.get_by_role("checkbox", name=f"Select {name}").check()
    button(tab, WORDS["group"]).click()
    plant = tab.locator("li.plant")
    assert plant.get_by_role("heading").all_text_contents() == [
        "Plant 1", "1.jpg", "2.jpg", "3.jpg"]
    card = tab.get_by_role("article", name="Plant 1")
    assert verdict(card).startswith("Apple scab ")
    assert card.get_by_text(WORDS["agree"].format(agree=2, count=3)
                            ).is_visible()
    assert card.get_by_role("link", name="1.jpg").is_visible()
    button(card, WORDS["ungroup"]).click()
    assert plant.count() == 0
    assert tab.locator("li.row h3").all_text_contents() == [
        "1.jpg", "2.jpg", "3.jpg", "4.jpg"]


def test_a_plant_has_the_prediction_of_plants_py(tab, page):
    contents = [photograph(1, ESCA), photograph(2, SCAB), leaf(),
                photograph(3, STRANGER), photograph(4, STRANGER)]
    predictions = [page.classifier.predict_image(read_upload(
        page.classifier, content)) for content in contents]
    groups = [[0], [0, 1], [0, 1, 2], [0, 3], [1, 3, 4], [3, 4]]
    found = tab.evaluate("""async (groups) => {
      const { combineAnswers } = await import("./plants.js");
      return groups.map(combineAnswers);
    }""", [[{"known": predictions[index].known, "classes": [
        {"name": name, "probability": share} for name, share in
        predictions[index].top(3)]} for index in group] for group in groups])
    for group, answer in zip(groups, found):
        expected = combine([predictions[index] for index in group])
        assert answer["known"] == expected.known
        assert [one["name"] for one in answer["classes"]] == [
            name for name, _ in expected.top(3)]
        assert [one["probability"] for one in answer["classes"]] == approx(
            [share for _, share in expected.top(3)])


def test_dropped_folders_are_plants_in_csv_and_report(
        tab, visits, page, tmp_path):
    visits.allowed.append("status of 422")
    for file, content in (
            ("orchard/tree 1/a.jpg", photograph(1, SCAB)),
            ("orchard/tree 1/b.jpg", photograph(2, ESCA)),
            ("orchard/tree 2/c.jpg", photograph(3, STRANGER)),
            ("orchard/tree 2/notes.txt", b"in a folder, this is no mistake"),
            ("d.jpg", b"not a photograph")):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_bytes(content)
    drag(tab, [tmp_path / "orchard", tmp_path / "d.jpg"])
    wait_for_rows(tab, 3)
    wait_for_rows(tab, 1, "error")
    button(tab, WORDS["by_folder"]).click()
    plants = tab.locator("li.plant")
    assert [plant.get_by_role("heading").all_text_contents()
            for plant in plants.all()] == [
        ["orchard/tree 1", "orchard/tree 1/a.jpg", "orchard/tree 1/b.jpg"],
        ["orchard/tree 2", "orchard/tree 2/c.jpg"]]
    table = list(csv.DictReader(io.StringIO(save(tab, "save_csv"))))
    assert [(row["file"], row["class"], row["known"], row["plant"])
            for row in table] == [
        ("orchard/tree 1/a.jpg", "Apple_scab", "yes", "orchard/tree 1"),
        ("orchard/tree 1/b.jpg", "Grape_Esca", "yes", "orchard/tree 1"),
        ("orchard/tree 2/c.jpg", "É 漢", "no", "orchard/tree 2"),
        ("d.jpg", "", "", "")]
    assert table[0]["confidence"] == "0.776758"
    assert table[-1]["error"]
    report = save(tab, "save_report")
    shown = visits.open_empty()
    shown.set_content(report)
    for text in ("orchard/tree 1", "d.jpg", "Apple scab", "Esca of grape",
                 EN["hints"]["no_leaf"]):
        assert shown.get_by_text(text).first.is_visible()
    assert shown.evaluate("""() => [...document.images].map(
      (image) => image.complete && image.naturalWidth)""") == [24, 24, 24]


def save(tab, name):
    """Press a button that saves a file; return its text."""
    with tab.expect_download() as download:
        button(tab, WORDS[name]).click()
    return download.value.path().read_text(encoding="utf-8")
