"""A real visit: the real server, a real browser, a small model of random weights."""

from __future__ import annotations

import io
import re
import zipfile
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Locator, Page, expect

from app.i18n.words import Words
from app.work.png_origin import MAX_MEGABYTES
from palm_assets.generation.generate import GenerationRequest
from palm_assets.generation.png_metadata import encode_png
from palm_assets.provenance.xmp import STATIC_PAGE_TOOL, xmp_packet
from palm_assets.store.artifacts import Artifact, Store
from palm_assets.store.starter import STARTER
from tests.e2e.harness import (
    EN,
    RU,
    Server,
    cards_of,
    downloaded,
    expand,
    expect_image,
    model_field,
    run_server,
    screenshot,
    slowed,
    submit,
    turn_to,
    visible_field,
    visit,
    zip_of_the_library,
)
from tests.helpers import unsigned_zip
from tests.models import publish_model, release


@pytest.mark.parametrize(("words", "locale"), [(RU, "ru-RU"), (EN, "en-GB")], ids=["ru", "en"])
def test_a_visit(browser: Browser, address: str, home: Store, words: Words, locale: str) -> None:
    with visit(browser, address, locale=locale) as page:
        expect(page.get_by_role("heading", level=1)).to_have_text(words("title"))
        expect(page).to_have_title(words("title"))
        cards = cards_of(page, words)
        expect(cards).to_have_count(12)  # at once, and all of them on the first screen
        assert_all_are_visible(page)
        expect(page.get_by_text(words("ai_label"), exact=True)).to_be_visible()
        expect(page.locator("html")).to_have_attribute("lang", words.language)
        assert page.url == f"{address}/"

        submit(page, words, "30", "7")
        expect(page.get_by_role("heading", name=words.counted("palms", 30))).to_be_visible()
        released = home.released()
        assert released is not None
        set_address = f"{address}/?n=30&seed=7&model={released.model}&lang={words.language}"
        expect(page).to_have_url(set_address)
        expect(cards).to_have_count(24)
        expect(page.get_by_text(words("ai_label"), exact=True)).to_be_visible()
        assert score_words(page) <= {words(f"score_{band}") for band in ("low", "middle", "high")}
        page.get_by_role("button", name=words("score_what")).click()
        expect(page.get_by_text(words("score_jumps"))).to_be_visible()
        page.keyboard.press("Escape")
        screenshot(page, f"gallery-{words.language}")

        turn_to(page, words, 2)
        expect(cards).to_have_count(6)
        expect(page).to_have_url(re.compile("&page=2&"))
        page.get_by_role("radio", name=words("order_score")).click()
        expect(cards).to_have_count(24)  # sorting begins at the first page again
        scores = [
            float(text.replace(",", ".")) for text in page.locator("li b:nth-child(2)").all_inner_texts()
        ]
        assert scores == sorted(scores, reverse=True)

        download, archive = downloaded(page, re.compile("ZIP"))
        assert download.suggested_filename == "palms-7.zip"
        assert unsigned_zip(archive) == unsigned_zip(zip_of_the_library(home, GenerationRequest(30, 7)))

        page.get_by_role("radio", name=words("order_number")).click()
        expect(page.locator("li b").first).to_have_text(words("card", n=1))
        cards.nth(4).focus()
        page.keyboard.press("Enter")
        expect(page.get_by_role("dialog")).to_contain_text(words("palm_title", n=5, total=30))
        expect(page.get_by_role("dialog").get_by_role("img").first).to_be_visible()
        screenshot(page, f"card-{words.language}", whole=False)
        download, png = downloaded(page, words("download_png"))
        assert download.suggested_filename == "palm-11.png"
        with zipfile.ZipFile(io.BytesIO(archive)) as zipped:
            assert png == zipped.read("palm_000005.png")
        with Image.open(io.BytesIO(png)) as picture:
            assert (picture.size, picture.info["palms:index"]) == ((64, 64), "4")
        page.keyboard.press("Escape")
        expect(page).to_have_url(set_address)  # else it could overtake the next page's address

        page.get_by_role("link", name=words("page_about")).click()
        expect(page.get_by_role("heading", level=1)).to_have_text(words("page_about"))
        expect(page.get_by_alt_text(words("about_samples_alt"))).to_be_visible()
        expect(page).to_have_title(f"{words('page_about')} · {words('title')}")
        expect(page).to_have_url(f"{address}/about?lang={words.language}")
        screenshot(page, f"about-{words.language}")
        _, source = downloaded(page, words("source"))
        assert "palms/app/main.py" in zipfile.ZipFile(io.BytesIO(source)).namelist()
        page.wait_for_timeout(3000)  # meanwhile this page has looked for a release, in a rerun of its own
        page.get_by_role("link", name=words("page_main")).click()
        expect(cards).to_have_count(24)  # the palms are still there
        expect(visible_field(page, words("count"))).to_have_value("30")
        expect(page).to_have_url(set_address)


