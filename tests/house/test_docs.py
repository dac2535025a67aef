"""The documents are true: links lead to files, options and modules exist."""

import importlib
import re
from pathlib import Path

import pytest
from paths import ROOT

from docs.commands import PAGE, command_page
from leaffliction import utils
from leaffliction.program import PROGRAMS
from leaffliction.utils import storage

PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"),
                *ROOT.glob("models/*.md")])
WEB_ADDRESSES = ("https://", "http://")


def anchors(page):
    """Return the anchors of a page's headings, as GitHub makes them."""
    found = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
            for heading in found}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files_and_headings(page):
    for link in re.findall(r"\]\(([^)]+)\)", page.read_text()):
        if link.startswith(WEB_ADDRESSES):
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


@pytest.mark.parametrize("package", [utils, storage],
                         ids=lambda package: package.__name__)
def test_the_docstring_of_a_package_lists_each_of_its_modules(package):
    listed = re.findall(r"^    (\w+)/? {2,}\S", package.__doc__, re.MULTILINE)
    folder = Path(package.__file__).parent
    modules = {path.stem for path in folder.iterdir()} - {
        "__init__", "__pycache__"}
    assert sorted(listed) == sorted(modules)
