"""Take the pictures of docs/images from a report, in headless Chromium.

python tools/make_picture.py report.html [board.html]

The leaderboard is of the second report where one is given, the view of a case of the first.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "images"
WIDTH, HEIGHT = 1440, 4200  # so tall that the whole first benchmark is drawn without scrolling
_MARGIN = 24


def take(page: Page, first: str, last: str, path: Path) -> None:
    """The page from the top of one element to the bottom of another."""
    top, bottom = page.locator(first).first.bounding_box(), page.locator(last).first.bounding_box()
    assert top is not None
    assert bottom is not None
    start = max(0.0, top["y"] - _MARGIN)
    end = bottom["y"] + bottom["height"] + _MARGIN
    page.screenshot(path=path, clip={"x": 0, "y": start, "width": WIDTH, "height": end - start})
    print(f"{path}: {path.stat().st_size / 1000:.0f} kB")


def main() -> None:
    report, board = Path(sys.argv[1]).resolve(), Path(sys.argv[-1]).resolve()
    chromium = next(filter(None, map(shutil.which, ("chromium", "google-chrome", "chromium-browser"))))
    FOLDER.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
        page.goto(board.as_uri())
        page.wait_for_function(
            "() => document.querySelectorAll('.explorer .js-plotly-plot, .figures .js-plotly-plot').length >= 1"
        )
        page.wait_for_timeout(1000)
        take(page, "h1", ".leaderboard", FOLDER / "report.png")
        page.goto(report.as_uri())
        page.wait_for_function("() => document.querySelectorAll('#diatomics .js-plotly-plot').length >= 3")
        page.wait_for_timeout(1000)
        take(page, "#diatomics h3 >> nth=-1", "#diatomics .explorer", FOLDER / "explorer.png")
        browser.close()


if __name__ == "__main__":
    main()
