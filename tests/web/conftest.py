"""A server of the page for the tests, with a tiny classifier."""

from dataclasses import dataclass

import pytest
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
