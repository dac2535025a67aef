"""What the tests of the page share: a server, and a browser."""

from dataclasses import dataclass

import pytest
from browsing import Visits, launch, new_tab
from serving import Client, make_classifier, serving

from leaffliction.model.classifier import Classifier
from leaffliction.web.request_handler import Site


@dataclass
class Page:
    """A running server.  client: a browser on this computer."""

    site: Site
    client: Client
    classifier: Classifier

    @property
    def network(self):
        """The network, with its gate."""
        return self.classifier.network


def printed(site):
    """Return what a server prints to stderr when it starts."""
    hint = "drop photographs of leaves there; Ctrl-C ends it\n"
    return hint if site.advertised is None else (
        f"{hint}one device in this network may open {site.join_address}, and "
        "more by the QR code in the page\n")


@pytest.fixture
def serve(monkeypatch, tmp_path, capsys):
    """Return serving() with a tiny classifier; it yields a Page.

    After its start a server prints nothing.
    """
    classifier = make_classifier(monkeypatch)
    serving_pages = []

    def start(**site):
        context = serving(classifier, tmp_path / "corrections", **site)
        site, client = context.__enter__()
        serving_pages.append(context)
        assert capsys.readouterr().err == printed(site)
        return Page(site, client, classifier)

    yield start
    classifier.network.gate.set()
    for context in serving_pages:
        context.__exit__(None, None, None)
    assert capsys.readouterr().err == ""


@pytest.fixture
def page(serve):
    """Return a Page whose server listens on this computer alone."""
    return serve()


@pytest.fixture(scope="module")
def browser():
    """Return Chromium, which all tests of a module share.

    Not those of a session: while Playwright runs, nothing else in this
    thread may run an event loop of its own.
    """
    api = pytest.importorskip(
        "playwright.sync_api", reason="Playwright is not installed: the page "
        "is not tested in a browser")
    with api.sync_playwright() as playwright:
        browser = launch(playwright)
        yield browser
        browser.close()


@pytest.fixture
def visits_to(browser):
    """Return a function that makes the Visits to an address.

    The test fails where a browser complains, sets a cookie or asks another
    server.
    """
    made = []

    def make(address):
        made.append(Visits(browser, address))
        return made[-1]
    yield make
    for visits in made:
        visits.close()


@pytest.fixture
def visits(visits_to, page):
    """Return the Visits to the server `page`."""
    return visits_to(f"http://127.0.0.1:{page.site.port}/")


@pytest.fixture(scope="module")
def shared_tab(browser):
    """Return a tab for all tests that need no browser of their own."""
    return new_tab(browser)


@pytest.fixture
def tab(visits, shared_tab):
    """Return a tab with the page in English, 1280 x 900 pixels.

    Each server has another port, so the browser knows nothing of the page
    from earlier tests.
    """
    yield visits.show(shared_tab)
    shared_tab.unroute_all()
    shared_tab.emulate_media(reduced_motion="null")
    shared_tab.goto("about:blank")
