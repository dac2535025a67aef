"""Make docs/page.png: the page of predict.py --web with drawn leaves.

    python -m docs.page

Needs what `make demo` makes (images, learnings.zip, report/split.csv) in the
working directory, and Chromium.  The leaves shown are validation images.
"""

import subprocess
import sys
from pathlib import Path

from playwright.sync_api import Page, expect, sync_playwright

from leaffliction.model.bundle import ARCHIVE
from samples.demo import IMAGES, SPLIT, validation_leaves

ROOT = Path(__file__).parents[1]
BROWSER = "/usr/bin/chromium"
SIZE = {"width": 1100, "height": 1010}      # pixels
CLASSES = ("Apple_Black_rot", "Grape_Esca")
PHOTOGRAPHS = "input[type=file][multiple]:not([webkitdirectory])"
TIMEOUT = 30_000    # milliseconds
LESIONS = "Lesions"     # the button of the view that the first row shows


def main() -> None:
    """Show two leaves in the page and save a picture of it."""
    leaves = [leaf for leaf in validation_leaves(IMAGES, SPLIT)
              if leaf.parent.name in CLASSES]
    command = [sys.executable, ROOT / "predict.py", "--web", "--no-display",
               "--port", "0", "--learnings", ARCHIVE]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=BROWSER, args=["--no-sandbox"])
            page = browser.new_page(viewport=SIZE, locale="en")
            page.goto(server.stdout.readline().strip())
            show(page, leaves)
            page.screenshot(path=ROOT / "docs" / "page.png",
                            animations="disabled")
            browser.close()
    finally:
        server.terminate()
        server.wait()


def show(page: Page, leaves: list[Path]) -> None:
    """Give leaves to the page; open the lesions of one, and the disease."""
    page.locator(PHOTOGRAPHS).set_input_files(leaves)
    rows = page.locator("li.row[data-state=done]")
    expect(rows).to_have_count(len(leaves), timeout=TIMEOUT)
    rows.first.get_by_role("radio", name=LESIONS).check()
    rows.last.locator("summary").first.click()
    page.mouse.move(0, 0)


if __name__ == "__main__":
    main()