def assert_all_are_visible(page: Page) -> None:
    """All cards of the gallery are on the first screen, in the usual size of a window."""
    size = page.viewport_size
    assert size is not None
    for image in page.locator("li img").all():
        box = image.bounding_box()
        assert box is not None
        assert box["y"] + box["height"] <= size["height"]


def score_words(page: Page) -> set[str]:
    """The words below the palms."""
    return set(page.locator("li small").all_inner_texts())


@pytest.mark.parametrize("words", [RU, EN], ids=["ru", "en"])
def test_the_charts_of_the_model_are_drawn(browser: Browser, tmp_path: Path, words: Words) -> None:
    link = f"/about?lang={words.language}"
    with run_server(tmp_path / "home", PALM_STARTER=str(STARTER)) as server:
        for theme in ("light", "dark"):
            with visit(browser, server.address + link, color_scheme=theme) as page:
                for title in ("about_reliability", "about_losses"):
                    chart = page.get_by_role("img", name=words(title))
                    expect(chart).to_be_visible()
                    assert chart.evaluate("image => image.complete && image.naturalWidth") > 300
                    assert colors_of(chart) > 8, title  # a curve or points on a ground, not an empty box
                screenshot(page, f"charts-{words.language}-{theme}")


def colors_of(element: Locator) -> int:
    """Number of colors on a screenshot of an element."""
    with Image.open(io.BytesIO(element.screenshot())) as picture:
        return len(picture.convert("RGB").getcolors(2**24) or [])


@pytest.mark.parametrize("words", [RU, EN], ids=["ru", "en"])
def test_an_unknown_address_says_so_in_the_language_of_the_visitor(
    browser: Browser, address: str, words: Words
) -> None:
    with visit(browser, f"{address}/nowhere?lang={words.language}") as page:
        expect(page.get_by_role("heading", level=1)).to_have_text(words("not_found_title"))
        expect(page).to_have_title(words("not_found_title"))
        expect(page.get_by_role("dialog")).to_have_count(0)  # Streamlit's own, in English
        screenshot(page, f"not-found-{words.language}", whole=False)
        page.get_by_role("link", name=words("page_main")).click()
        expect(cards_of(page, words)).to_have_count(12)


def test_a_new_set_has_new_palms_unless_the_seed_was_typed(browser: Browser, address: str) -> None:
    with visit(browser, f"{address}/?lang=en") as page:
        drawn = []
        for seed in ("", "", "5", "5"):
            submit(page, EN, "2", seed)
            expect(page.get_by_role("heading", name=EN.counted("palms", 2))).to_be_visible()
            before = drawn[-1] if drawn and not seed else "x"
            expect(page).to_have_url(re.compile(rf"\?n=2&seed=(?!{before}&)"))
            drawn.append(re.findall(r"seed=(\d+)", page.url)[0])
        assert len(set(drawn)) == 3
        page.go_back()  # to a set with a seed of its own accord
        expect(page).to_have_url(re.compile(f"seed={drawn[1]}&"))
        expect(visible_field(page, EN("seed"))).to_have_value("")
        page.get_by_role("button", name=EN("generate"), exact=True).click()
        expect(page).not_to_have_url(re.compile(f"seed={drawn[1]}&"))


