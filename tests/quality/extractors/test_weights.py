from __future__ import annotations

import hashlib
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import get_args

import pytest
import torch

from palm_assets.errors import QualityError, WeightsUnavailableError
from palm_assets.quality.extractors.registry import EXTRACTORS, INCEPTION_WEIGHTS, ExtractorName, WeightsFile
from palm_assets.quality.extractors.weights import (
    add_to_cache,
    default_cache,
    fetch,
    find,
    install,
    read_weights,
    resolve_extractor,
)
from palm_assets.quality.features import load_extractor

BODY = bytes(range(256)) * 9000  # 2.3 MB, more than one chunk


class Server(ThreadingHTTPServer):
    """Serves `body`; each request takes the next behavior from the list (the last one stays)."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.body = BODY
        self.behavior = ["whole"]
        self.ranges: list[str | None] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/weights.pth"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        wanted = self.headers.get("Range")
        self.server.ranges.append(wanted)
        todo = self.server.behavior
        how = todo.pop(0) if len(todo) > 1 else todo[0]
        if how in ("404", "503"):
            self.send_error(int(how))
            return
        start = int(wanted.split("=")[1].rstrip("-")) if wanted and how != "no ranges" else 0
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(BODY) - 1}/{len(BODY)}")
        part = self.server.body[start:]
        self.send_header("Content-Length", str(len(part)))
        self.end_headers()
        self.wfile.write(part[: len(part) // 2] if how == "cut" else part)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield running
        running.shutdown()


@pytest.fixture
def file(server: Server) -> WeightsFile:
    return WeightsFile(
        "inception-v3", (server.url,), ("ours.pth", "theirs.pth"), hashlib.sha256(BODY).hexdigest(), len(BODY)
    )


def test_downloads_once_and_then_finds_it(server: Server, file: WeightsFile, tmp_path: Path) -> None:
    reports: list[tuple[int, int]] = []
    path = fetch(file, tmp_path / "new", progress=lambda done, total: reports.append((done, total)))
    assert path.read_bytes() == BODY
    assert reports[-1] == (len(BODY), len(BODY))
    assert fetch(file, tmp_path / "new") == path
    assert len(server.ranges) == 1


def test_a_broken_connection_is_resumed(server: Server, file: WeightsFile, tmp_path: Path) -> None:
    server.behavior = ["cut", "cut", "whole"]
    assert fetch(file, tmp_path).read_bytes() == BODY
    half = len(BODY) // 2
    assert server.ranges == [None, f"bytes={half}-", f"bytes={half + half // 2}-"]


def test_an_interrupted_download_is_resumed_by_the_next_process(
    server: Server, file: WeightsFile, tmp_path: Path
) -> None:
    server.behavior = ["cut"]
    with pytest.raises(WeightsUnavailableError, match="the connection broke at"):
        fetch(file, tmp_path)
    server.behavior = ["whole"]
    assert fetch(file, tmp_path).read_bytes() == BODY
    assert server.ranges[-1] != "bytes=0-"
    assert [p.name for p in tmp_path.iterdir() if p.suffix != ".lock"] == ["ours.pth"]


def test_a_server_without_ranges_starts_over(server: Server, file: WeightsFile, tmp_path: Path) -> None:
    server.behavior = ["cut", "no ranges"]
    assert fetch(file, tmp_path).read_bytes() == BODY


def test_a_wrong_hash_is_refused_and_leaves_nothing_behind(
    server: Server, file: WeightsFile, tmp_path: Path
) -> None:
    server.body = BODY[:-1] + b"x"
    with pytest.raises(WeightsUnavailableError, match=r"another SHA-256.*by other means.*efficientnet-lite0"):
        fetch(file, tmp_path)
    assert [p.name for p in tmp_path.iterdir() if p.suffix != ".lock"] == []


def test_a_partial_file_longer_than_the_published_one_is_discarded(file: WeightsFile, tmp_path: Path) -> None:
    (tmp_path / "ours.pth.part").write_bytes(BODY + b"more")
    assert fetch(file, tmp_path).read_bytes() == BODY


@pytest.mark.parametrize(("response", "requests"), [("404", 1), ("503", 4)])
def test_a_refusal_is_final_and_a_server_error_is_retried(
    server: Server, file: WeightsFile, tmp_path: Path, response: str, requests: int
) -> None:
    server.behavior = [response]
    with pytest.raises(WeightsUnavailableError, match=response):
        fetch(file, tmp_path)
    assert len(server.ranges) == requests


def test_the_next_url_is_tried_and_the_message_names_all(file: WeightsFile, tmp_path: Path) -> None:
    dead = "http://127.0.0.1:9/weights.pth"
    assert fetch(replace(file, urls=(dead, *file.urls)), tmp_path / "a").read_bytes() == BODY
    with pytest.raises(WeightsUnavailableError, match=r"127\.0\.0\.1:9"):
        fetch(replace(file, urls=(dead,)), tmp_path / "b")


def test_a_file_that_another_tool_fetched_is_found(server: Server, file: WeightsFile, tmp_path: Path) -> None:
    (tmp_path / "theirs.pth").write_bytes(BODY)
    assert fetch(file, tmp_path).name == "theirs.pth"
    assert server.ranges == []


def test_a_file_downloaded_by_other_means_is_copied_into_the_cache_if_it_is_the_published_one(
    server: Server, file: WeightsFile, tmp_path: Path
) -> None:
    given = tmp_path / "on-a-stick.pth"
    given.write_bytes(BODY)
    assert add_to_cache(file, given, tmp_path / "cache").read_bytes() == BODY
    assert find(file, tmp_path / "cache") == fetch(file, tmp_path / "cache")
    assert server.ranges == []
    given.write_bytes(BODY[:-1] + b"x")
    for wrong in (given, tmp_path / "missing.pth"):
        with pytest.raises(WeightsUnavailableError, match=r"not the published file.*Download http"):
            add_to_cache(file, wrong, tmp_path / "other")


def test_auto_is_inception_where_its_weights_are_at_hand_and_any_other_name_stands_for_itself(
    file: WeightsFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert resolve_extractor("auto", cache=tmp_path) == "efficientnet-lite0"
    assert resolve_extractor("auto", weights=tmp_path / "given.pth", cache=tmp_path) == "inception-v3"
    monkeypatch.setitem(EXTRACTORS, "inception-v3", replace(EXTRACTORS["inception-v3"], weights=file))
    (tmp_path / "theirs.pth").write_bytes(BODY)
    assert resolve_extractor("auto", cache=tmp_path) == "inception-v3"
    for name in EXTRACTORS:
        assert resolve_extractor(name, cache=tmp_path / "empty") == name
    with pytest.raises(QualityError, match="no extractor 'vgg'"):
        resolve_extractor("vgg")


def test_every_extractor_that_a_config_may_name_is_registered() -> None:
    assert set(get_args(ExtractorName)) == {"auto", *EXTRACTORS}
    for name, spec in EXTRACTORS.items():
        assert spec.weights is None or spec.weights.extractor == name


def test_weights_given_for_an_extractor_are_installed_unless_it_needs_none(
    file: WeightsFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = tmp_path / "given.pth"
    given.write_bytes(BODY)
    monkeypatch.setitem(EXTRACTORS, "inception-v3", replace(EXTRACTORS["inception-v3"], weights=file))
    assert install("inception-v3", given, tmp_path / "cache") == tmp_path / "cache" / "ours.pth"
    with pytest.raises(WeightsUnavailableError, match="come with its package"):
        install("efficientnet-lite0", given, tmp_path / "cache")


@pytest.mark.parametrize(
    "environment",
    [{}, {"XDG_CACHE_HOME": "/caches"}, {"XDG_CACHE_HOME": "/caches", "TORCH_HOME": "~/of_torch"}],
)
def test_the_cache_is_the_folder_that_pytorch_uses(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("XDG_CACHE_HOME", "TORCH_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert default_cache() == Path(torch.hub.get_dir()) / "checkpoints"


def test_a_cache_that_cannot_be_created_is_a_typed_error(file: WeightsFile, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(WeightsUnavailableError, match=r"cannot be written.*TORCH_HOME"):
        fetch(file, tmp_path / "file" / "cache")


def test_resolving_an_extractor_does_not_import_torch() -> None:
    code = (
        "import sys; from palm_assets.quality.extractors.weights import resolve_extractor; "
        "resolve_extractor('auto'); print('torch' in sys.modules)"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "False"


def test_two_at_once_share_one_download(server: Server, file: WeightsFile, tmp_path: Path) -> None:
    threads = [threading.Thread(target=fetch, args=(file, tmp_path)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(server.ranges) == 1


def test_inception_is_downloaded_checked_and_used(
    server: Server,
    random_inception: tuple[Path, Callable[..., object]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server.body = random_inception[0].read_bytes()
    sha = hashlib.sha256(server.body).hexdigest()
    published = replace(INCEPTION_WEIGHTS, urls=(server.url,), sha256=sha, size=len(server.body))
    spec = replace(EXTRACTORS["inception-v3"], weights=published)
    monkeypatch.setitem(EXTRACTORS, "inception-v3", spec)
    assert load_extractor("inception-v3", cache=tmp_path).dim == 2048
    assert load_extractor("auto", cache=tmp_path).name == "inception-v3"


def test_files_that_are_no_weights_are_refused_and_their_code_is_not_run(tmp_path: Path) -> None:
    with pytest.raises(WeightsUnavailableError, match="no file"):
        read_weights(tmp_path / "missing.pth", "inception-v3")
    (tmp_path / "page.pth").write_text("<html>Not found</html>")
    with pytest.raises(WeightsUnavailableError, match="does not hold weights"):
        read_weights(tmp_path / "page.pth", "inception-v3")
    torch.save({"a": Evil(tmp_path / "run")}, tmp_path / "evil.pth")
    with pytest.raises(WeightsUnavailableError, match="does not hold weights"):
        read_weights(tmp_path / "evil.pth", "inception-v3")
    assert not (tmp_path / "run").exists()
    torch.save([torch.ones(2)], tmp_path / "list.pth")
    with pytest.raises(WeightsUnavailableError, match="does not hold a state dict"):
        read_weights(tmp_path / "list.pth", "inception-v3")


class Evil:
    """Creates a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return Path.touch, (self.path,)
