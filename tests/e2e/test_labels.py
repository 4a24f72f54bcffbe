"""Hands of a kind are asked for on the page; links, the ZIP and the large view name the kind."""

from __future__ import annotations

import csv
import io
import re
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from app.i18n.words import LANGUAGE_NAMES, Words
from palm_assets.store.artifacts import Store
from tests.e2e.harness import (
    EN,
    RU,
    Server,
    cards_of,
    downloaded,
    expand,
    expect_image,
    open_palm,
    run_server,
    screenshot,
    submit,
    visible_field,
    visit,
)
from tests.models import SMALL, publish_model


def choose(page: Page, words: Words, name: str, value: str) -> None:
    visible_field(page, words(name)).click()
    page.get_by_role("option", name=words(f"{name}_{value}"), exact=True).click()


def lines_about_palms(shown: Locator) -> list[str]:
    """The visible lines of text that name palms, without links, in which every image is a `palm`."""
    lines = [line for line in shown.inner_text().splitlines() if "://" not in line]
    return [line for line in lines if re.search("palm|ладон", line, re.IGNORECASE)]


@pytest.fixture
def hands(tmp_path: Path) -> Iterator[tuple[Server, str]]:
    """A page with a starter and the model `hands`, and the version of that."""
    elsewhere = Store(tmp_path / "elsewhere")
    starter = publish_model(elsewhere, 9)
    hands = publish_model(elsewhere, 3, SMALL.model_copy(update={"labels": ["aspect", "side", "skin"]}))
    shutil.copytree(hands.folder, starter.folder.parent / "starter_hands")
    with run_server(tmp_path / "home", PALM_STARTER=str(starter.folder)) as server:
        yield server, f"starter-{hands.version}"


@pytest.mark.parametrize("words", [RU, EN], ids=["ru", "en"])
def test_a_kind_of_hands_is_asked_for(browser: Browser, hands: tuple[Server, str], words: Words) -> None:
    server, model = hands
    with visit(browser, f"{server.address}/?n=3&seed=7&lang={words.language}") as page:
        expect(page.get_by_role("heading", name=words.counted("palms", 3), exact=True)).to_be_visible()
        expect(cards_of(page, words)).to_have_count(3)
        expect(visible_field(page, words("skin"))).to_have_count(0)  # the starter draws any
    words = words.about("hand")
    link = f"/?n=3&seed=7&aspect=back&model={model}&lang={words.language}"
    with visit(browser, server.address + link) as page:
        expect(page.get_by_role("heading", name=words.counted("palms", 3), exact=True)).to_be_visible()
        expect(cards_of(page, words)).to_have_count(3)
        choose(page, words, "side", "left")
        choose(page, words, "skin", "dark")
        page.get_by_role("button", name=words("generate"), exact=True).click()
        expect(page).to_have_url(re.compile("&aspect=back&side=left&skin=dark&model="))
        kind = ", ".join(words(text) for text in ("aspect_back", "side_left", "skin_dark"))
        expect(page.get_by_text(f"{words('hand')}: {kind}")).to_be_visible()  # not the set before
        expect(cards_of(page, words)).to_have_count(3)
        address, first = page.url, page.locator("li img").first.get_attribute("src") or ""
        download, archive = downloaded(page, re.compile("ZIP"))
        assert download.suggested_filename == "hands-7.zip"
        with zipfile.ZipFile(io.BytesIO(archive)) as zipped:
            rows = list(csv.DictReader(zipped.read("manifest.csv").decode().splitlines()))
        assert [(row["aspect"], row["side"], row["skin"]) for row in rows] == [("back", "left", "dark")] * 3
        assert [row["file"] for row in rows] == [f"back_{number:06d}.png" for number in (1, 2, 3)]
        assert set(lines_about_palms(page.get_by_test_id("stMain"))) == {words("page_main"), words("title")}
        dialog = open_palm(page, words, 2, 3)
        expect(dialog).to_contain_text(kind)
        expect(dialog.get_by_role("heading", name=words("large_title"), exact=True)).to_be_visible()
        assert lines_about_palms(dialog) == []
        download, _ = downloaded(page, words("download_png"))
        assert download.suggested_filename == "back-8.png"
        screenshot(page, f"labels-{words.language}", whole=False)
    with visit(browser, address) as page:
        expect_image(page.locator("li img").first, first)


def test_what_is_entered_outlives_changes_of_language_and_is_what_is_generated(
    browser: Browser, hands: tuple[Server, str]
) -> None:
    server, model = hands
    with visit(browser, f"{server.address}/?n=3&seed=7&model=hands&lang=en") as page:
        expect(cards_of(page, EN)).to_have_count(3)
        count = visible_field(page, EN.about("hand")("count"))
        count.fill("2")
        choose(page, EN, "aspect", "back")
        expand(page, EN("more"))
        visible_field(page, EN("min_score")).fill("0.001")
        slider = page.get_by_role("slider")
        slider.focus()
        page.keyboard.press("ArrowLeft")
        expect(slider).to_have_attribute("aria-valuetext", "0.95")
        for words in (RU, EN, RU):
            page.get_by_role("radio", name=LANGUAGE_NAMES[words.language]).click()
            expect(visible_field(page, words.about("hand")("count"))).to_have_value("2")
            expect(visible_field(page, words("aspect"))).to_have_value(words("aspect_back"))
            expect(visible_field(page, words("min_score"))).to_be_visible()  # still expanded
            expect(visible_field(page, words("min_score"))).to_have_value("0.001")
            expect(slider).to_have_attribute("aria-valuetext", words.decimal(0.95))
        visible_field(page, RU.about("hand")("count")).press("Enter")
        expect(page).to_have_url(
            f"{server.address}/?n=2&seed=7&t=0.95&min=0.001&aspect=back&model={model}&lang=ru"
        )
        expect(cards_of(page, RU)).to_have_count(2)


def test_back_and_forward_pass_a_link_that_names_the_model_by_its_name(
    browser: Browser, hands: tuple[Server, str]
) -> None:
    server, _ = hands
    with visit(browser, f"{server.address}/?n=3&seed=7&model=hands&lang=en") as page:
        expect(cards_of(page, EN)).to_have_count(3)
        submit(page, EN.about("hand"), "2", "9")
        expect(page).to_have_url(re.compile("n=2&seed=9&"))
        expect(cards_of(page, EN)).to_have_count(2)
        page.go_back()
        expect(cards_of(page, EN)).to_have_count(3)
        expect(page).to_have_url(re.compile("n=3&seed=7&model=hands&"))
        page.go_forward()
        expect(cards_of(page, EN)).to_have_count(2)
        expect(page).to_have_url(re.compile("n=2&seed=9&"))
