"""Refusals, silence, damage and full disks: each is a typed error, and leaves nothing behind."""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from palm_assets.errors import (
    AccessRefusedError,
    CorruptDownloadError,
    DiskFullError,
    RequestError,
    SourceError,
    SourceNotFoundError,
    SourceUnreachableError,
    UnsafeArchiveError,
)
from palm_assets.sources.kaggle import fetch_dataset, newest_version
from tests.sources.kaggle_server import KaggleServer
from tests.sources.kaggle_sets import (
    HANDS,
    assert_nothing_is_kept_and_a_retry_is_clean,
    assert_says_what_to_do,
    files_in,
    hands,
    jpeg,
    left_behind,
    tarred,
    zipped,
)


@pytest.mark.parametrize("call", [newest_version, fetch_dataset], ids=["newest-version", "fetch"])
def test_an_unknown_slug_is_not_found(kaggle: KaggleServer, call: Callable[[str], object]) -> None:
    with pytest.raises(SourceNotFoundError, match="nobody/nothing") as caught:
        call("nobody/nothing")
    assert_says_what_to_do(caught.value)


def test_an_unknown_version_is_not_found_and_leaves_nothing(kaggle: KaggleServer, cache: Path) -> None:
    with pytest.raises(SourceNotFoundError, match="versions/99"):
        fetch_dataset(HANDS, version=99, cache=cache)
    assert_nothing_is_kept_and_a_retry_is_clean(kaggle, cache)


@pytest.mark.parametrize("status", [401, 403])
def test_refused_access_says_how_to_make_and_place_a_token(
    kaggle: KaggleServer, cache: Path, status: int
) -> None:
    kaggle.faults.status = status
    with pytest.raises(AccessRefusedError, match=str(status)):
        newest_version(HANDS)
    with pytest.raises(AccessRefusedError, match=r"kaggle\.com/settings.*access_token.*KAGGLE_API_TOKEN"):
        fetch_dataset(HANDS, version=1, cache=cache)
    assert_nothing_is_kept_and_a_retry_is_clean(kaggle, cache)


def test_a_download_that_the_storage_refuses_is_refused_access(kaggle: KaggleServer, cache: Path) -> None:
    kaggle.faults.storage_status = 403
    with pytest.raises(AccessRefusedError):
        fetch_dataset(HANDS, version=1, cache=cache)
    assert_nothing_is_kept_and_a_retry_is_clean(kaggle, cache)


def test_a_kaggle_json_that_cannot_be_read_is_a_matter_of_access(
    kaggle: KaggleServer, cache: Path, tmp_path: Path
) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "kaggle.json").write_text("{oops")
    with pytest.raises(AccessRefusedError, match=r"kaggle\.json"):
        newest_version(HANDS)
    with pytest.raises(AccessRefusedError, match=r"kaggle\.json"):
        fetch_dataset(HANDS, version=1, cache=cache)
    (tmp_path / "home" / "kaggle.json").unlink()
    assert_nothing_is_kept_and_a_retry_is_clean(kaggle, cache)


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_server_out_of_order_is_unreachable(kaggle: KaggleServer, cache: Path, status: int) -> None:
    kaggle.faults.status = status
    with pytest.raises(SourceUnreachableError, match=str(status)):
        newest_version(HANDS)
    with pytest.raises(SourceUnreachableError, match=str(status)) as caught:
        fetch_dataset(HANDS, version=1, cache=cache)
    assert_says_what_to_do(caught.value)
    assert_nothing_is_kept_and_a_retry_is_clean(kaggle, cache)


def test_a_server_that_is_not_there_is_unreachable(nobody_there: None, cache: Path) -> None:
    with pytest.raises(SourceUnreachableError, match="connection"):
        newest_version(HANDS)
    with pytest.raises(SourceUnreachableError, match="pinned") as caught:
        fetch_dataset(HANDS, version=1, cache=cache)
    assert_says_what_to_do(caught.value)
    assert left_behind(cache) == []


