"""The page of static files in a real browser, with the network cut once it has loaded."""

from __future__ import annotations

import contextlib
import functools
import io
import json
import re
import shutil
import threading
import time
import zipfile
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import torch
from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from palm_assets.errors import SourceUnreachableError
from palm_assets.export.web_page import export_web
from palm_assets.gan.hand_labels import HandLabels
from palm_assets.gan.networks import smooth_output
from palm_assets.gan.sampler import PalmModel, load_model
from palm_assets.provenance.config import DIGITAL_SOURCE_TYPE as SOURCE_TYPE
from palm_assets.provenance.xmp import PNG_KEYWORD, STATIC_PAGE_TOOL, XmpClaims, read_xmp
from tests.e2e.harness import SCREENSHOTS, visit
from tests.models import SMALL, fill_with_model

STARTER = Path(__file__).parents[2] / "palm_assets" / "starter"
TABLE = Path(__file__).parents[1] / "export" / "latents.json"
FIRST_HAND_SECONDS = 3
MAX_DOWNLOAD = 20e6
AXE = Axe()

pytestmark = pytest.mark.skipif(not STARTER.is_dir(), reason="a copy without the starter model")


class _Files(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def model() -> PalmModel:
    return load_model(STARTER, "starter-test")


def exported(model: PalmModel, target: Path) -> Path:
    try:
        export_web(model, target)
    except SourceUnreachableError as error:
        pytest.skip(f"the runtime for browsers cannot be downloaded here: {error}")
    return target


@pytest.fixture(scope="module")
def folder(model: PalmModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The exported page of the starter."""
    return exported(model, tmp_path_factory.mktemp("static") / "site")


@pytest.fixture(scope="module")
def site(folder: Path) -> Iterator[str]:
    with run_files(folder) as address:
        yield address


@contextlib.contextmanager
def run_files(folder: Path) -> Iterator[str]:
    """Run a plain file server; yields its address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Files, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://localhost:{server.server_port}"
    server.shutdown()
    server.server_close()


def finished(page: Page) -> None:
    expect(page.locator("body[data-state=done]")).to_be_attached(timeout=400_000)


@contextlib.contextmanager
def without_network(page: Page) -> Iterator[None]:
    page.context.set_offline(True)
    try:
        yield
    finally:
        page.context.set_offline(False)


def complaints(page: Page) -> list[str]:
    return [
        f"{found['id']}: {[node['html'][:160] for node in found['nodes'][:3]]}"
        for found in AXE.run(page).response["violations"]
    ]


def zipped(page: Page) -> bytes:
    with page.expect_download() as waiting:
        page.locator("#zip").click()
    return Path(waiting.value.path()).read_bytes()


def pytorch_images(model: PalmModel, seed: int, indices: list[int]) -> np.ndarray:
    """Images uint8 (N, 3, S, S) by PyTorch in float32."""
    with torch.inference_mode():
        generated = model.generator(model.latents(seed, indices))
        images = smooth_output(generated, model.networks.output_smoothing)
    return ((images + 1) * 127.5).round().clamp(0, 255).to(torch.uint8).numpy()


def test_the_first_hand_is_there_within_three_seconds(browser: Browser, site: str) -> None:
    """The best of five visits, each with an empty cache: other work may share the machine."""
    times: list[float] = []
    while len(times) < 5 and not (times and min(times) < FIRST_HAND_SECONDS):
        started = time.monotonic()
        with visit(browser, f"{site}/#seed=7&count=1") as page:
            page.locator("#palms li.ready").wait_for()
            times.append(time.monotonic() - started)
    assert min(times) < FIRST_HAND_SECONDS, times


def test_a_hundred_hands_and_their_zip_without_a_network(
    browser: Browser, site: str, model: PalmModel
) -> None:
    with visit(browser, f"{site}/#seed=7&count=1", locale="en-GB") as page:
        finished(page)
        with without_network(page):
            page.get_by_label("Number of palms").fill("100")
            page.get_by_role("button", name="Generate").click()
            expect(page.locator("#palms li")).to_have_count(100)
            finished(page)
            expect(page.get_by_role("status")).to_have_text("100 palms, seed 7")
            with page.expect_download() as waiting:
                page.get_by_role("button", name="Download 100 PNGs as a ZIP").click()
            assert waiting.value.suggested_filename == "palms-7-100.zip"
            content = Path(waiting.value.path()).read_bytes()
            page.screenshot(path=SCREENSHOTS / "static-desktop.png")
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        names = sorted(name for name in archive.namelist() if name.endswith(".png"))
        assert names == [f"palm_{number:06d}.png" for number in range(1, 101)]
        rows = archive.read("manifest.csv").decode().splitlines()
        pictures = [Image.open(io.BytesIO(archive.read(name))) for name in names]
    assert rows[0] == "file,index,seed,model,ai_generated,digital_source_type"
    assert rows[100] == f"palm_000100.png,99,7,starter-test,true,{SOURCE_TYPE}"
    for index, picture in enumerate(pictures):
        said = read_xmp(picture.text[PNG_KEYWORD].encode())
        assert said == XmpClaims(SOURCE_TYPE, STATIC_PAGE_TOOL, "starter-test", str(7 + index))
        assert picture.text["palms:index"] == str(index)
    pixels = np.stack([np.asarray(picture).transpose(2, 0, 1) for picture in pictures])
    assert len({image.tobytes() for image in pixels}) == 100
    checked = [0, 1, 50, 99]
    difference = pixels[checked].astype(int) - pytorch_images(model, 7, checked)
    assert np.abs(difference).max() <= 1


def test_it_opens_without_a_network_once_it_has_been_loaded(browser: Browser, site: str) -> None:
    with visit(browser, f"{site}/#seed=3&count=2") as page:
        finished(page)
        page.evaluate("() => navigator.serviceWorker.ready.then(() => true)")
        with without_network(page):
            page.reload()
            finished(page)
            expect(page.locator("#palms li.ready")).to_have_count(2)


def test_two_pages_on_one_host_keep_their_files_both(browser: Browser, folder: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        shutil.copytree(folder, tmp_path / name)
    script = tmp_path / "b" / "offline.js"  # of another version
    script.write_text(re.sub('VERSION = "[0-9a-f]{16}"', 'VERSION = "0000000000000000"', script.read_text()))
    with run_files(tmp_path) as host, visit(browser, f"{host}/a/#seed=3&count=1") as page:
        for name in ("a", "b"):
            page.goto(f"{host}/{name}/#seed=3&count=1")
            finished(page)
            page.evaluate("() => navigator.serviceWorker.ready.then(() => true)")
            page.wait_for_function("() => navigator.serviceWorker.controller?.state === 'activated'")
        assert len(page.evaluate("() => caches.keys()")) == 2


def test_the_total_download_is_under_twenty_megabytes(folder: Path) -> None:
    assert sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) < MAX_DOWNLOAD


@pytest.mark.parametrize(
    ("locale", "theme", "width"), [("en-GB", "light", 1280), ("ru-RU", "dark", 390)], ids=["en", "ru"]
)
def test_axe_has_no_complaints_and_nothing_overflows(
    browser: Browser, site: str, locale: str, theme: str, width: int
) -> None:
    settings = {"color_scheme": theme, "viewport": {"width": width, "height": 844}}
    found: dict[str, list[str]] = {}
    with visit(browser, f"{site}/#seed=7&count=4", locale=locale, **settings) as page:
        finished(page)
        page.wait_for_timeout(500)  # until the last image has faded in
        found["done"] = complaints(page)
        page.screenshot(path=SCREENSHOTS / f"static-{locale[:2]}-{width}.png")
        page.locator("#count").fill("0")
        page.locator("#generate").click()
        expect(page.locator("#count-error")).to_be_visible()
        expect(page.locator("#count")).to_be_focused()
        found["error"] = complaints(page)
        page.locator("#palms button").nth(1).click()
        expect(page.get_by_role("dialog")).to_be_visible()
        found["large"] = complaints(page)
        page.keyboard.press("ArrowRight")
        expect(page.locator("#large-caption")).to_contain_text("3")
        page.screenshot(path=SCREENSHOTS / f"static-{locale[:2]}-{width}-large.png")
        page.keyboard.press("Escape")
        wide = page.evaluate("() => document.documentElement.scrollWidth")
        assert wide <= width
        assert page.evaluate("() => document.documentElement.lang") == locale[:2]
    assert {state: said for state, said in found.items() if said} == {}


def test_both_languages_are_there_and_the_choice_stays_in_the_link(browser: Browser, site: str) -> None:
    with visit(browser, f"{site}/#seed=7&count=2", locale="en-GB") as page:
        finished(page)
        expect(page.get_by_text("AI-generated").first).to_be_visible()
        page.get_by_role("button", name="Русский").click()
        expect(page.get_by_role("heading", name="Ладони, которых никогда не было")).to_be_visible()
        expect(page.get_by_text("Создано ИИ").first).to_be_visible()
        expect(page.get_by_role("status")).to_have_text("2 ладони, seed 7")
        page.reload()
        expect(page.get_by_role("button", name="Создать")).to_be_visible()
        assert "lang=ru" in page.url


def test_a_set_can_be_stopped_and_what_is_done_stays(browser: Browser, site: str) -> None:
    with visit(browser, f"{site}/#seed=7&count=400", locale="en-GB") as page:
        page.locator("#palms li.ready").nth(2).wait_for()
        page.get_by_role("button", name="Stop").click()
        finished(page)
        done = page.locator("#palms li").count()
        assert 3 <= done < 400
        expect(page.locator("#palms li.ready")).to_have_count(done)
        expect(page.get_by_role("status")).to_have_text(f"Stopped: {done} of 400 palms are ready.")


def test_the_browser_computes_the_latents_of_the_table(browser: Browser, site: str) -> None:
    table = json.loads(TABLE.read_text())
    with visit(browser, f"{site}/#count=1") as page:
        rows = page.evaluate(
            "seeds => import('./latents.js').then((it) => seeds.map((seed) => [...it.latentOf(seed, 20)]))",
            list(map(int, table)),
        )
    for row, expected in zip(rows, table.values(), strict=True):
        np.testing.assert_allclose(row, expected, atol=2e-6, rtol=0)


def test_a_model_with_labels_offers_them_and_draws_what_is_asked_for(
    browser: Browser, tmp_path: Path
) -> None:
    networks = SMALL.model_copy(update={"labels": ["aspect", "side", "skin"], "image_size": 32})
    (tmp_path / "model").mkdir()
    fill_with_model(tmp_path / "model", 0, networks)
    model = load_model(tmp_path / "model", "labels")
    with (
        run_files(exported(model, tmp_path / "site")) as address,
        visit(browser, f"{address}/#seed=7&count=3&skin=dark", locale="en-GB") as page,
    ):
        finished(page)
        expect(page.get_by_label("Skin")).to_have_value("dark")
        page.get_by_label("View").select_option("palm")
        page.get_by_label("Hand").select_option("left")  # mirrored
        page.get_by_role("button", name="Generate").click()
        finished(page)
        assert "aspect=palm" in page.url
        assert complaints(page) == []
        content = zipped(page)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.read("manifest.csv").decode().splitlines()[1].split(",")[4:7] == [
            "palm",
            "left",
            "dark",
        ]
        pictures = [Image.open(io.BytesIO(archive.read(f"palm_{n:06d}.png"))) for n in (1, 2, 3)]
    assert pictures[0].text["palms:side"] == "left"
    pixels = np.stack([np.asarray(picture).transpose(2, 0, 1) for picture in pictures]).astype(int)
    vectors = model.inputs(model.latents(7, range(3)), [HandLabels("palm", "left", "dark")] * 3)
    with torch.inference_mode():  # the last number says that the image is mirrored
        expected = (model.generator(vectors[:, :-1]).flip(3) + 1) * 127.5
    assert np.abs(pixels - expected.round().numpy()).max() <= 1
