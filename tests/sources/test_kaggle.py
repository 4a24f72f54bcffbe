"""The real kagglehub client, against a server on loopback that speaks Kaggle's download calls.

Most tests run twice: in the client's own test environment (port 7777, where it prints each answer whole) and
the way it streams in production (brought to the loopback server by way of the proxy setting).
"""

from __future__ import annotations

import base64
import io
import os
import random
import shutil
import socket
import stat
import subprocess
import sys
import tarfile
import threading
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image

from palm_assets.errors import (
    AccessRefusedError,
    CorruptDownloadError,
    DiskFullError,
    PalmError,
    RequestError,
    SourceError,
    SourceNotFoundError,
    SourceUnreachableError,
    UnsafeArchiveError,
)
from palm_assets.sources.kaggle import KaggleSet, fetch_dataset, newest_version
from tests.sources.kaggle_server import Faults, KaggleServer, the_port

HANDS = "shyambhu/hands-and-palm-images-dataset"
BOXES = "korff16/hands-and-palms-yolo-dataset"


# ---- sets, laid out as the real ones are -------------------------------------------------------


def jpeg(seed: int) -> bytes:
    stream = io.BytesIO()
    Image.frombytes("RGB", (24, 18), random.Random(seed).randbytes(24 * 18 * 3)).save(stream, "JPEG")
    return stream.getvalue()


def hands(version: int = 1) -> dict[str, bytes]:
    names = [f"Hand_{i:07d}.jpg" for i in range(6 + version)]
    table = (
        "id,age,gender,skinColor,accessories,nailPolish,aspectOfHand,imageName,irregularities\n"
        + "".join(f"{i // 2},30,female,fair,0,0,palmar left,{name},0\n" for i, name in enumerate(names))
    )
    return {"HandInfo.csv": table.encode()} | {f"Hands/Hands/{name}": jpeg(i) for i, name in enumerate(names)}


def boxes() -> dict[str, bytes]:
    files = {
        "data.yaml": b"train: ../train/images\nval: ../valid/images\ntest: ../test/images\nnames: ['palm']\n"
    }
    for split in ("train", "valid", "test"):
        files[f"{split}/images/a.jpg"] = jpeg(7)
        files[f"{split}/labels/a.txt"] = b"0 0.5 0.5 0.4 0.4\n"
    return files


def zipped(files: dict[str, bytes], symlinks: dict[str, str] | None = None) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as pack:
        for name, content in files.items():
            pack.writestr(name, content)
        for name, target in (symlinks or {}).items():
            member = zipfile.ZipInfo(name)
            member.external_attr = (stat.S_IFLNK | 0o777) << 16
            pack.writestr(member, target)
    return stream.getvalue()


def tarred(files: dict[str, bytes], symlinks: dict[str, str] | None = None) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as pack:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            pack.addfile(member, io.BytesIO(content))
        for name, target in (symlinks or {}).items():
            member = tarfile.TarInfo(name)
            member.type, member.linkname = tarfile.SYMTYPE, target
            pack.addfile(member)
    return stream.getvalue()


def files_in(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if not p.is_dir()}


# ---- the server, and the client's environment ---------------------------------------------------


@pytest.fixture(params=["kagglehub-test-environment", "streaming-as-in-production"])
def streaming(request: pytest.FixtureRequest) -> bool:
    return bool(request.param == "streaming-as-in-production")


@pytest.fixture
def environment(streaming: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in list(os.environ):
        if name.upper().startswith(("KAGGLE", "COLAB")) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    for name in ("HOME", "KAGGLE_CONFIG_DIR"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    monkeypatch.setenv("KAGGLE_API_ENVIRONMENT", "LOCALHOST" if streaming else "TEST")
    return monkeypatch


@pytest.fixture
def kaggle(environment: pytest.MonkeyPatch, streaming: bool) -> Iterator[KaggleServer]:
    sets = {HANDS: {1: zipped(hands(1)), 2: zipped(hands(2))}, BOXES: {5: zipped(boxes())}}
    port = 0 if streaming else 7777
    with the_port(port), KaggleServer(port=port, archives=sets) as server:
        if streaming:
            environment.setenv("http_proxy", f"http://127.0.0.1:{server.port}")
        yield server


@pytest.fixture
def nobody_there(environment: pytest.MonkeyPatch, streaming: bool) -> Iterator[None]:
    """A port that is taken, so that nobody else serves on it, and on which nobody listens."""
    port = 0 if streaming else 7777
    with the_port(port), socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", port))
        if streaming:
            environment.setenv("http_proxy", f"http://127.0.0.1:{taken.getsockname()[1]}")
        yield


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def left_behind(cache: Path) -> list[str]:
    """All in the cache but our lock, which is empty and stays."""
    return sorted(p.relative_to(cache).as_posix() for p in cache.rglob("*") if p.name != ".palms.lock")


def assert_nothing_is_kept_and_a_retry_is_clean(kaggle: KaggleServer, cache: Path) -> None:
    assert left_behind(cache) == []
    kaggle.faults = Faults()
    kaggle.archives[HANDS][1] = zipped(hands(1))
    fetched = fetch_dataset(HANDS, version=1, cache=cache)
    assert files_in(fetched.root) == hands(1)
    assert [p.name for p in cache.iterdir() if p.name != ".palms.lock"] == ["datasets"]


def assert_says_what_to_do(error: PalmError) -> None:
    assert len(error.hint) > 20
    assert error.where


# ---- it works ------------------------------------------------------------------------------------


def test_a_set_is_fetched_with_its_files_as_published(kaggle: KaggleServer, cache: Path) -> None:
    said: list[str] = []
    fetched = fetch_dataset(BOXES, cache=cache, progress=said.append)
    assert fetched == KaggleSet(fetched.root, BOXES, 5)
    assert files_in(fetched.root) == boxes()
    assert any("downloading" in line for line in said)


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


def test_the_newest_version_is_told_without_downloading(kaggle: KaggleServer) -> None:
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
    monkeypatch.setattr(
        kagglehub, "dataset_download", lambda _: str(tmp_path / "input")
    )  # as it answers there
    assert fetch_dataset(HANDS, cache=cache) == KaggleSet(tmp_path / "input", HANDS, 2)
    assert left_behind(cache) == []


# ---- it is refused or nobody answers -----------------------------------------------------------------


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


# ---- what arrives is not what was sent ----------------------------------------------------------------


def test_a_connection_that_closes_early_is_a_corrupt_download(kaggle: KaggleServer, cache: Path) -> None:
    kaggle.faults.break_off_after = 1000
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
        "import os, sys, zipfile; from pathlib import Path; from palm_assets.sources import kaggle\n"
        "zipfile.ZipFile.extractall = lambda self, out: (self.extract('HandInfo.csv', out), os._exit(9))\n"
        f"kaggle.fetch_dataset({HANDS!r}, version=1, cache=Path(sys.argv[1]))"
    )
    run = subprocess.run([sys.executable, "-c", code, str(cache)], capture_output=True, check=False)
    assert run.returncode == 9
    assert any(path.endswith("HandInfo.csv") for path in left_behind(cache))
    assert not (cache / "datasets").exists()
    assert files_in(fetch_dataset(HANDS, version=1, cache=cache).root) == hands(1)
    assert not (cache / ".palms-fetching").exists()


# ---- the archive wants out of its folder ---------------------------------------------------------------


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


# ---- the disk --------------------------------------------------------------------------------------------


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
