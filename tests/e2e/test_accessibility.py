"""axe finds nothing to say against any state of the page, in either language and either theme."""

from __future__ import annotations

import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from app.i18n.words import Words
from tests.e2e.harness import EN, RU, cards_of, expand, screenshot, submit, visible_field, visit

AXE = Axe()


def complaints(page: Page) -> list[str]:
    """What axe finds, each with the elements that it concerns."""
    return [
        f"{violation['id']}: {violation['help']}: {[node['html'][:200] for node in violation['nodes'][:3]]}"
        for violation in AXE.run(page).response["violations"]
    ]


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("words", [RU, EN], ids=["ru", "en"])
def test_axe_has_no_complaints(browser: Browser, address: str, words: Words, theme: str) -> None:
    found: dict[str, list[str]] = {}
    with visit(browser, f"{address}/?lang={words.language}", color_scheme=theme) as page:
        expect(cards_of(page, words)).to_have_count(12)
        expand(page, words("more"))
        expand(page, words("origin"))
        expect(visible_field(page, words("min_score"))).to_be_visible()
        found["empty"] = complaints(page)
        screenshot(page, f"empty-{words.language}-{theme}")

        submit(page, words, "1001")
        expect(page.get_by_role("alert")).to_be_visible()
        found["error"] = complaints(page)

        submit(page, words, "30", "7")
        expect(cards_of(page, words)).to_have_count(24)
        for name in ("interpolation", "set_link"):
            expand(page, words(name))
        page.get_by_role("button", name=words("interpolation_start")).click()
        expect(page.get_by_alt_text(words("interpolation_alt", start=1, end=2))).to_be_visible()
        page.get_by_role("button", name=words("compare_other"), exact=True).click()
        expect(page.get_by_role("table", name=words("compare_title"))).to_be_visible()
        found["results"] = complaints(page)
        screenshot(page, f"results-{words.language}-{theme}")

        cards_of(page, words).first.click()
        expect(page.get_by_role("dialog")).to_contain_text(re.compile("efficientnet"))
        page.wait_for_timeout(500)  # until it has faded in: half a color is too little contrast
        found["dialog"] = complaints(page)
        page.get_by_role("dialog").get_by_role("button", name=words("variations"), exact=True).click()
        expect(page.get_by_role("dialog").locator("li img")).to_have_count(12)
        found["variations"] = complaints(page)
        screenshot(page, f"dialog-{words.language}-{theme}", whole=False)
        page.keyboard.press("Escape")

        page.get_by_role("link", name=words("page_about")).click()
        expect(page.get_by_alt_text(words("about_samples_alt"))).to_be_visible()
        found["about"] = complaints(page)
        screenshot(page, f"about-{words.language}-{theme}")
    assert {state: said for state, said in found.items() if said} == {}