def test_back_and_forward_show_the_set_that_the_address_names(browser: Browser, address: str) -> None:
    with visit(browser, f"{address}/?lang=en") as page:
        images = {}
        for seed in ("11", "12"):
            submit(page, EN, "2", seed)
            expect(page).to_have_url(re.compile(f"seed={seed}&"))
            expect(page.locator("li img")).to_have_count(2)
            images[seed] = page.locator("li img").first.get_attribute("src") or ""
        assert images["11"] != images["12"]
        page.go_back()
        expect_image(page.locator("li img").first, images["11"])
        expect(visible_field(page, EN("seed"))).to_have_value("11")
        page.go_forward()
        expect_image(page.locator("li img").first, images["12"])
        page.go_back()
        page.go_back()
        expect(cards_of(page, EN)).to_have_count(12)
        expect(page.get_by_role("heading", name=EN("examples"))).to_be_visible()
        page.go_forward()
        expect_image(page.locator("li img").first, images["11"])


@pytest.mark.parametrize("words", [RU, EN], ids=["ru", "en"])
def test_wrong_numbers_are_explained(browser: Browser, address: str, words: Words) -> None:
    with visit(browser, f"{address}/?lang={words.language}&n=5000") as page:
        alert = page.get_by_role("alert")
        count, seed = (visible_field(page, words(name)) for name in ("count", "seed"))
        expect(alert).to_have_text(words("count_too_large", typed="5000", max=1000))
        expect(count).to_have_attribute("aria-invalid", "true")
        expect(count).to_have_accessible_error_message(words("count_too_large", typed="5000", max=1000))
        for typed, why in (
            ("", "count_empty"),
            ("ab", "count_not_a_number"),
            ("1e3", "count_not_a_number"),
            ("2.5", "count_not_whole"),
            ("0", "count_too_small"),
            ("-3", "count_too_small"),
            ("1001", "count_too_large"),
            ("<b>x</b>", "count_not_a_number"),
        )[:: 1 if words is RU else 3]:  # tests/app/test_request_form.py has all of them in both languages
            submit(page, words, typed)
            expect(alert).to_have_text(words(why, typed=typed, max=1000))
        screenshot(page, f"wrong-{words.language}", whole=False)
        submit(page, words, "2", "1.5")
        expect(alert).to_have_text(words("seed_wrong", typed="1.5", max=2**53))
        expect(seed).to_have_attribute("aria-invalid", "true")
        expect(count).not_to_have_attribute("aria-invalid", "true")
        expand(page, words("more"))
        visible_field(page, words("min_score")).fill("2")
        submit(page, words, "2", "1")
        expect(alert).to_have_text(words("min_score_wrong", typed="2"))
        expect(visible_field(page, words("min_score"))).to_have_attribute("aria-invalid", "true")
        visible_field(page, words("min_score")).fill("")
        submit(page, words, "2", "1")
        expect(seed).not_to_have_attribute("aria-invalid", "true")
        expect(page.get_by_role("heading", name=words.counted("palms", 2))).to_be_visible()
        expect(alert).to_have_count(0)


def test_a_link_makes_the_same_palms_for_everybody(browser: Browser, address: str, home: Store) -> None:
    archives = []
    for reloads in (0, 1):
        with visit(browser, f"{address}/?n=3&seed=99&lang=en&t=0.5") as page:
            for _ in range(reloads):
                expect(page.locator("li img")).to_have_count(3)
                page.reload()
            archives.append(downloaded(page, re.compile("ZIP"))[1])
    expected = unsigned_zip(zip_of_the_library(home, GenerationRequest(3, 99, 0.5)))
    assert [unsigned_zip(archive) for archive in archives] == [expected, expected]


