"""The page behind a real nginx with the configuration that `deploy/` recommends."""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import shutil
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from palm_assets.generation.generate import GenerationRequest
from palm_assets.store.artifacts import Store
from tests.e2e.harness import (
    EN,
    ROOT,
    Server,
    cards_of,
    downloaded,
    free_port,
    submit,
    visit,
    zip_of_the_library,
)
from tests.helpers import unsigned_zip

MAIN = """
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log info;
worker_processes 1;
events {{ worker_connections 512; }}
http {{
    access_log {folder}/access.log;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/palms.conf;
}}
"""
TRUSTING = ssl._create_unverified_context()


def program(name: str) -> str:
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/bin")
    if found is None:
        message = f"No {name} on this machine: run tests/e2e/install-servers as root"
        pytest.fail(message) if os.environ.get("CI") else pytest.skip(message)
    return found


@pytest.fixture(scope="module")
def proxied(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of nginx in front of the page."""
    with run_nginx(server, tmp_path_factory.mktemp("nginx")) as address:
        yield address


@contextlib.contextmanager
def run_nginx(server: Server, folder: Path) -> Iterator[str]:
    """Run nginx with the recommended file, its places filled in; yield its address."""
    nginx, openssl = program("nginx"), program("openssl")
    port = free_port()
    certificate = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    files = ["-keyout", str(folder / "key.pem"), "-out", str(folder / "chain.pem")]
    subprocess.run([openssl, *certificate, *files], check=True, capture_output=True)
    config = (ROOT / "deploy" / "nginx.conf").read_text()
    for pattern, replacement in (
        (r"127\.0\.0\.1:8501", server.address.removeprefix("http://")),
        (r"443 ssl", f"127.0.0.1:{port} ssl"),
        (r"server_name palms\.example", "server_name localhost"),
        (r"/etc/letsencrypt/\S+/fullchain\.pem", f"{folder}/chain.pem"),
        (r"/etc/letsencrypt/\S+/privkey\.pem", f"{folder}/key.pem"),
    ):
        config, count = re.subn(pattern, replacement, config)
        assert count == 1, pattern
    (folder / "palms.conf").write_text(config)
    (folder / "nginx.conf").write_text(MAIN.format(folder=folder))
    with running([nginx, "-e", str(folder / "error.log"), "-c", str(folder / "nginx.conf")], folder):
        address = f"https://localhost:{port}"
        wait_for(f"{address}/_stcore/health")
        yield address


@contextlib.contextmanager
def running(command: list[str], folder: Path) -> Iterator[None]:
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        yield
        assert process.poll() is None, (folder / "error.log").read_text()
    finally:
        process.terminate()
        process.wait(10)


def wait_for(address: str) -> None:
    until = time.monotonic() + 10
    while answer(address)[0] != 200:
        assert time.monotonic() < until, "nginx does not start"
        time.sleep(0.05)


def answer(address: str, body: bytes | None = None, method: str = "GET") -> tuple[int, dict[str, str]]:
    """Status and headers."""
    request = urllib.request.Request(address, body, method=method)
    try:
        with urllib.request.urlopen(request, timeout=10, context=TRUSTING) as response:
            return response.status, {name.lower(): value for name, value in response.headers.items()}
    except urllib.error.HTTPError as refused:
        return refused.code, {name.lower(): value for name, value in refused.headers.items()}
    except OSError:
        return 0, {}


def test_a_visit_through_the_proxy_breaks_no_rule_of_its_own(
    browser: Browser, proxied: str, home: Store
) -> None:
    with visit(browser, "about:blank", own=proxied, ignore_https_errors=True) as page:
        complaints: list[str] = []
        page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
        page.goto(proxied)
        expect(page.locator("html")).to_have_attribute("lang", "en")
        submit(page, EN, "30", "7")
        expect(cards_of(page, EN)).to_have_count(24)
        _, archive = downloaded(page, re.compile("ZIP"))
        assert unsigned_zip(archive) == unsigned_zip(zip_of_the_library(home, GenerationRequest(30, 7)))
        cards_of(page, EN).nth(1).click()
        expect(page.get_by_role("dialog").locator("img").first).to_be_visible()
        page.keyboard.press("Escape")
        page.get_by_text(EN("origin"), exact=True).first.click()
        expect(page.get_by_text(EN("origin_drop")[:20])).to_be_visible()
        page.get_by_role("link", name=EN("page_about")).click()
        expect(page.get_by_alt_text(EN("about_samples_alt"))).to_be_visible()
        assert complaints == []


def test_every_answer_carries_the_security_headers(proxied: str) -> None:
    for path in ("/", "/_stcore/health", "/_stcore/metrics", "/static/nothing"):
        _, headers = answer(proxied + path)
        assert headers["x-frame-options"] == "DENY"
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["strict-transport-security"].startswith("max-age=")
        policy = headers["content-security-policy"]
        assert "frame-ancestors 'none'" in policy
        assert "script-src 'self' blob: 'sha256-" in policy
        assert "unsafe-eval" not in policy
        assert headers["server"] == "nginx"  # without its version


def test_what_is_not_for_visitors_is_closed(proxied: str, server: Server) -> None:
    assert answer(f"{server.address}/_stcore/metrics")[0] == 200  # open without the proxy
    for path in ("/_stcore/metrics", "/_stcore/upload_file/a/b", "/_stcore/agent/openapi.json"):
        assert answer(proxied + path)[0] == 404
    assert answer(proxied + "/", b"x", "POST")[0] == 403
    assert answer(proxied + "/", b"x", "PUT")[0] == 403
    assert answer(proxied + "/", b"x" * 100_000, "POST")[0] in (403, 413)
    assert answer(proxied + "/_stcore/health")[0] == 200


def test_one_address_that_asks_too_much_is_slowed_down_and_the_page_goes_on(
    server: Server, tmp_path: Path
) -> None:
    with run_nginx(server, tmp_path) as address:  # nobody has used anything of its burst
        connection = http.client.HTTPSConnection(
            address.removeprefix("https://"), context=TRUSTING, timeout=10
        )
        statuses: list[int] = []
        while len(statuses) < 5000 and statuses[-1:] != [429]:
            connection.request("GET", "/_stcore/health")
            response = connection.getresponse()
            response.read()
            statuses.append(response.status)
        assert set(statuses) == {200, 429}
        assert statuses.count(200) >= 400  # a burst is let through
        time.sleep(1)
        assert answer(f"{address}/_stcore/health")[0] == 200
