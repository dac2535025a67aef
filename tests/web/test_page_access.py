"""The page in a browser: for every hand, eye, ear, language and width."""

import pytest
from browsing import (ESCA, FR, MOTS, SCAB, STRANGER, WORDS, button, choose,
                      leaf, row, verdict, wait_for, wait_for_rows,
                      wait_for_text)
from serving import photograph

from leaffliction.web import corrections

FILES = {"a leaf with a long name, photographed in the orchard.jpg": leaf(),
         "two.jpg": photograph(2, SCAB), "three.jpg": photograph(3, ESCA),
         "dog.jpg": photograph(4, STRANGER), "notes.txt": b"no photograph"}
# Whether what has the focus has an outline, or what stands for it: its label,
# or the text beside a radio button.
FOCUS_IS_VISIBLE = """() => {
  const focused = document.activeElement;
  const label = focused.closest("label");
  return [focused, focused.nextElementSibling, label].filter(Boolean).map(
    (node) => getComputedStyle(node)).some(
    ({ opacity, outlineStyle, outlineWidth }) => Number(opacity)
      && outlineStyle !== "none" && parseFloat(outlineWidth) >= 2);
}"""
# The elements that reach beyond the right edge of the page or of a panel.
OVERFLOW = """() => [document.documentElement,
  ...document.querySelectorAll("dialog[open]")].filter(
    (node) => node.scrollWidth > node.clientWidth).map((node) => node.tagName)
"""


def fill(tab, words):
    """Bring everything onto the page that can be there."""
    choose(tab, FILES)
    wait_for_rows(tab, 4)
    wait_for_rows(tab, 1, "error")
    long, second, third, *_ = FILES
    for name in (second, third):
        shown = row(tab, name)
        button(shown, words["right"]).click()
        shown.locator(".saved").wait_for()
        shown.get_by_role("checkbox").check()
    button(tab, words["group"]).click()
    shown = row(tab, long)
    shown.locator("summary").click()
    button(shown, words["it_is"]).click()
    shown.get_by_role("radio", name=words["view_lesions"]).check()
    shown.get_by_role("checkbox").check()


@pytest.mark.parametrize("locale, sizes, device", [
    ("en-US", ((1280, "light"), (320, "dark")), {}),
    ("fr-FR", ((320, "light"), (1280, "dark")),
     {"has_touch": True, "is_mobile": True})],
    ids=["English, computer", "French, touch screen"])
def test_axe_finds_no_violation_and_nothing_is_cut_off(
        visits, monkeypatch, locale, sizes, device):
    monkeypatch.setattr(corrections, "ENOUGH", 1)
    visits.allowed.append("status of 422")
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    words = WORDS if locale == "en-US" else MOTS
    # Without motion a colour changes at once.
    tab = visits.open(locale=locale, reduced_motion="reduce", **device)

    def look(part, sizes):
        for width, scheme in sizes:
            tab.set_viewport_size({"width": width, "height": 900})
            tab.emulate_media(color_scheme=scheme)
            found = axe.run(tab, part).response["violations"]
            assert not found, (part, width, scheme, [(rule["id"], [
                node["html"] for node in rule["nodes"]]) for rule in found])
        # 640: 1280 at 200 %.
        for width in (320, 390, 640, 1280):
            tab.set_viewport_size({"width": width, "height": 900})
            assert not tab.evaluate(OVERFLOW), (part, width)

    look("body[data-empty]", sizes)
    fill(tab, words)
    look("body:not([data-empty])", sizes)
    for opener in ("#open-corrections", "#open-phone", ".row .frame"):
        tab.locator(opener).first.click()
        tab.locator("dialog[open]").wait_for()
        look("dialog[open]", sizes[:1])
        tab.keyboard.press("Escape")


def press_until(tab, key, target):
    """Press a key until an element has the focus, which is always visible."""
    handle = target.element_handle()
    for _ in range(40):
        tab.keyboard.press(key)
        assert tab.evaluate(FOCUS_IS_VISIBLE)
        if handle.evaluate("(node) => node === document.activeElement"):
            return
    raise AssertionError(f"{key} does not lead to {target}")


def test_the_keyboard_alone_leads_to_a_corrected_photograph(tab, page):
    # From now on: what a key opens at once would be missed.
    tab.once("filechooser", lambda chooser: None)
    press_until(tab, "Tab", tab.get_by_label(WORDS["choose_files"]))
    with tab.expect_file_chooser() as chooser:
        tab.keyboard.press("Enter")
    chooser.value.set_files({"name": "leaf.jpg", "mimeType": "image/jpeg",
                             "buffer": leaf()})
    wait_for_rows(tab, 1)
    shown = row(tab, "leaf.jpg")
    press_until(tab, "Tab", shown.get_by_role(
        "radio", name=WORDS["view_photograph"]))
    tab.keyboard.press("ArrowRight")
    tab.keyboard.press("ArrowRight")
    wait_for_text(shown.locator(".caption"), WORDS["spots_other"].format(
        count=16))
    press_until(tab, "Tab", button(shown, WORDS["it_is"]))
    tab.keyboard.press("Enter")
    menu = shown.get_by_role("combobox")
    assert menu.evaluate("(node) => node === document.activeElement")
    tab.keyboard.press("ArrowUp")
    press_until(tab, "Tab", button(shown, WORDS["cancel"]))
    press_until(tab, "Shift+Tab", button(shown, WORDS["save"]))
    tab.keyboard.press("Enter")
    shown.locator(".saved").wait_for()
    assert len(list(page.site.corrections.folder.glob("*/*.jpg"))) == 1
    assert button(shown, WORDS["undo"]).evaluate(
        "(node) => node === document.activeElement")
    # Into a panel, and back to where one was.
    opener = tab.get_by_role("button", name=WORDS["corrections"])
    press_until(tab, "Shift+Tab", opener)
    tab.keyboard.press("Enter")
    tab.get_by_role("dialog", name=WORDS["corrections"]).wait_for()
    tab.keyboard.press("Escape")
    assert opener.evaluate("(node) => node === document.activeElement")


def test_french_by_the_browser_and_english_by_the_switch(visits):
    tab = visits.open(locale="fr-CH")
    language = tab.locator("html").get_attribute("lang")
    assert language == "fr"
    assert tab.get_by_role("heading", name=MOTS["intake_title"]).is_visible()
    choose(tab, {"leaf.jpg": leaf()})
    wait_for_rows(tab, 1)
    shown = row(tab, "leaf.jpg")
    assert verdict(shown) == "Esca de la vigne 43 %"
    shown.locator("summary").click()
    shown.get_by_text(FR["classes"]["grape_esca"]["next"]).wait_for()
    tab.get_by_role("combobox", name=MOTS["language"]).select_option("en")
    wait_for(tab, "() => document.documentElement.lang === 'en'")
    assert verdict(shown) == "Esca of grape (black measles) 43%"
    assert tab.get_by_text(MOTS["choose_files"]).count() == 0
    # The browser remembers it, without a cookie.
    tab.reload()
    tab.get_by_role("heading", name=WORDS["intake_title"]).wait_for()


def test_reduced_motion_is_honoured(tab):
    for motion, expected in (("no-preference", ["smooth", "0.15s"]),
                             ("reduce", ["auto", "0s"])):
        tab.emulate_media(reduced_motion=motion)
        assert tab.evaluate("""() => [
          getComputedStyle(document.documentElement).scrollBehavior,
          getComputedStyle(document.querySelector("button")).transitionDuration
        ]""") == expected
