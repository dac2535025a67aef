"""A server of the page for the tests, with a tiny classifier."""

from dataclasses import dataclass

import pytest
from serving import Client, make_classifier, serving

from leaffliction.model.classifier import Classifier
from leaffliction.web.handlers import Site


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


@pytest.fixture
def serve(monkeypatch, tmp_path, capsys):
    """Return serving() with a tiny classifier; it yields a Page.

    In the end nothing may have been printed but how to end the server.
    """
    classifier = make_classifier(monkeypatch)
    serving_pages = []

    def start(**site):
        context = serving(classifier, tmp_path / "corrections", **site)
        site, client = context.__enter__()
        serving_pages.append(context)
        return Page(site, client, classifier)

    yield start
    classifier.network.gate.set()
    for context in serving_pages:
        context.__exit__(None, None, None)
    assert capsys.readouterr().err == (
        "drop photographs of leaves there; Ctrl-C ends it\n"
        * len(serving_pages))


@pytest.fixture
def page(serve):
    """Return a Page whose server listens on this computer alone."""
    return serve()
