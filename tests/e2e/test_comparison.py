"""A visitor compares a set with real palms, and sees the real palm nearest to one of them."""

from __future__ import annotations

import json
import re

import pytest
from click.testing import CliRunner
from playwright.sync_api import Browser, expect

from app.i18n.words import Words
from palm_assets.cli.main import main
from palm_assets.store.artifacts import Store
from tests.app.real_palms import TRAIN
from tests.e2e.harness import (
    EN,
    RU,
    Server,
    cards_of,
    downloaded,
    run_server,
    screenshot,
    slowed,
    visit,
)


@pytest.mark.parametrize("words", [RU, EN], ids=["ru", "en"])
def test_a_set_is_compared_with_real_palms_without_reloading(
    browser: Browser, address: str, home: Store, words: Words, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with visit(browser, f"{address}/?n=12&seed=5&lang={words.language}") as page:
        page.evaluate("window.stayed = true")
        page.get_by_role("button", name=words("compare_other"), exact=True).click()
        table = page.get_by_role("table", name=words("compare_title"))
        expect(table).to_be_visible()
        expect(page.get_by_text(words("not_fid"))).to_be_visible()
        expect(cards_of(page, words)).to_have_count(12)  # the palms stay where they are
        assert page.evaluate("window.stayed")
        screenshot(page, f"comparison-{words.language}")

        _, archive = downloaded(page, re.compile("ZIP"))
        path = tmp_path_factory.mktemp("compared") / "palms.zip"
        path.write_bytes(archive)
        arguments = ["--home", str(home.home), "fid", str(path), "--json"]
        theirs = json.loads(CliRunner().invoke(main, arguments).stdout)
        expect(table).to_contain_text(words.significant(theirs["frechet"]))
        expect(table).to_contain_text("±")  # real palms at the same count stand beside it


@pytest.mark.parametrize("words", [RU, EN], ids=["ru", "en"])
def test_the_nearest_real_palm_stands_beside_an_opened_one(
    browser: Browser, address: str, words: Words
) -> None:
    with visit(browser, f"{address}/?n=3&seed=5&lang={words.language}") as page:
        cards_of(page, words).nth(1).click()
        dialog = page.get_by_role("dialog")
        expect(dialog.get_by_alt_text(words("nearest_alt", n=2))).to_be_visible()
        expect(dialog).to_contain_text(words("nearest_help", n=TRAIN, extractor="efficientnet-lite0"))
        screenshot(page, f"nearest-{words.language}", whole=False)


def test_no_real_palm_is_shown_unless_the_operator_allows_it(browser: Browser, home: Store) -> None:
    with run_server(home.home) as server, visit(browser, f"{server.address}/?n=3&seed=5&lang=en") as page:
        cards_of(page, EN).nth(1).click()
        dialog = page.get_by_role("dialog")
        expect(dialog).to_contain_text(EN("nearest_off"))
        expect(dialog.get_by_alt_text(EN("nearest_alt", n=2))).to_have_count(0)
        screenshot(page, "nearest-off-en", whole=False)


def test_a_comparison_can_be_stopped_and_started_again(browser: Browser, server: Server) -> None:
    with visit(browser, f"{server.address}/?n=1000&seed=5&lang=ru") as page:
        compare = page.get_by_role("button", name=RU("compare_other"), exact=True)
        expect(compare).to_be_enabled(timeout=60_000)
        with slowed(server):
            compare.click()
            expect(page.get_by_text(re.compile(r"Обработано\s\d+\sиз\s1000"))).to_be_visible()
            screenshot(page, "comparing-ru", whole=False)
            page.get_by_role("button", name=RU("stop"), exact=True).click()
        expect(page.get_by_text(RU("compare_stopped"))).to_be_visible()
        expect(page.get_by_role("table", name=RU("compare_title"))).to_have_count(0)
        expect(compare).to_be_enabled()