@pytest.mark.parametrize(("words", "others"), [(RU, EN), (EN, RU)], ids=["ru", "en"])
def test_a_long_run_survives_a_change_of_language_and_stops_on_demand(
    browser: Browser, slow_server: Server, words: Words, others: Words
) -> None:
    with visit(browser, f"{slow_server.address}/?lang={others.language}", color_scheme="dark") as page:
        submit(page, others, "1000", "5")
        expect(page.get_by_text(any_done(others, "progress_generated"))).to_be_visible()
        with slowed(slow_server):
            page.get_by_role("radio", name={RU: "Русский", EN: "English"}[words]).click()
            expect(page.get_by_text(any_done(words, "progress_generated"))).to_be_visible()
            stop = page.get_by_role("button", name=words("stop"), exact=True)
            screenshot(page, f"progress-{words.language}-dark", whole=False)
            stop.click()
        expect(page.get_by_text(any_done(words, "generation_stopped"))).to_be_visible()
        _, archive = downloaded(page, re.compile("ZIP"))
        assert 1 < len(zipfile.ZipFile(io.BytesIO(archive)).namelist()) < 1001


def any_done(words: Words, key: str) -> re.Pattern[str]:
    """The text of a key, however many of the thousand are done by then."""
    text = re.escape(words(key, done="{}", total=1000)).replace(r"\{\}", r"\d+")
    return re.compile(re.sub(r"(\\?\s)+", r"\\s", text))


@pytest.mark.parametrize("words", [RU, EN], ids=["ru", "en"])
def test_an_interpolation_and_the_origin_of_a_png(
    browser: Browser, address: str, home: Store, words: Words
) -> None:
    with visit(browser, f"{address}/?n=3&seed=50&lang={words.language}") as page:
        expand(page, words("interpolation"))
        page.get_by_role("button", name=words("interpolation_start")).click()
        expect(page.get_by_alt_text(words("interpolation_alt", start=1, end=2))).to_be_visible()
        screenshot(page, f"interpolation-{words.language}", whole=False)
        download, animation = downloaded(page, words("interpolation_download"))
        assert download.suggested_filename == "morph-50-1-2.webp"
        with Image.open(io.BytesIO(animation)) as picture:
            assert (picture.format, picture.n_frames) == ("WEBP", 62)
        download, video = downloaded(page, words("interpolation_video"))
        assert download.suggested_filename == "morph-50-1-2.mp4"
        assert sum(1 for _ in av.open(io.BytesIO(video)).decode(video=0)) == 62

        png = zipfile.ZipFile(io.BytesIO(zip_of_the_library(home, GenerationRequest(3, 50)))).read(
            "palm_000003.png"
        )
        expand(page, words("origin"))
        selector = page.locator("input[type=file]")
        selector.set_input_files(
            {"name": "it.svg", "mimeType": "image/png", "buffer": b"<svg onload='alert(1)'/>"}
        )
        expect(page.get_by_role("dialog")).to_contain_text(words("origin_unknown"))
        page.keyboard.press("Escape")
        selector.set_input_files({"name": "it.png", "mimeType": "image/png", "buffer": png})
        expect(page.get_by_role("dialog")).to_contain_text(f"{words('origin_number')}: 3")
        page.keyboard.press("Escape")
        by_static_page = encode_png(np.zeros((3, 64, 64), np.uint8), xmp=xmp_packet("m", 7, STATIC_PAGE_TOOL))
        selector.set_input_files({"name": "it.png", "mimeType": "image/png", "buffer": by_static_page})
        expect(page.get_by_role("dialog")).to_contain_text(words("origin_result_static_page"))
        page.keyboard.press("Escape")

        page.get_by_text(words("origin_check"), exact=True).click()
        expect(page.get_by_text(words("origin_upload", megabytes=MAX_MEGABYTES))).to_be_visible()
        middle = len(video) // 2
        changed = video[:middle] + bytes([video[middle] ^ 1]) + video[middle + 1 :]
        for content, conclusion in ((video, "own"), (changed, "altered")):
            selector.set_input_files({"name": "it.mp4", "mimeType": "video/mp4", "buffer": content})
            expect(page.get_by_text(words(f"origin_result_{conclusion}"))).to_be_visible()
        page.get_by_text(words("origin_result_altered")).scroll_into_view_if_needed()
        screenshot(page, f"origin-check-{words.language}", whole=False)
        page.get_by_text(words("origin_check"), exact=True).click()
        expect(page.get_by_text(words("origin_drop")[:20])).to_be_visible()

        selector.set_input_files({"name": "it.png", "mimeType": "image/png", "buffer": png})
        page.get_by_role("button", name=words("origin_regenerate")).click()
        dialog = page.get_by_role("dialog")
        expect(dialog).to_contain_text(words("palm_title", n=1, total=1))
        expect(page).to_have_url(re.compile(rf"\?n=1&seed=52&model=\w+&palm=1&lang={words.language}$"))


