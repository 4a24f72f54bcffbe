"""Hands of a kind are asked for on the page; links, the ZIP and the large view name the kind."""

from __future__ import annotations

import csv
import io
import re
import shutil
import zipfile
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from app.i18n.words import Words
from palm_assets.store.artifacts import Store
from tests.e2e.harness import (
    EN,
    RU,
    cards_of,
    downloaded,
    expect_image,
    open_palm,
    run_server,
    screenshot,
    visit,
)
from tests.models import SMALL, publish_model


def choose(page: Page, words: Words, name: str, value: str) -> None:
    page.get_by_label(words(name), exact=True).click()
    page.get_by_role("option", name=words(f"{name}_{value}"), exact=True).click()


@pytest.mark.parametrize("words", [RU, EN], ids=["ru", "en"])
def test_a_kind_of_hands_is_asked_for(browser: Browser, tmp_path: Path, words: Words) -> None:
    elsewhere = Store(tmp_path / "elsewhere")
    starter = publish_model(elsewhere, 9)
    hands = publish_model(elsewhere, 3, SMALL.model_copy(update={"labels": ["aspect", "side", "skin"]}))
    shutil.copytree(hands.folder, starter.folder.parent / "starter_hands")
    with run_server(tmp_path / "home", PALM_STARTER=str(starter.folder)) as server:
        with visit(browser, f"{server.address}/?n=3&seed=7&lang={words.language}") as page:
            expect(cards_of(page, words)).to_have_count(3)
            expect(page.get_by_label(words("skin"), exact=True)).to_have_count(0)  # the starter draws any
        link = f"/?n=3&seed=7&aspect=back&model=starter-{hands.version}&lang={words.language}"
        with visit(browser, server.address + link) as page:
            expect(cards_of(page, words)).to_have_count(3)
            choose(page, words, "side", "left")
            choose(page, words, "skin", "dark")
            page.get_by_role("button", name=words("generate"), exact=True).click()
            expect(page).to_have_url(re.compile("&aspect=back&side=left&skin=dark&model="))
            expect(cards_of(page, words)).to_have_count(3)
            address, first = page.url, page.locator("li img").first.get_attribute("src") or ""
            _, archive = downloaded(page, re.compile("ZIP"))
            with zipfile.ZipFile(io.BytesIO(archive)) as zipped:
                rows = list(csv.DictReader(zipped.read("manifest.csv").decode().splitlines()))
            assert [(row["aspect"], row["side"], row["skin"]) for row in rows] == [
                ("back", "left", "dark")
            ] * 3
            kind = ", ".join(words(text) for text in ("aspect_back", "side_left", "skin_dark"))
            expect(open_palm(page, words, 2, 3)).to_contain_text(kind)
            screenshot(page, f"labels-{words.language}", whole=False)
        with visit(browser, address) as page:
            expect_image(page.locator("li img").first, first)
