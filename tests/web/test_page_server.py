"""The page in a browser, and its server: several of each, or none."""

import re
import signal
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import replace

from browsing import (SCAB, WORDS, button, choose,
                      leaf, row, verdict, wait_for, wait_for_rows,
                      wait_for_text)
from paths import ROOT
from serving import make_classifier, photograph

from leaffliction.model.classifier import Classifier


# No pause of a second or more ends: the page does nothing by itself.
NO_WAITING = """(() => {
  const { setTimeout } = window;
  window.setTimeout = (action, ms, ...values) => setTimeout(
    action, ms < 1000 ? ms : 1e8, ...values);
})()"""


@contextmanager
def program(folder, port=0):
    """Run predict.py --web; yield the address that it prints.

    At the end it is killed: it has no time to say goodbye.
    """
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "predict.py"), "--web", "--port",
         str(port), "--learnings", "apple-grape"],
        cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        text=True)
    try:
        yield process.stdout.readline().strip()
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()


def test_the_program_is_killed_and_started_again(visits_to, tmp_path):
    with program(tmp_path) as address:
        visits = visits_to(address)
        tab = visits.open_empty()
        tab.add_init_script(NO_WAITING)
        visits.show(tab)
        choose(tab, {"before.jpg": leaf(1, 224)})
        wait_for_rows(tab, 1)
    visits.allowed.append("ERR_")
    choose(tab, {"between.jpg": leaf(2, 224), "after.jpg": leaf(3, 224)})
    wait_for_rows(tab, 2, "error")
    banner = tab.locator(".banner", has_text=WORDS["offline"])
    assert banner.is_visible()
    shown = row(tab, "between.jpg")
    assert shown.get_by_text(WORDS["error_offline"]).is_visible()
    button(row(tab, "before.jpg"), WORDS["it_is"]).click()
    button(row(tab, "before.jpg"), WORDS["save"]).click()
    wait_for_text(row(tab, "before.jpg").get_by_role("alert"),
                  WORDS["error_offline"])
    with program(tmp_path, int(re.search(r":(\d+)/", address)[1])):
        button(shown, WORDS["again"]).click()
        # With it, all others that had no answer get theirs.
        wait_for_rows(tab, 3)
        assert banner.is_hidden()
        button(row(tab, "before.jpg"), WORDS["save"]).click()
        row(tab, "before.jpg").locator(".saved").wait_for()
    assert len(list((tmp_path / "corrections").glob("*/*.jpg"))) == 1


def test_the_page_goes_on_by_itself_when_the_server_is_back(visits):
    visits.allowed.append("ERR_FAILED")
    tab = visits.open()
    tab.clock.install()
    tab.route("**/api/*", lambda route: route.abort())
    choose(tab, {"leaf.jpg": leaf()})
    wait_for_rows(tab, 1, "error")
    tab.unroute("**/api/*")
    tab.clock.run_for(3000)
    wait_for_rows(tab, 1)


def test_a_photograph_waits_while_the_server_is_busy(tab, page, visits):
    visits.allowed.append("status of 503")
    refused = []

    def refuse(route):
        refused.append(route.request.url)
        route.fulfill(status=503, headers={"Retry-After": "0.1"}, json={
            "error": "the server is busy", "code": "busy"})
    tab.route("**/api/predict*", refuse, times=2)
    choose(tab, {"leaf.jpg": leaf()})
    wait_for_rows(tab, 1)
    assert len(refused) == 2


def test_two_pages_at_the_same_time(visits, page):
    network = page.network
    network.gate.clear()
    # The second is that of a phone, at a longer address.
    tabs = [visits.open(), visits.open(f"join/{page.site.sessions.token}")]
    for tab, name in zip(tabs, ("one.jpg", "two.jpg")):
        choose(tab, {name: leaf(), "both.jpg": photograph(1, SCAB)})
    network.gate.set()
    for tab, name in zip(tabs, ("one.jpg", "two.jpg")):
        wait_for_rows(tab, 2)
        assert tab.locator("li.row h3").all_text_contents() == [
            name, "both.jpg"]
    for tab, said in zip(tabs, ("right", "not_a_leaf")):
        shown = row(tab, "both.jpg")
        button(shown, WORDS[said]).click()
        shown.locator(".saved").wait_for()
    # The same photograph: what was said last counts.
    state = page.site.corrections.state()
    assert (state["counts"], state["not_a_leaf"]) == ({}, 1)


def test_another_model_answers_anew(visits, page, monkeypatch):
    other = make_classifier(monkeypatch, "other.zip")
    page.site.classifiers["other"] = Classifier(
        replace(other.description, class_names=("Rose", "Tulip", "Daisy")),
        b"", other.ood_detector, "4567", "other.zip")
    tab = visits.open()
    choose(tab, {"leaf.jpg": leaf(), "1.jpg": photograph(1, SCAB),
                 "2.jpg": photograph(2, SCAB)})
    wait_for_rows(tab, 3)
    assert verdict(row(tab, "leaf.jpg")).startswith("Esca of grape")
    menu = tab.get_by_role("combobox", name=WORDS["model"])
    assert menu.locator("option").all_inner_texts() == ["tiny", "other"]
    # All that it needs is there already, but the predictions.
    tab.route("**/texts/*", lambda route: route.abort())
    gate = page.site.classifiers["other"].network.gate
    gate.clear()
    menu.select_option("other")
    # No row shows what the other model has said.
    wait_for_rows(tab, 2, "asking")
    wait_for_rows(tab, 1, "waiting")
    assert tab.locator(".verdict").count() == 0
    gate.set()
    wait_for_text(row(tab, "leaf.jpg"), "Tulip")
    wait_for_rows(tab, 3)
    assert tab.locator("#knows").text_content() == WORDS["knows"].format(
        classes="Rose, Tulip, Daisy")


def test_the_address_for_a_phone(tab, page):
    button(tab, WORDS["phone"]).click()
    panel = tab.get_by_role("dialog", name=WORDS["phone"])
    panel.get_by_text("predict.py --web --host 0.0.0.0").wait_for()
    assert panel.get_by_role("img").count() == 0


def test_the_address_for_a_phone_without_the_server(tab, visits):
    visits.allowed.append("ERR_FAILED")
    tab.route("**/api/phone", lambda route: route.abort())
    button(tab, WORDS["phone"]).click()
    panel = tab.get_by_role("dialog", name=WORDS["phone"])
    panel.get_by_text(WORDS["error_offline"]).wait_for()
    assert panel.get_by_text("--host").is_hidden()


def test_the_qr_code_for_a_phone(visits_to, serve):
    page = serve(advertised="http://192.168.1.5:8000")
    tab = visits_to(f"http://127.0.0.1:{page.site.port}/").open()
    button(tab, WORDS["phone"]).click()
    panel = tab.get_by_role("dialog", name=WORDS["phone"])
    panel.get_by_text("http://192.168.1.5:8000/join/"
                      + page.site.sessions.token).wait_for()
    code = panel.get_by_role("img", name=WORDS["phone_code"])
    wait_for(tab, "(image) => image.naturalWidth > 0", code.element_handle())
    assert panel.get_by_text("--host").is_hidden()


def test_the_page_without_javascript_or_without_its_server(visits, tab):
    silent = visits.open(java_script_enabled=False)
    assert silent.locator("noscript p").is_visible()
    visits.allowed.append("ERR_FAILED")
    tab.route("**/api/models", lambda route: route.abort())
    tab.reload()
    tab.get_by_role("alert").get_by_text("predict.py --web").wait_for()
