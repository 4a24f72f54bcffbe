"""One palm shown large: the ones before and after it, its variations, and the way back."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Browser, Locator, expect

from app.i18n.words import Words
from tests.e2e.harness import (
    EN,
    RU,
    Server,
    cards_of,
    downloaded,
    expand,
    expect_image,
    focused,
    open_palm,
    paused,
    screenshot,
    visit,
)


def test_it_leads_on_and_back_and_gives_the_focus_back(browser: Browser, address: str) -> None:
    with visit(browser, f"{address}/?n=30&seed=7&lang=en") as page:
        cards = cards_of(page, EN)
        expect(cards).to_have_count(24)
        dialog = open_palm(page, EN, 24, 30)
        expect(page).to_have_url(re.compile("&palm=24&"))
        dialog.get_by_role("button", name=EN("next")).click()
        expect(dialog.get_by_role("heading", name=EN("palm_title", n=25, total=30))).to_be_visible()
        expect(page).to_have_url(re.compile("&page=2&palm=25&"))
        page.keyboard.press("Escape")
        expect(dialog).to_have_count(0)
        expect(cards).to_have_count(6)  # the gallery has turned to the page of that palm
        expect(page).to_have_url(re.compile("&page=2&lang=en$"))
        page.wait_for_function("document.activeElement.shadowRoot !== null")
        assert focused(page).startswith(EN("card_open", n=25, score=""))

        page.go_back()  # to the large view, and Back once more closes it
        expect(dialog.get_by_role("heading", name=EN("palm_title", n=25, total=30))).to_be_visible()
        page.go_back()
        expect(dialog.get_by_role("heading", name=EN("palm_title", n=24, total=30))).to_be_visible()
        page.go_back()
        expect(dialog).to_have_count(0)
        expect(cards).to_have_count(24)

        open_palm(page, EN, 1, 30)
        expect(dialog.get_by_role("button", name=EN("previous"))).to_be_disabled()
        link = dialog.locator("code").inner_text()
    with visit(browser, link) as page:  # a link to one palm opens it large
        dialog = page.get_by_role("dialog")
        expect(dialog.get_by_role("heading", name=EN("palm_title", n=1, total=1))).to_be_visible()
        expect(dialog.get_by_role("img").first).to_be_visible()
        page.get_by_role("button", name=EN("close")).click()
        expect(dialog).to_have_count(0)
        expect(page).to_have_url(re.compile(r"\?n=1&seed=7&model=\w+&lang=en$"))


@pytest.mark.parametrize("words", [RU, EN], ids=["ru", "en"])
def test_variations_lead_on_and_back_and_are_generated_again_from_their_png(
    browser: Browser, address: str, words: Words
) -> None:
    with visit(browser, f"{address}/?n=3&seed=50&lang={words.language}") as page:
        dialog = open_palm(page, words, 2, 3)
        dialog.get_by_role("button", name=words("variations"), exact=True).click()
        expect(dialog.get_by_text(words("variations_title", n=2))).to_be_visible()
        around = dialog.get_by_role(
            "button", name=re.compile(words("variation_open", n=1, score="").split()[0] + " ")
        )
        expect(around).to_have_count(12)
        page.wait_for_function("document.activeElement.className.includes('variations')")
        fifth = around.nth(4).locator("img").get_attribute("src")
        around.nth(4).click()
        shown = page.get_by_alt_text(
            re.compile("^" + words("variations_current", n=2, steps=1, score="")[:12])
        )
        here = shown.first  # while the page is redrawn there are two for a moment
        expect_image(here, fifth)
        around.nth(11).click()
        expect(page.get_by_text(re.compile(r"→ 5 → 12$"))).to_be_visible()
        expect(page).to_have_url(re.compile(r"&palm=2&like=5\.12&"))
        screenshot(page, f"variations-{words.language}", whole=False)
        expect(shown).to_have_count(1)
        twelfth = here.get_attribute("src")
        download, png = downloaded(page, words("download_png"))
        assert download.suggested_filename == "palm-51-5-12.png"
        page.get_by_role("button", name=words("variations_back")).click()
        expect_image(here, fifth)
        page.go_back()
        expect_image(here, twelfth)
        page.keyboard.press("Escape")
        expect(dialog).to_have_count(0)

        expand(page, words("origin"))
        selector = page.locator("input[type=file]")
        selector.set_input_files({"name": "it.png", "mimeType": "image/png", "buffer": png})
        page.get_by_role("button", name=words("origin_regenerate")).click()
        expect(dialog.get_by_role("heading", name=words("palm_title", n=1, total=1))).to_be_visible()
        expect_image(here, twelfth)
        expect(page).to_have_url(re.compile(r"\?n=1&seed=51&model=\w+&palm=1&like=5\.12&"))


def widest_gap(dialog: Locator, texts: list[str]) -> float:
    """The widest strip without text between the first of these texts and the last, in CSS pixels."""
    first, *_, last = (dialog.get_by_text(text, exact=True).first for text in texts)
    return dialog.evaluate(
        """(dialog, [first, last]) => {
          const from = first.getBoundingClientRect().top, to = last.getBoundingClientRect().bottom;
          const texts = document.createTreeWalker(dialog, NodeFilter.SHOW_TEXT), rows = [];
          const range = document.createRange();
          while (texts.nextNode()) {
            range.selectNodeContents(texts.currentNode);
            rows.push(...[...range.getClientRects()].filter((row) => row.height && row.width));
          }
          let bottom = from, widest = 0;
          for (const row of rows.sort((one, other) => one.top - other.top)) {
            if (row.top < from || row.bottom > to + 1) continue;
            widest = Math.max(widest, row.top - bottom);
            bottom = Math.max(bottom, row.bottom);
          }
          return widest;
        }""",
        [first.element_handle(), last.element_handle()],
    )


@pytest.mark.parametrize("words", [RU, EN], ids=["ru", "en"])
def test_on_a_phone_variations_are_on_the_first_screen(browser: Browser, address: str, words: Words) -> None:
    phone = {"width": 390, "height": 844}
    with visit(browser, f"{address}/?n=3&seed=50&lang={words.language}", viewport=phone) as page:
        dialog = open_palm(page, words, 2, 3)
        button = dialog.get_by_role("button", name=words("variations"), exact=True)
        expect(button).to_be_in_viewport(ratio=1)
        names = words("previous"), words("next")
        boxes = [dialog.get_by_role("button", name=name).bounding_box() for name in names]
        boxes.append(dialog.get_by_role("heading", name=words("palm_title", n=2, total=3)).bounding_box())
        rows = [(box["y"], box["y"] + box["height"]) for box in boxes if box is not None]
        assert max(top for top, _ in rows) < min(bottom for _, bottom in rows), rows  # all in one row
        texts = [words("download_png"), words("smooth"), words("score_what"), words("palm_link")]
        assert widest_gap(dialog, texts) <= 20
        button.click()
        opens = re.compile(words("variation_open", n=1, score="").split()[0] + " ")
        around = dialog.get_by_role("button", name=opens)
        expect(around).to_have_count(12)
        for number in range(3):  # a row
            expect(around.nth(number)).to_be_in_viewport(ratio=1)
        label = dialog.get_by_role("button", name=words("score_what")).get_by_test_id("stMarkdownContainer")
        assert label.evaluate("label => label.scrollWidth <= label.clientWidth")  # nothing is cut off
        screenshot(page, f"variations-phone-{words.language}", whole=False)


def test_a_dialog_that_was_closed_stays_closed_on_the_way_over_another_page(
    browser: Browser, address: str, server: Server
) -> None:
    with visit(browser, f"{address}/?n=3&seed=7&lang=en") as page:
        dialog = open_palm(page, EN, 2, 3)
        expect(page).to_have_url(re.compile("&palm=2&"))
        with paused(server):  # it gets both at once
            page.keyboard.press("Escape")
            page.get_by_role("link", name=EN("page_about")).click()
        expect(page.get_by_alt_text(EN("about_samples_alt"))).to_be_visible()
        expect(page).to_have_url(f"{address}/about?lang=en")
        page.get_by_role("link", name=EN("page_main")).click()
        expect(cards_of(page, EN)).to_have_count(3)
        expect(page).to_have_url(re.compile(r"\?n=3&seed=7&model=\w+&lang=en$"))
        expect(dialog).to_have_count(0)
