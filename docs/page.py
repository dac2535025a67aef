"""Make docs/page.png: the page of predict.py --web with drawn leaves.

    python -m docs.page

Needs what `make demo` makes (images, learnings.zip, report/split.csv) in the
working directory, and Chromium.  The leaves shown are validation images.
"""

import subprocess
import sys
from pathlib import Path

from playwright.sync_api import expect, sync_playwright

from leaffliction.model.bundle import ARCHIVE
from samples.demo import IMAGES, SPLIT, validation_leaves

ROOT = Path(__file__).parents[1]
BROWSER = "/usr/bin/chromium"
SIZE = {"width": 1100, "height": 1010}      # pixels
CLASSES = ("Apple_scab", "Grape_Esca")
LESIONS = "Lesions"     # the button of the view that the first row shows


def main() -> None:
    """Show two leaves in the page and save a picture of it."""
    leaves = [leaf for leaf in validation_leaves(IMAGES, SPLIT)
              if leaf.parent.name in CLASSES]
    command = [sys.executable, ROOT / "predict.py", "--web", "--no-display",
               "--port", "0", "--learnings", ARCHIVE]
    with (subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
          as server, sync_playwright() as playwright):
        browser = playwright.chromium.launch(
            executable_path=BROWSER, args=["--no-sandbox"])
        page = browser.new_page(viewport=SIZE, locale="en")
        page.goto(server.stdout.readline().strip())
        page.locator("input[type=file][multiple]").first.set_input_files(
            leaves)
        rows = page.locator("li.row[data-state=done]")
        expect(rows).to_have_count(len(leaves))
        rows.first.get_by_text(LESIONS, exact=True).click()
        rows.last.locator("summary").first.click()
        page.mouse.move(0, 0)
        page.screenshot(path=ROOT / "docs" / "page.png", animations="disabled")
        browser.close()
        server.terminate()


if __name__ == "__main__":
    main()
