"""The model is named, another one can be chosen, and links keep to theirs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from app.i18n.words import Words
from palm_assets.store.artifacts import Store
from tests.e2e.harness import EN, RU, cards_of, expect_image, model_field, run_server, screenshot, visit
from tests.models import SMALL, publish_model, release


def choose(page: Page, words: Words, text: str) -> None:
    model_field(page, words).click()
    page.get_by_role("option", name=text).click()


@pytest.mark.parametrize("words", [RU, EN], ids=["ru", "en"])
def test_a_model_is_chosen_and_links_keep_to_it(browser: Browser, tmp_path: Path, words: Words) -> None:
    store = Store(tmp_path / "home")
    starter = publish_model(Store(tmp_path / "elsewhere"), 9)
    real, rendered = publish_model(store, 1), publish_model(store, 2)
    release(store, real)
    reference = store.make("reference", lambda folder: {}, inputs={}, config=SMALL, code_version="1")
    store.release(rendered, reference, origin="synthetic")
    names = [
        words("model_of_photographs", name=real.version, size=16),
        words("model_of_photographs", name=words("model_starter"), size=16),
        words("model_of_synthetic", name=rendered.version, size=16),
    ]
    link = f"/?n=2&seed=1&lang={words.language}"
    with run_server(store.home, PALM_STARTER=str(starter.folder)) as server:
        with visit(browser, server.address + link) as page:
            cards, first = cards_of(page, words), page.locator("li img").first
            expect(cards).to_have_count(2)
            expect(model_field(page, words)).to_have_value(names[0])
            expect(page.get_by_text(words("lead_photographs"))).to_be_visible()
            of_real = first.get_attribute("src") or ""
            model_field(page, words).click()
            assert page.get_by_role("option").all_inner_texts() == names
            page.get_by_role("option", name=names[2]).click()
            expect_image(first, of_real, other=True)  # the same set, by the other model
            expect(page).to_have_url(re.compile(f"model={rendered.version}&"))
            expect(page.get_by_text(words("lead_synthetic"))).to_be_visible()
            expect(page.get_by_text(words("synthetic_model"))).to_be_visible()
            screenshot(page, f"synthetic-{words.language}", whole=False)
            page.get_by_role("link", name=words("page_about")).click()
            expect(page.get_by_role("listitem").filter(has_text=rendered.version)).to_be_visible()
            expect(page).to_have_url(re.compile(f"/about.*model={rendered.version}"))
            choose(page, words, names[0])
            expect(page.get_by_role("listitem").filter(has_text=real.version)).to_be_visible()
            page.get_by_role("link", name=words("page_main")).click()
            expect_image(first, of_real)
            # Past the two of the other page, each after the one before is there.
            for model, place in ((real, "/about"), (rendered, "/about"), (rendered, "/")):
                page.go_back()
                expect(page).to_have_url(re.compile(rf"{place}\?.*model={model.version}"))
                if place == "/about":
                    expect(page.get_by_role("listitem").filter(has_text=model.version)).to_be_visible()
            expect_image(first, of_real, other=True)
        gone = f"{server.address}{link}&model=0123456789ab"
        with visit(browser, gone) as page:
            expect(page.get_by_text(words("model_missing", name="0123456789ab"))).to_be_visible()
            expect_image(page.locator("li img").first, of_real)
            expect(page).to_have_url(re.compile(f"model={real.version}&"))


def test_a_new_choice_appears_while_the_page_is_open(browser: Browser, tmp_path: Path) -> None:
    store = Store(tmp_path / "home")
    release(store, publish_model(store, 1))
    with run_server(store.home) as server, visit(browser, server.address) as page:
        expect(cards_of(page, EN)).to_have_count(12)
        newer = publish_model(store, 2)
        release(store, newer)
        expect(model_field(page, EN)).to_have_value(EN("model_of_photographs", name=newer.version, size=16))
