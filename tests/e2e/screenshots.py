"""Retakes the README's screenshots of the page, with the model released in PALM_HOME, or the starter.

python -m tests.e2e.screenshots [SEED]
"""

from __future__ import annotations

import io
import os
import shutil
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, expect, sync_playwright

from tests.e2e.conftest import QUIET
from tests.e2e.harness import EN, ROOT, RU, cards_of, run_server, visit

DOCS = ROOT / "docs" / "images"
MOST_BYTES = 250_000


def main() -> None:
    seed = sys.argv[1] if len(sys.argv) > 1 else "7"
    home = Path(os.environ.get("PALM_HOME", "palm_home")).absolute()
    found = next(path for name in ("chromium", "chromium-browser") if (path := shutil.which(name)))
    with sync_playwright() as playwright, run_server(home) as server:
        browser = playwright.chromium.launch(executable_path=found, args=QUIET)
        wide = {"width": 1200, "height": 860}
        with visit(browser, f"{server.address}/?lang=en", viewport=wide) as page:
            expect(cards_of(page, EN)).to_have_count(12)
            keep(page, "page-gallery")
        like = f"{server.address}/?n=24&seed={seed}&palm=6&like=0&lang=ru"
        with visit(browser, like, viewport=wide) as page:
            expect(page.get_by_role("dialog").locator("li img")).to_have_count(12)
            keep(page, "page-like")
        phone = {"width": 390, "height": 844}
        link = f"{server.address}/?lang=ru"
        with visit(browser, link, viewport=phone, color_scheme="dark", device_scale_factor=2) as page:
            expect(cards_of(page, RU)).to_have_count(12)
            keep(page, "page-phone")
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