def test_a_login_page_in_between_is_not_taken_for_kaggle(kaggle: KaggleServer, cache: Path) -> None:
    kaggle.faults.login_page = True
    with pytest.raises(SourceUnreachableError):
        newest_version(HANDS)
    with pytest.raises(CorruptDownloadError):
        fetch_dataset(HANDS, version=1, cache=cache)
    assert_nothing_is_kept_and_a_retry_is_clean(kaggle, cache)


@pytest.mark.parametrize(
    "handle",
    [
        "",
        "hands",
        "a/b/c",
        "../../etc",
        "a/..",
        "a b/c",
        "https://www.kaggle.com/datasets/a/b",
        "a/b/versions/0",
        "a/b\n",
    ],
)
def test_an_absurd_handle_is_refused_before_anybody_is_asked(handle: str) -> None:
    with pytest.raises(RequestError, match="owner/slug"):
        fetch_dataset(handle)
    with pytest.raises(RequestError, match="owner/slug"):
        newest_version(handle)


@pytest.mark.parametrize(("handle", "version"), [(HANDS, 0), (HANDS, -1), (f"{HANDS}/versions/2", 3)])
def test_an_absurd_or_contradictory_version_is_refused(handle: str, version: int) -> None:
    with pytest.raises(RequestError, match="Version"):
        fetch_dataset(handle, version=version)


def test_a_connection_that_closes_before_the_first_byte_is_a_corrupt_download(
    kaggle: KaggleServer, cache: Path
) -> None:
    kaggle.faults.break_off_after = 0
    with pytest.raises(CorruptDownloadError, match="broke off") as caught:
        fetch_dataset(HANDS, version=1, cache=cache)
    assert_says_what_to_do(caught.value)
    assert_nothing_is_kept_and_a_retry_is_clean(kaggle, cache)


@pytest.mark.parametrize("pack", [zipped, tarred], ids=["zip", "tar"])
def test_an_archive_that_was_cut_before_it_was_sent_is_a_corrupt_download(
    kaggle: KaggleServer, cache: Path, pack: Callable[[dict[str, bytes]], bytes]
) -> None:
    kaggle.archives[HANDS][1] = pack(hands(1))
    kaggle.faults.cut_to = len(kaggle.archives[HANDS][1]) * 2 // 3
    with pytest.raises(CorruptDownloadError):
        fetch_dataset(HANDS, version=1, cache=cache)
    assert_nothing_is_kept_and_a_retry_is_clean(kaggle, cache)


def test_a_damaged_member_is_a_corrupt_download(kaggle: KaggleServer, cache: Path) -> None:
    archive = zipped(hands(1))
    kaggle.archives[HANDS][1] = archive.replace(jpeg(5), bytes(len(jpeg(5))))
    with pytest.raises(CorruptDownloadError, match="CRC"):
        fetch_dataset(HANDS, version=1, cache=cache)
    assert_nothing_is_kept_and_a_retry_is_clean(kaggle, cache)


def test_a_wrong_checksum_is_a_corrupt_download(kaggle: KaggleServer, cache: Path) -> None:
    kaggle.faults.wrong_checksum = True
    with pytest.raises(CorruptDownloadError, match="MD5"):
        fetch_dataset(HANDS, version=1, cache=cache)
    assert_nothing_is_kept_and_a_retry_is_clean(kaggle, cache)


def test_a_stale_archive_of_the_right_size_is_never_believed(kaggle: KaggleServer, cache: Path) -> None:
    """Plain kagglehub takes it for a finished download and does not check it."""
    swapped = {**hands(1), "Hands/Hands/Hand_0000000.jpg": jpeg(0)[:-1] + b"X"}
    stale = zipped(swapped)
    assert len(stale) == len(kaggle.archives[HANDS][1])
    for folder in (cache / "datasets" / HANDS, cache / ".palms-fetching" / "datasets" / HANDS):
        (folder / "versions/1").mkdir(parents=True)
        (folder / "versions/1/half.jpg").write_bytes(b"half")
        (folder / "1.archive").write_bytes(stale)
    assert files_in(fetch_dataset(HANDS, version=1, cache=cache).root) == hands(1)


