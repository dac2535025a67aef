"""What a person does in the page, and what a browser then shows."""

import base64
import json
import os
import shutil
from functools import cache

import numpy as np
import pytest

from leaffliction.prediction.languages import FOLDER
from leaffliction.utils.images import encode_jpeg

TIMEOUT_MS = 10_000     # after which a test fails that waits in vain
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
EN, FR = (json.loads((FOLDER / f"{code}.json").read_text(encoding="utf-8"))
          for code in ("en", "fr"))
WORDS, MOTS = EN["page"], FR["page"]
# Colours for serving.photograph: what the tiny network knows as Apple_scab,
# as Grape_Esca, and what it does not know.
SCAB, ESCA, STRANGER = (185, 135, 110), (85, 185, 110), (20, 20, 230)


def browser_path():
    """Return where the browser is, or None."""
    return next(filter(None, map(shutil.which, BROWSERS)), None)


def launch(playwright):
    """Return a running browser; without one, skip the test."""
    path = browser_path()
    if path is None:
        pytest.skip(f"none of {', '.join(BROWSERS)} is installed: the page "
                    "is not tested in a browser")
    # Chromium's sandbox does not work for root.
    return playwright.chromium.launch(
        executable_path=path,
        args=["--no-sandbox"] if os.geteuid() == 0 else [])


class Visits:
    """Browsers that visit one server, and all that goes wrong in them.

    problems: one line each.  allowed: parts of lines that are no problem in
    this test.
    """

    def __init__(self, browser, address):
        self.browser, self.address = browser, address
        self.allowed, self.problems, self.tabs, self.own = [], [], [], []
        self.listeners = {
            "console": self.read_console, "request": self.see_request,
            "pageerror": lambda error: self.problems.append(str(error))}

    def open(self, path="", **options):
        """Return a tab with a page of the server, in a fresh browser.

        options: of Playwright's new_context.
        """
        return self.show(self.open_empty(**options), path)

    def open_empty(self, **options):
        """Return an empty tab in a fresh browser."""
        self.own.append(new_tab(self.browser, **options))
        return self.own[-1]

    def show(self, tab, path=""):
        """Show a page of the server in a tab; return the tab."""
        self.tabs.append(tab)
        for event, listener in self.listeners.items():
            tab.on(event, listener)
        tab.goto(self.address + path)
        if tab.locator("noscript > *").count() == 0:
            tab.wait_for_selector("body[data-ready]")
        return tab

    def read_console(self, message):
        """Remember what the browser complains about, CSP violations too."""
        if message.type in ("error", "warning"):
            self.problems.append(f"{message.text} {message.location['url']}")

    def see_request(self, request):
        """Remember a request to anyone but the server of the page."""
        if not request.url.startswith((self.address, "data:", "blob:")):
            self.problems.append(f"request to {request.url}")

    def close(self):
        """Fail where anything went wrong, or a cookie was set."""
        for tab in self.tabs:
            self.problems += [f"cookie {cookie['name']}"
                              for cookie in tab.context.cookies()]
            for event, listener in self.listeners.items():
                tab.remove_listener(event, listener)
        for tab in self.own:
            tab.context.close()
        problems = [problem for problem in self.problems
                    if not any(part in problem for part in self.allowed)]
        assert not problems, problems


def new_tab(browser, locale="en-US", width=1280, height=900, **options):
    """Return an empty tab of a browser without a past.

    options: of Playwright's new_context.
    """
    context = browser.new_context(
        locale=locale, viewport={"width": width, "height": height}, **options)
    context.set_default_timeout(TIMEOUT_MS)
    return context.new_page()


@cache
def leaf(seed=1, size=128, class_name="Grape_Esca"):
    """Return the file of a drawn leaf, which the tiny network knows."""
    from samples.drawing import draw_leaf
    return encode_jpeg(
        draw_leaf(class_name, np.random.default_rng(seed), size), 90)


def choose(tab, files, button="choose-files"):
    """Choose files, {name: content}, in the dialog of the browser."""
    tab.locator(f"#{button}").set_input_files([
        {"name": name, "mimeType": mime_type(name), "buffer": content}
        for name, content in files.items()])


def mime_type(name):
    """Return the type that a browser would give a file."""
    return "text/plain" if name.endswith(".txt") else "image/jpeg"


def give(tab, files, event):
    """Drop or paste files, {name: content}; event: "drop" or "paste"."""
    tab.evaluate("""([files, kind]) => {
      const data = new DataTransfer();
      for (const [name, type, content] of files) {
        const bytes = Uint8Array.from(atob(content), (c) => c.charCodeAt(0));
        data.items.add(new File([bytes], name, { type }));
      }
      const options = { bubbles: true, cancelable: true };
      document.body.dispatchEvent(kind === "drop"
        ? new DragEvent("drop", { dataTransfer: data, ...options })
        : new ClipboardEvent("paste", { clipboardData: data, ...options }));
    }""", [[(name, mime_type(name), base64.b64encode(content).decode())
            for name, content in files.items()], event])


def drag(tab, paths):
    """Drag files and folders of the disk into the page, and drop them."""
    devtools = tab.context.new_cdp_session(tab)
    for event in ("dragEnter", "dragOver", "drop"):
        devtools.send("Input.dispatchDragEvent", {
            "type": event, "x": 200, "y": 200, "data": {
                "items": [], "files": [str(path) for path in paths],
                "dragOperationsMask": 1}})
    devtools.detach()


def wait_for(tab, script, argument=None):
    """Wait until a JavaScript function returns something true."""
    tab.wait_for_function(script, arg=argument, timeout=TIMEOUT_MS)


def wait_for_rows(tab, count, state="done"):
    """Wait until as many rows have a state: waiting, asking, done, error."""
    wait_for(tab, """([count, state]) => document.querySelectorAll(
      `li.row[data-state="${state}"]`).length === count""", [count, state])


def wait_for_text(locator, text):
    """Wait until an element holds a text."""
    locator.filter(has_text=text).wait_for()


def row(tab, name):
    """Return the row of a photograph."""
    return tab.get_by_role("article", name=name, exact=True)


def verdict(row):
    """Return the large words of an answer, on one line."""
    return " ".join(row.locator(".verdict").inner_text().split())


def button(tab, name):
    """Return the button with a name."""
    return tab.get_by_role("button", name=name, exact=True)