@pytest.mark.parametrize("words", [RU, EN], ids=["ru", "en"])
def test_the_starter_model_says_what_it_is_until_there_is_a_release(
    browser: Browser, tmp_path: Path, words: Words
) -> None:
    elsewhere, store = Store(tmp_path / "elsewhere"), Store(tmp_path / "home")
    starter = publish_model(elsewhere, 9)
    starter_text = words("model_of_photographs", name=words("model_starter"), size=16)
    with (
        run_server(store.home, PALM_STARTER=str(starter.folder)) as server,
        visit(browser, f"{server.address}/?n=2&seed=1&lang={words.language}") as page,
    ):
        expect(model_field(page, words)).to_have_value(starter_text)
        expect(page.locator("li img")).to_have_count(2)
        screenshot(page, f"starter-{words.language}")
        _, archive = downloaded(page, re.compile("ZIP"))
        manifest = zipfile.ZipFile(io.BytesIO(archive)).read("manifest.csv").decode()
        assert manifest.count(f"starter-{starter.version}") == 2
        page.get_by_role("link", name=words("page_about")).click()
        expect(page.get_by_text(words("about_starter"))).to_be_visible()
        page.get_by_role("link", name=words("page_main")).click()
        broken = publish_model(store, 2)
        damage(broken)
        release(store, broken)
        expect(page.get_by_text(words("broken_model_starter"))).to_be_visible()
        release(store, publish_model(store, 1))
        expect(page.get_by_text(words("old_model"))).to_be_visible()
        expect(model_field(page, words)).not_to_have_value(starter_text)


@pytest.mark.parametrize("words", [RU, EN], ids=["ru", "en"])
def test_a_phone_shows_everything_without_scrolling_sideways(
    browser: Browser, address: str, words: Words
) -> None:
    phone, link = {"width": 360, "height": 740}, f"{address}/?n=12&seed=1&lang={words.language}"
    with visit(browser, link, viewport=phone, color_scheme="dark") as page:
        expect(page.get_by_role("heading", name=words.counted("palms", 12))).to_be_visible()
        expect(page.locator("li img")).to_have_count(12)
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        assert len({box["x"] for image in page.locator("li img").all() if (box := image.bounding_box())}) == 3
        screenshot(page, f"phone-{words.language}-dark")
    first = f"{address}/?lang={words.language}"
    with visit(browser, first, viewport={"width": 390, "height": 844}) as page:
        expect(page.locator("li img")).to_have_count(12)
        assert_all_are_visible(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        screenshot(page, f"phone-first-{words.language}", whole=False)


def damage(artifact: Artifact) -> None:
    path = artifact.folder / "generator.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def test_releases_while_the_page_is_open(browser: Browser, tmp_path: Path) -> None:
    store = Store(tmp_path / "home")
    with run_server(store.home) as server, visit(browser, server.address) as page:
        expect(page.get_by_text(re.compile("There is no model trained on photographs yet"))).to_be_visible()
        release(store, publish_model(store, 1))
        expect(cards_of(page, EN)).to_have_count(12)
        submit(page, EN, "2", "1")
        expect(page.locator("li img")).to_have_count(2)
        broken = publish_model(store, 2)
        damage(broken)
        release(store, broken)
        expect(page.get_by_text(EN("broken_new_model"))).to_be_visible()
        expect(page.locator("li img")).to_have_count(2)
        release(store, publish_model(store, 3))
        expect(page.get_by_text(EN("old_model"))).to_be_visible()
        expect(page.get_by_text(EN("broken_new_model"))).to_have_count(0)
