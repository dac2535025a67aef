"""The documents are true: links lead somewhere, options exist."""

import importlib
import re

import pytest
from paths import ROOT

from docs.commands import PAGE, command_page
from leaffliction.program import PROGRAMS

PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
# Not in the clone: made by the programs, or named as an example.
EXAMPLES = ("https://", "http://", "#")


def anchors(page):
    """Return the anchors of a page's headings, as GitHub makes them."""
    found = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
            for heading in found}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files_and_headings(page):
    for link in re.findall(r"\]\(([^)]+)\)", page.read_text()):
        if link.startswith(EXAMPLES[:2]):
            continue
        file, _, anchor = link.partition("#")
        target = (page.parent / file).resolve() if file else page
        assert target.exists(), f"{page.name}: {link}"
        if anchor:
            assert anchor in anchors(target), f"{page.name}: {link}"


def test_files_of_the_code_that_pages_name_exist():
    for page in PAGES:
        for file in re.findall(
                r"`((?:leaffliction|tests|benchmarks|samples|docs)/[\w/.-]+)`",
                page.read_text()):
            if page.name != "CHANGELOG.md" and "regressions" not in file:
                assert (ROOT / file).exists(), f"{page.name}: {file}"


def test_options_that_pages_name_exist():
    known = {name: set(importlib.import_module(name).build_parser()
                       ._option_string_actions) for name in PROGRAMS}
    checked = 0
    for page in PAGES:
        for name, rest in re.findall(
                r"^(?:.*bin/)?python (\w+)\.py(.*)$",
                page.read_text().replace("\\\n", " "), re.MULTILINE):
            for option in re.findall(r"(?<=\s)--?[a-z][a-z-]*", rest):
                if name in known and page.name != "commands.md":
                    assert option in known[name], f"{page.name}: {option}"
                    checked += 1
    assert checked > 10


def test_the_page_of_options_is_up_to_date():
    assert PAGE.read_text() == command_page(), "run python -m docs.commands"
