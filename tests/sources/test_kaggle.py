"""The real kagglehub client, against a server on loopback that speaks Kaggle's download calls.

Most tests run twice: in the client's own test environment (port 7777, where it prints each answer whole) and
the way it streams in production (brought to the loopback server by way of the proxy setting).
"""

from __future__ import annotations

import base64
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from palm_assets.sources.kaggle import KaggleSet, fetch_dataset, newest_version
from tests.sources.kaggle_server import KaggleServer
from tests.sources.kaggle_sets import (
    BOXES,
    HANDS,
    boxes,
    files_in,
    hands,
    left_behind,
    tarred,
)


def test_a_set_is_fetched_with_its_files_as_published(kaggle: KaggleServer, cache: Path) -> None:
    reported: list[str] = []
    fetched = fetch_dataset(BOXES, cache=cache, progress=reported.append)
    assert fetched == KaggleSet(fetched.root, BOXES, 5)
    assert files_in(fetched.root) == boxes()
    assert any("downloading" in line for line in reported)


def test_a_second_run_does_not_download_again(kaggle: KaggleServer, cache: Path) -> None:
    first = fetch_dataset(HANDS, cache=cache)
    asked = len(kaggle.log)
    assert fetch_dataset(HANDS, cache=cache) == first
    assert kaggle.log[asked:] == [f"POST GetDataset {HANDS}"]
    assert kaggle.downloads == 1


def test_a_pinned_version_is_the_one_that_is_fetched(kaggle: KaggleServer, cache: Path) -> None:
    assert files_in(fetch_dataset(HANDS, version=1, cache=cache).root) == hands(1)
    assert files_in(fetch_dataset(f"{HANDS}/versions/2", cache=cache).root) == hands(2)
    assert files_in(fetch_dataset(HANDS, version=1, cache=cache).root) == hands(1)
    assert kaggle.downloads == 2


def test_a_pinned_set_that_is_there_asks_nobody(kaggle: KaggleServer, cache: Path) -> None:
    fetch_dataset(HANDS, version=1, cache=cache)
    kaggle.log.clear()
    assert files_in(fetch_dataset(HANDS, version=1, cache=cache).root) == hands(1)
    assert kaggle.log == []


def test_the_newest_version_is_known_without_downloading(kaggle: KaggleServer) -> None:
    assert newest_version(HANDS) == 2
    assert kaggle.log == [f"POST GetDataset {HANDS}"]


def test_a_token_is_sent_along(kaggle: KaggleServer, cache: Path, tmp_path: Path) -> None:
    token = tmp_path / "home" / ".kaggle" / "access_token"
    token.parent.mkdir(parents=True)
    token.write_text("KGAT_1234\n")
    fetch_dataset(HANDS, cache=cache)
    assert set(kaggle.authorizations) == {"Bearer KGAT_1234"}


def test_an_old_kaggle_json_is_sent_along(kaggle: KaggleServer, tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "kaggle.json").write_text('{"username": "ann", "key": "k"}')
    newest_version(HANDS)
    assert kaggle.authorizations == ["Basic " + base64.b64encode(b"ann:k").decode()]


def test_a_tar_is_fetched_too(kaggle: KaggleServer, cache: Path) -> None:
    kaggle.archives[HANDS][1] = tarred(hands(1))
    assert files_in(fetch_dataset(HANDS, version=1, cache=cache).root) == hands(1)


def test_kagglehub_itself_finds_what_was_fetched(
    kaggle: KaggleServer, cache: Path, environment: pytest.MonkeyPatch
) -> None:
    import kagglehub

    fetched = fetch_dataset(HANDS, cache=cache)
    environment.setenv("KAGGLEHUB_CACHE", str(cache))
    assert kagglehub.dataset_download(HANDS) == str(fetched.root)
    assert kaggle.downloads == 1


def test_what_kagglehub_itself_fetched_is_found(
    kaggle: KaggleServer, cache: Path, environment: pytest.MonkeyPatch
) -> None:
    import kagglehub

    environment.setenv("KAGGLEHUB_CACHE", str(cache))
    path = kagglehub.dataset_download(HANDS)
    assert fetch_dataset(HANDS).root == Path(path)
    assert kaggle.downloads == 1
    assert os.environ["KAGGLEHUB_CACHE"] == str(cache)


def test_in_a_fresh_interpreter_the_default_cache_is_used_and_the_second_run_downloads_nothing(
    kaggle: KaggleServer, tmp_path: Path
) -> None:
    code = f"from palm_assets.sources.kaggle import *; print('AT', fetch_dataset({HANDS!r}).root)"
    command = [sys.executable, "-c", code]
    first, second = (subprocess.run(command, capture_output=True, text=True, check=True) for _ in range(2))
    root = tmp_path / "home/.cache/kagglehub/datasets" / HANDS / "versions/2"
    assert first.stdout.endswith(f"AT {root}\n")
    assert second.stdout.endswith(f"AT {root}\n")
    assert "100%" in first.stderr  # kagglehub's progress bar
    assert kaggle.downloads == 1


def test_two_at_once_download_once(kaggle: KaggleServer, cache: Path) -> None:
    found: list[KaggleSet] = []
    threads = [
        threading.Thread(target=lambda: found.append(fetch_dataset(HANDS, cache=cache))) for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 3
    assert len(set(found)) == 1
    assert kaggle.downloads == 1


def test_a_set_that_a_notebook_of_kaggle_mounts_is_used_where_it_is(
    kaggle: KaggleServer, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import kagglehub

    (tmp_path / "input").mkdir()
    monkeypatch.setenv("KAGGLE_KERNEL_RUN_TYPE", "Interactive")
    monkeypatch.setenv("KAGGLE_DATA_PROXY_URL", "http://127.0.0.1:9")
    monkeypatch.setattr("kagglehub.clients.read_kaggle_build_date", lambda: "today")
    # As kagglehub answers there:
    monkeypatch.setattr(kagglehub, "dataset_download", lambda _: str(tmp_path / "input"))
    assert fetch_dataset(HANDS, cache=cache) == KaggleSet(tmp_path / "input", HANDS, 2)
    assert left_behind(cache) == []
