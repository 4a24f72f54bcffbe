"""Retakes the screenshots of the page in both READMEs, with the model released in PALM_HOME, or the starter.

python -m tests.e2e.screenshots
"""

from __future__ import annotations

import io
import os
import re
import shutil
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, expect, sync_playwright

from tests.e2e.conftest import QUIET
from tests.e2e.harness import EN, ROOT, RU, cards_of, run_server, visit

DOCS = ROOT / "docs" / "images"
MOST_BYTES = 250_000


def main() -> None:
    home = Path(os.environ.get("PALM_HOME", "palm_home")).absolute()
    found = next(path for name in ("chromium", "chromium-browser") if (path := shutil.which(name)))
    with sync_playwright() as playwright, run_server(home) as server:
        browser = playwright.chromium.launch(executable_path=found, args=QUIET)
        wide = {"width": 1200, "height": 860}
        for words, name in ((EN, "page-gallery"), (RU, "page-gallery-ru")):
            with visit(browser, f"{server.address}/?lang={words.language}", viewport=wide) as page:
                expect(cards_of(page, words)).to_have_count(12)
                expect(page.get_by_role("button", name=re.compile("ZIP"))).to_be_visible()  # the last to come
                keep(page, name)
        browser.close()


def keep(page: Page, name: str) -> None:
    """As a JPEG, small enough for a README."""
    page.wait_for_timeout(800)
    with Image.open(io.BytesIO(page.screenshot())) as picture:
        picture.convert("RGB").save(DOCS / f"{name}.jpg", quality=88, optimize=True)
    size = (DOCS / f"{name}.jpg").stat().st_size
    print(f"docs/images/{name}.jpg {size // 1000} kB" + (": too large!" if size > MOST_BYTES else ""))


if __name__ == "__main__":
    main()