def test_a_run_that_was_killed_while_it_fetched_leaves_nothing_that_counts(
    kaggle: KaggleServer, cache: Path
) -> None:
    code = (
        "import os, sys; from pathlib import Path; from palm_assets.sources import kaggle, unpack\n"
        "written = []\n"
        "def second(path, numbers): written.append(path); return path if len(written) == 1 else os._exit(9)\n"
        "unpack._unused = second\n"
        f"kaggle.fetch_dataset({HANDS!r}, version=1, cache=Path(sys.argv[1]))"
    )
    run = subprocess.run([sys.executable, "-c", code, str(cache)], capture_output=True, check=False)
    assert run.returncode == 9
    assert any("/files/" in path for path in left_behind(cache))
    assert not (cache / "datasets").exists()
    assert files_in(fetch_dataset(HANDS, version=1, cache=cache).root) == hands(1)
    assert not (cache / ".palms-fetching").exists()


@pytest.mark.parametrize("pack", [zipped, tarred], ids=["zip", "tar"])
@pytest.mark.parametrize(
    "name", ["../evil.jpg", "Hands/../../../evil.jpg", "/tmp/palms-evil.jpg", "..\\evil.jpg"]
)
def test_a_member_that_climbs_out_is_refused(
    kaggle: KaggleServer, cache: Path, pack: Callable[[dict[str, bytes]], bytes], name: str
) -> None:
    kaggle.archives[HANDS][1] = pack({**hands(1), name: b"evil"})
    with pytest.raises(UnsafeArchiveError, match="evil") as caught:
        fetch_dataset(HANDS, version=1, cache=cache)
    assert_says_what_to_do(caught.value)
    assert not list(cache.parent.rglob("*evil.jpg"))
    assert not Path("/tmp/palms-evil.jpg").exists()
    assert_nothing_is_kept_and_a_retry_is_clean(kaggle, cache)


@pytest.mark.parametrize("pack", [zipped, tarred], ids=["zip", "tar"])
@pytest.mark.parametrize("target", ["/etc/passwd", "HandInfo.csv"], ids=["outside", "inside"])
def test_a_symlink_member_is_refused(
    kaggle: KaggleServer, cache: Path, pack: Callable[[dict[str, bytes], dict[str, str]], bytes], target: str
) -> None:
    kaggle.archives[HANDS][1] = pack(hands(1), {"link.csv": target})
    with pytest.raises(UnsafeArchiveError, match=r"link\.csv"):
        fetch_dataset(HANDS, version=1, cache=cache)
    assert_nothing_is_kept_and_a_retry_is_clean(kaggle, cache)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(disk)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("needs the right to mount a small tmpfs (root)")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.parametrize("size", [400_000, 150_000], ids=["while-downloading", "while-unpacking"])
def test_a_full_disk_leaves_nothing_and_with_more_room_the_retry_is_clean(
    kaggle: KaggleServer, small_disk: Path, size: int
) -> None:
    kaggle.archives[HANDS][1] = zipped({**hands(1), "big.jpg": random.Random(0).randbytes(size)})
    with pytest.raises(DiskFullError, match=str(small_disk)) as caught:
        fetch_dataset(HANDS, version=1, cache=small_disk)
    assert_says_what_to_do(caught.value)
    assert left_behind(small_disk) == []
    subprocess.run(["mount", "-o", "remount,size=4m", str(small_disk)], check=True)
    assert_nothing_is_kept_and_a_retry_is_clean(kaggle, small_disk)


def test_a_cache_folder_that_cannot_be_written_says_so(kaggle: KaggleServer, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(SourceError, match="cache folder"):
        fetch_dataset(HANDS, version=1, cache=tmp_path / "file" / "cache")
