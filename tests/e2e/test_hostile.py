"""What a visitor types, links to, uploads or sends by hand stays with that visitor."""

from __future__ import annotations

import http.client
import json
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from palm_assets.generation.png_metadata import HEAD_BYTES, SIGNATURE
from palm_assets.store.artifacts import Store
from tests.e2e.harness import EN, ROOT, Server, expand, run_server, submit, visit
from tests.generation.test_png_metadata import GOOD, chunk, png
from tests.helpers import below
from tests.models import publish_model, release

MARK = "evilmark"
SCRIPT = f"<img src=x onerror=window.{MARK}=1><script>window.{MARK}=1</script>"


def header(width: int, height: int) -> bytes:
    return chunk(b"IHDR", width.to_bytes(4) + height.to_bytes(4) + bytes([8, 2, 0, 0, 0]))


BOMB = (  # 200 kB that would be 20 GB of pixels
    SIGNATURE
    + header(80_000, 80_000)
    + chunk(b"IDAT", zlib.compress(bytes(200_000_000), 1))
    + chunk(b"IEND", b"")
)
FILES = {
    "a PNG that is a page": (f"<!doctype html>{SCRIPT}".encode(), None),
    "an SVG with a script": (f"<svg onload='window.{MARK}=1'>{SCRIPT}</svg>".encode(), None),
    "a PNG cut short": (SIGNATURE + b"\x00\x00\xff\xfftEXt" + MARK.encode(), None),
    "a PNG that unpacks to 20 GB": (BOMB, None),
    "a bomb with our metadata": (BOMB[:33] + png(GOOD)[33:-24] + BOMB[33:], "Number in its set: 4"),
    "a script as a model": (png({**GOOD, "palms:model": SCRIPT}), None),
    "a script as a seed": (png({**GOOD, "palms:seed": SCRIPT}), None),
    "a script in a chunk of another kind": (png({"Comment": SCRIPT, **GOOD}), "Number in its set: 4"),
    "a way out of the folder": (png({**GOOD, "palms:model": f"../../{MARK}"}), None),
    "50 MB": (png({**GOOD, "palms:model": MARK * 4}) + bytes(50_000_000), "Number in its set: 4"),
}
TYPED = [  # what fits into the fields
    f"<script>window.{MARK}=1</script>",
    f"<img src=x onerror={MARK}=1>",
    f"{{{MARK}.__class__}}",
    f"%({MARK})s",
    f"\x1b[2J{MARK}",
    f"[{MARK}](javascript:{MARK})",
    "9" * 9,
]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    store = Store(tmp_path_factory.mktemp("hostile") / "home")
    release(store, publish_model(store, 1))
    return store


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("scratch")


@pytest.fixture(scope="module")
def server(store: Store, scratch: Path) -> Iterator[Server]:
    with run_server(store.home, TMPDIR=str(scratch)) as server:
        yield server


@pytest.fixture(scope="module")
def bystander(browser: Browser, server: Server) -> Iterator[Page]:
    """Another visitor, who is there all the time."""
    with visit(browser, f"{server.address}/?n=2&seed=1&lang=en") as page:
        expect(page.locator("li img")).to_have_count(2)
        yield page


@pytest.fixture(autouse=True)
def nothing_is_written_and_nobody_else_sees_it(
    bystander: Page, server: Server, store: Store, scratch: Path
) -> Iterator[None]:
    """Around every attack: the disk, the log, and the other visitor."""
    places = (store.home, scratch, ROOT / "app", ROOT / ".streamlit", ROOT / "palm_assets")
    before = [sources(place) for place in places]
    yield
    assert [sources(place) for place in places] == before
    assert MARK not in server.log.read_text()
    assert_every_line_is_json(server.log)
    for order in ("order_score", "order_number"):
        bystander.get_by_role("radio", name=EN(order)).click()
        expect(bystander.get_by_role("radio", name=EN(order))).to_be_checked()
    expect(bystander.locator("li img")).to_have_count(2)
    assert MARK not in bystander.content()


def sources(place: Path) -> dict[str, tuple[int, int, int]]:
    return {name: state for name, state in below(place).items() if "__pycache__" not in name}


def assert_every_line_is_json(log: Path) -> None:
    """All but what Streamlit prints for people before the first visit."""
    lines = [line for line in log.read_text().splitlines() if line.startswith("{")]
    assert lines
    for line in lines:
        assert line.isascii()
        assert json.loads(line)["event"]
    others = [line.strip() for line in log.read_text().splitlines() if not line.startswith("{")]
    known = ("URL:", "Streamlit app", "server started")
    assert [line for line in others if line and not any(word in line for word in known)] == []


