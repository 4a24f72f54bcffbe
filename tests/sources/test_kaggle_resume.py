"""Downloads that break off, at any byte and any number of times, complete by resuming."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import pytest

import palm_assets.sources.download as download
from palm_assets.errors import CorruptDownloadError, SourceUnreachableError
from palm_assets.sources.kaggle import fetch_dataset
from tests.sources.kaggle_server import Faults, KaggleServer
from tests.sources.kaggle_sets import HANDS, files_in, hands, left_behind, zipped


@pytest.fixture
def streaming() -> bool:
    """Always: kagglehub's test environment reads each answer whole before it hands it over."""
    return True


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download.time, "sleep", lambda seconds: None)


def ranges(kaggle: KaggleServer) -> list[int]:
    lines = [line for line in kaggle.log if " bytes=" in line]
    return [int(line.partition("bytes=")[2].removesuffix("-")) for line in lines]


def test_a_connection_that_closes_early_again_and_again_completes(kaggle: KaggleServer, cache: Path) -> None:
    kaggle.faults.break_off_after = 1000
    reported: list[str] = []
    fetched = fetch_dataset(HANDS, version=1, cache=cache, progress=reported.append)
    assert files_in(fetched.root) == hands(1)
    size = len(kaggle.archives[HANDS][1])
    assert ranges(kaggle) == list(range(1000, size, 1000)), "no byte is fetched twice"
    assert any("resuming" in line and "0.0 MB" in line for line in reported)
    assert any("(100%)" in line for line in reported)
    assert left_behind(cache / ".palms-partial") == []


@pytest.mark.parametrize("seed", range(50))
def test_cuts_at_random_bytes_complete_with_the_right_content(
    kaggle: KaggleServer, cache: Path, seed: int
) -> None:
    chance = random.Random(seed)
    size = len(kaggle.archives[HANDS][1])
    kaggle.faults.break_offs = [chance.randrange(1, size) for _ in range(chance.randrange(1, 12))]
    fetched = fetch_dataset(HANDS, version=1, cache=cache)
    assert files_in(fetched.root) == hands(1)
    assert [path.name for path in cache.iterdir() if path.name != ".palms.lock"] == ["datasets"]


def test_a_server_that_falls_silent_for_good_is_an_error_and_what_arrived_is_kept(
    kaggle: KaggleServer, cache: Path
) -> None:
    kaggle.faults = Faults(break_off_after=0, break_offs=[1500])
    with pytest.raises(CorruptDownloadError, match="broke off"):
        fetch_dataset(HANDS, version=1, cache=cache)
    assert len(ranges(kaggle)) == download.MAX_STALLS
    assert not (cache / "datasets").exists()
    kaggle.faults = Faults()
    kaggle.log.clear()
    assert files_in(fetch_dataset(HANDS, version=1, cache=cache).root) == hands(1)
    assert ranges(kaggle) == [1500]
    assert [path.name for path in cache.iterdir() if path.name != ".palms.lock"] == ["datasets"]


def test_a_killed_process_resumes_where_it_stopped(kaggle: KaggleServer, cache: Path) -> None:
    kaggle.faults.break_offs = [2000]
    code = (
        "import os, sys; from pathlib import Path; from palm_assets.sources import download, kaggle\n"
        "download.time.sleep = lambda seconds: os._exit(9)\n"
        f"kaggle.fetch_dataset({HANDS!r}, version=1, cache=Path(sys.argv[1]))"
    )
    run = subprocess.run([sys.executable, "-c", code, str(cache)], capture_output=True, check=False)
    assert run.returncode == 9, run.stderr
    assert files_in(fetch_dataset(HANDS, version=1, cache=cache).root) == hands(1)
    assert ranges(kaggle) == [2000]


def test_an_archive_that_changed_in_between_is_fetched_from_the_start(
    kaggle: KaggleServer, cache: Path
) -> None:
    kaggle.faults = Faults(break_off_after=0, break_offs=[3000])
    with pytest.raises(CorruptDownloadError):
        fetch_dataset(HANDS, version=1, cache=cache)
    kaggle.faults = Faults()
    kaggle.log.clear()
    kaggle.archives[HANDS][1] = zipped(hands(3))
    assert files_in(fetch_dataset(HANDS, version=1, cache=cache).root) == hands(3)
    assert ranges(kaggle) == []


def test_damage_in_what_was_kept_costs_a_second_download_and_no_more(
    kaggle: KaggleServer, cache: Path
) -> None:
    kaggle.faults = Faults(break_off_after=0, break_offs=[3000])
    with pytest.raises(CorruptDownloadError):
        fetch_dataset(HANDS, version=1, cache=cache)
    (archive,) = (cache / ".palms-partial").rglob("archive")
    archive.write_bytes(bytes(3000))
    kaggle.faults = Faults()
    assert files_in(fetch_dataset(HANDS, version=1, cache=cache).root) == hands(1)


@pytest.mark.parametrize("faults", [Faults(ignore_range=True), Faults(not_resumable=True)])
def test_a_storage_without_ranges_sends_everything_again(
    kaggle: KaggleServer, cache: Path, faults: Faults
) -> None:
    faults.break_offs = [5000, 10**9] if faults.ignore_range else [5000]
    kaggle.faults = faults
    assert files_in(fetch_dataset(HANDS, version=1, cache=cache).root) == hands(1)


def test_without_a_checksum_a_break_is_resumed_by_size(kaggle: KaggleServer, cache: Path) -> None:
    kaggle.faults = Faults(no_checksum=True, break_offs=[4000])
    assert files_in(fetch_dataset(HANDS, version=1, cache=cache).root) == hands(1)
    assert ranges(kaggle) == [4000]


def test_a_server_that_goes_out_of_order_in_between_is_asked_again(kaggle: KaggleServer, cache: Path) -> None:
    kaggle.faults = Faults(break_offs=[2500], break_off_after=0)
    failures = iter([503, 503, None])

    def settle(seconds: float) -> None:
        kaggle.faults = Faults(storage_status=next(failures))

    download.time.sleep = settle  # type: ignore[assignment]  # the fixture puts it back
    assert files_in(fetch_dataset(HANDS, version=1, cache=cache).root) == hands(1)
    assert ranges(kaggle) == [2500]


def test_a_server_that_stays_out_of_order_is_unreachable(kaggle: KaggleServer, cache: Path) -> None:
    kaggle.faults = Faults(storage_status=503)
    with pytest.raises(SourceUnreachableError, match="503"):
        fetch_dataset(HANDS, version=1, cache=cache)
    assert left_behind(cache) == []
