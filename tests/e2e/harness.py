"""Runs the page's server, and opens it in a tab of a real browser."""

from __future__ import annotations

import base64
import contextlib
import io
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Download, Locator, Page, expect

from app.i18n.words import Words
from palm_assets.gan.sampler import load_model
from palm_assets.generation.archives import zip_into
from palm_assets.generation.generate import GenerationRequest, generate
from palm_assets.store.artifacts import Store
from tests.helpers import unsigned

ROOT = Path(__file__).parents[2]
SCREENSHOTS = ROOT / "test-artifacts" / "page"
RU, EN = Words("ru"), Words("en")


@dataclass(frozen=True)
class Server:
    """A running page.

    Attributes:
        address: of the page, without a slash at its end.
        process: the server itself.
        log: its output.
    """

    address: str
    process: subprocess.Popen[bytes]
    log: Path


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextlib.contextmanager
def run_server(
    home: Path, *, root: Path = ROOT, arguments: Sequence[str] = (), **environment: str
) -> Iterator[Server]:
    """Run a server of the program at `root` on this store; its log must not hold a traceback."""
    port = free_port()
    command = [
        sys.executable,
        "-m",
        "streamlit",
        "run",
        "app/main.py",
        "--server.port",
        str(port),
        *arguments,
    ]
    log = home.parent / f"server-{port}.log"
    with log.open("w") as output:
        server = subprocess.Popen(
            command,
            cwd=root,
            env={**os.environ, "PALM_HOME": str(home), **environment},
            stdout=output,
            stderr=output,
        )
    address = f"http://localhost:{port}"
    try:
        wait_until_answered(f"{address}/_stcore/health", server, log)
        yield Server(address, server, log)
        assert "Traceback" not in log.read_text(), log.read_text()
    finally:
        server.terminate()
        server.wait(60)  # other work may share the machine


@contextlib.contextmanager
def paused(server: Server) -> Iterator[None]:
    """Pause the server; clicks reach it afterwards."""
    server.process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        server.process.send_signal(signal.SIGCONT)


@contextlib.contextmanager
def slowed(server: Server) -> Iterator[None]:
    """Let the server run a tenth of the time: on a quick machine, work would end before a click."""
    over = threading.Event()

    def slow_down() -> None:
        while not over.wait(0.02):
            server.process.send_signal(signal.SIGSTOP)
            over.wait(0.18)
            server.process.send_signal(signal.SIGCONT)

    thread = threading.Thread(target=slow_down)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def wait_until_answered(address: str, server: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + 90
    while time.monotonic() < until and server.poll() is None:
        with contextlib.suppress(OSError), urllib.request.urlopen(address, timeout=1):
            return
        time.sleep(0.05)
    pytest.fail(f"The server does not start: {log.read_text()}")


@contextlib.contextmanager
def visit(
    browser: Browser, address: str, *, locale: str = "en-GB", own: str = "", **settings: object
) -> Iterator[Page]:
    """Open a tab; it must request nothing from other hosts, and no script in it may fail."""
    context = browser.new_context(locale=locale, **settings)  # type: ignore[arg-type]
    context.set_default_timeout(60_000)  # other work may share the machine
    page = context.new_page()
    requested: set[str] = set()
    page.on("request", lambda request: requested.add(request.url))
    broken: list[str] = []
    page.on("pageerror", lambda error: broken.append(str(error)))
    page.goto(address)
    yield page
    own = own or "/".join(address.split("/")[:3])
    assert not [
        url for url in requested if not url.startswith((own, own.replace("http", "ws"), "data:", "blob:"))
    ]
    assert broken == []
    context.close()


def visible_field(page: Page, label: str) -> Locator:
    """The field with this label; while the page is redrawn, the one before is there, too, but hidden."""
    return page.get_by_label(label, exact=True).filter(visible=True)


def submit(page: Page, words: Words, count: str, seed: str = "") -> None:
    visible_field(page, words("count")).fill(count)
    visible_field(page, words("seed")).fill(seed)
    page.get_by_role("button", name=words("generate"), exact=True).click()


def expand(page: Page, label: str) -> None:
    """Expand the section with this label, and wait for the animation: a click before its end may miss."""
    section = page.locator("summary", has=page.get_by_text(label, exact=True))
    section.click()
    section.evaluate(
        "section => Promise.allSettled(section.parentElement.getAnimations().map((one) => one.finished))"
    )


def cards_of(page: Page, words: Words) -> Locator:
    """The palms in the gallery."""
    return page.get_by_role(
        "button", name=re.compile(words("card_open", n=1, score="").split()[0] + r"\s.*\d")
    )


def turn_to(page: Page, words: Words, number: int) -> None:
    """Show this page of the gallery."""
    page.get_by_role("button", name=f"{words('page_number')}{number}", exact=True).click()


def model_field(page: Page, words: Words) -> Locator:
    """The field that names the model."""
    return visible_field(page, words("model"))


def focused(page: Page) -> str:
    """Name of what has the keyboard focus, in whatever component."""
    name: str = page.evaluate(
        "() => { let it = document.activeElement;"
        " while (it.shadowRoot?.activeElement) it = it.shadowRoot.activeElement;"
        " return it.getAttribute('aria-label') ?? it.className; }"
    )
    return name


def open_palm(page: Page, words: Words, number: int, total: int) -> Locator:
    """The dialog of a palm of the shown page of the gallery."""
    name = r"\s".join(map(re.escape, words("card_open", n=number, score="").split()))
    page.get_by_role("button", name=re.compile(name)).click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("heading", name=words("palm_title", n=number, total=total))).to_be_visible()
    return dialog


def downloaded(page: Page, label: str | re.Pattern[str]) -> tuple[Download, bytes]:
    with page.expect_download() as waiting:
        page.get_by_role("button", name=label).click()
    return waiting.value, Path(waiting.value.path()).read_bytes()


def pixels_of(source: str | None) -> bytes:
    """The image of a data URL, without its signature, which is new each time that it is generated."""
    assert source is not None
    return unsigned(base64.b64decode(source.partition(",")[2]))


def expect_image(image: Locator, source: str | None, *, other: bool = False) -> None:
    """Wait until an element shows this image again, or another one; the signature does not count."""
    until = time.monotonic() + 15
    while (pixels_of(image.get_attribute("src")) == pixels_of(source)) == other:
        assert time.monotonic() < until, "the same image is shown" if other else "another image is shown"
        time.sleep(0.1)


def zip_of_the_library(store: Store, request: GenerationRequest) -> bytes:
    released = store.released()
    assert released is not None
    model = load_model(store.open("models", released.model).folder, released.model)
    stream = io.BytesIO()
    zip_into(stream, generate(model, request), model)
    return stream.getvalue()


def screenshot(page: Page, name: str, *, whole: bool = True) -> None:
    """Save a screenshot for people to look at; `whole` includes what one would scroll to."""
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    size = page.viewport_size
    assert size is not None
    if whole:
        height = page.evaluate("document.querySelector('[data-testid=stMain]').scrollHeight")
        page.set_viewport_size({"width": size["width"], "height": min(int(height), 6000)})
        page.wait_for_timeout(300)
    page.screenshot(path=SCREENSHOTS / f"{name}.png")
    page.set_viewport_size(size)