@pytest.fixture
def page(browser: Browser, server: Server) -> Iterator[Page]:
    """The attacker's own tab: not even there anything acts."""
    with visit(browser, f"{server.address}/?lang=en") as page:
        alarms: list[str] = []
        page.on("dialog", lambda dialog: alarms.append(dialog.message))
        yield page
        assert alarms == []
        assert page.evaluate(f"window.{MARK}") is None


def test_only_the_metadata_of_a_file_is_read(page: Page, tmp_path: Path) -> None:
    path = tmp_path / f"{MARK}.png"
    expand(page, EN("origin"))
    selector, dialog = page.locator("input[type=file]"), page.get_by_role("dialog")
    page.evaluate(
        "() => { const send = WebSocket.prototype.send; window.sent = 0;"
        "WebSocket.prototype.send = function (data) {"
        "  window.sent += data.byteLength ?? data.length; return send.call(this, data); } }"
    )
    for name, (content, text) in FILES.items():
        path.write_bytes(content)
        page.evaluate("window.sent = 0")
        selector.set_input_files(path)
        expect(dialog, name).to_contain_text(text or EN("origin_unknown"))
        assert 0 < page.evaluate("window.sent") < 4 * HEAD_BYTES, name  # whatever the size of the file
        page.keyboard.press("Escape")
        expect(dialog).to_have_count(0)


def test_input_is_shown_as_text(page: Page) -> None:
    alert = page.get_by_role("alert")
    for typed in TYPED:
        submit(page, EN, typed)
        expect(alert).to_contain_text("999999999" if typed[0] == "9" else "is not a number")
        submit(page, EN, "1", typed + "x")
        expect(alert).to_contain_text("is not a valid seed")


def test_a_link_full_of_scripts_is_shown_as_text(browser: Browser, server: Server) -> None:
    with visit(
        browser, f"{server.address}/?n={SCRIPT}&seed={SCRIPT}&t={SCRIPT}&min={SCRIPT}&lang=en"
    ) as page:
        expect(page.get_by_role("alert")).to_contain_text("is not a number")
        assert page.evaluate(f"window.{MARK}") is None
    link = f"{server.address}/?n=1&seed=1&lang=en&model={SCRIPT}&palm={SCRIPT}&like={SCRIPT}&order={SCRIPT}"
    with visit(browser, link) as page:
        expect(page.get_by_role("alert")).to_contain_text("<img src=x onerror")  # a model of that name
        expect(page.locator("li img")).to_have_count(1)
        assert page.evaluate(f"window.{MARK}") is None


REQUESTS = [
    ("PUT", f"/_stcore/upload_file/{MARK}/{MARK}"),
    ("POST", f"/_stcore/upload_file/{MARK}/{MARK}"),
    ("GET", f"/static/../../../{MARK}/pyproject.toml"),
    ("GET", f"/static/%2e%2e/%2e%2e/{MARK}"),
    ("GET", f"/media/..%2f..%2f{MARK}.png"),
    ("GET", f"/component/palm_gallery/../../{MARK}"),
    ("GET", f"/{MARK}%1b%0d%0a"),
]


def test_requests_by_hand_are_refused(server: Server) -> None:
    for method, path in REQUESTS:
        connection = http.client.HTTPConnection(server.address.removeprefix("http://"), timeout=60)
        body = bytes(20_000_000) if method != "GET" else None
        try:
            connection.request(method, path, body)
            response = connection.getresponse()
            # Any name that is no file's is the page itself.
            assert response.status >= 400 or b"prerenderReady" in response.read(), path
        except (BrokenPipeError, ConnectionResetError, http.client.RemoteDisconnected):
            pass  # hung up on: that is a refusal, too
    connection = http.client.HTTPConnection(server.address.removeprefix("http://"), timeout=60)
    connection.request("GET", "/_stcore/health")
    assert connection.getresponse().status == 200


def test_a_page_of_another_site_cannot_open_the_socket(server: Server) -> None:
    connection = http.client.HTTPConnection(server.address.removeprefix("http://"), timeout=30)
    headers = {
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
        "Origin": "https://elsewhere.example",
    }
    connection.request("GET", "/_stcore/stream", headers=headers)
    assert connection.getresponse().status == 403
