"""Archives of photographs: unpacked within bounds, or refused by a typed error."""

import gzip
import io
import tarfile
import tracemalloc
import zipfile
from pathlib import Path

import pytest
from backports import zstd
from hypothesis import example, given, settings
from hypothesis import strategies as st

from palm_assets.errors import CorruptDownloadError, DiskFullError, PalmError, UnsafeArchiveError
from palm_assets.sources import unpack as unpacking
from palm_assets.sources.unpack import unpack

FORMATS = {
    "x.zip": "",
    "x.tar": "w",
    "x.tar.gz": "w:gz",
    "x.tgz": "w:gz",
    "x.tar.bz2": "w:bz2",
    "x.txz": "w:xz",
    "x.tar.zst": "w:",
    "x.tzst": "w:",
}


def pack(path: Path, files: list[tuple[str, bytes]]) -> Path:
    mode = FORMATS[path.name]
    if not mode:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in files:
                archive.writestr(name, content)
        return path
    with tarfile.open(path, mode) as tar:  # type: ignore[call-overload]
        for name, content in files:
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    if path.name.endswith("zst"):
        path.write_bytes(zstd.compress(path.read_bytes()))
    return path


def files_in(folder: Path) -> dict[str, bytes]:
    paths = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_is_unpacked_without_litter(tmp_path: Path, name: str) -> None:
    litter = [("__MACOSX/._1.jpg", b"x"), ("anna/.DS_Store", b"x"), ("Thumbs.db", b"x")]
    path = pack(tmp_path / name, [("anna/1.jpg", b"1"), ("ладонь/2.jpg", b"2"), *litter])
    unpack(path, tmp_path / "out", name)
    assert files_in(tmp_path / "out") == {"anna/1.jpg": b"1", "ладонь/2.jpg": b"2"}


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
@pytest.mark.parametrize("encoding", ["utf-8", "koi8-r"])
def test_names_of_every_form_of_tar_are_read(tmp_path: Path, form: int, encoding: str) -> None:
    name = "/".join(["ладони"] * 6) + "/1.jpg"
    with tarfile.open(tmp_path / "x.tar", "w", format=form, encoding=encoding) as tar:
        entry = tarfile.TarInfo(name)
        entry.size, entry.pax_headers = 1, {"comment": "x" * 1000}
        tar.addfile(entry, io.BytesIO(b"1"))
    unpack(tmp_path / "x.tar", tmp_path / "out", "x.tar")
    assert list(files_in(tmp_path / "out").values()) == [b"1"]
    if encoding == "utf-8" or form == tarfile.PAX_FORMAT:  # which is always UTF-8
        assert list(files_in(tmp_path / "out")) == [name]


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME])
@pytest.mark.parametrize("before", [0, 1])
def test_a_header_that_would_fill_the_memory_is_refused(tmp_path: Path, kind: bytes, before: int) -> None:
    size = 300 << 20
    with tarfile.open(tmp_path / "x.tar", "w") as tar:
        for number in range(before):
            tar.addfile(tarfile.TarInfo(f"{number}.jpg"))
        entry = tarfile.TarInfo("header")
        entry.type, entry.size = kind, size
        tar.addfile(entry)
    with (tmp_path / "x.tar").open("r+b") as file:
        file.truncate(size + (1 << 20))  # a hole, so that it takes no space
    tracemalloc.start()
    with pytest.raises(CorruptDownloadError, match=f"a header has {size} bytes"):
        unpack(tmp_path / "x.tar", tmp_path / "out", "x.tar")
    assert tracemalloc.get_traced_memory()[1] < 50 << 20
    tracemalloc.stop()
    assert not files_in(tmp_path / "out")


@pytest.mark.parametrize("name", ["x.tar", "x.tar.gz", "x.tar.zst"])
@pytest.mark.parametrize("cut", [False, True])
def test_a_tar_that_ends_in_the_middle_of_a_header_is_damaged(tmp_path: Path, name: str, cut: bool) -> None:
    plain = bytearray(pack(tmp_path / "x.tar", [(f"{n}.jpg", b"1") for n in range(4)]).read_bytes())
    if cut:
        del plain[2 * 1024 + 300 :]
    else:
        plain[2 * 1024 + 150] ^= 1  # in the checksum of the third header
    pack_bytes = {"x.tar": bytes, "x.tar.gz": gzip.compress, "x.tar.zst": zstd.compress}[name]
    (tmp_path / name).write_bytes(pack_bytes(bytes(plain)))
    with pytest.raises(CorruptDownloadError):
        unpack(tmp_path / name, tmp_path / "out", name)


def test_a_tar_without_blocks_at_its_end_is_whole(tmp_path: Path) -> None:
    path = pack(tmp_path / "x.tar", [("1.jpg", b"1"), ("2.jpg", b"2")])
    path.write_bytes(path.read_bytes()[: 4 * 512])
    unpack(path, tmp_path / "out", "x.tar")
    assert set(files_in(tmp_path / "out")) == {"1.jpg", "2.jpg"}


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_that_occurs_a_thousand_times_is_looked_for_once_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = pack(tmp_path / "x.tar", [("1.jpg", b"1")] * 1000)
    asked = []
    exists = Path.exists
    monkeypatch.setattr(Path, "exists", lambda self: asked.append(self) or exists(self))
    unpack(path, tmp_path / "out", "x.tar")
    assert len(files_in(tmp_path / "out")) == 1000
    assert (tmp_path / "out" / "1 (1000).jpg").is_file()
    assert len(asked) < 4000


def test_an_archive_of_windows_with_backslashes_is_unpacked(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        for name, content in (("anna\\", b""), ("anna\\left\\1.jpg", b"1"), ("ben\\2.jpg", b"2")):
            entry = zipfile.ZipInfo("x")
            entry.filename = name
            archive.writestr(entry, content)
    unpack(tmp_path / "x.zip", tmp_path / "out", "x.zip")
    assert files_in(tmp_path / "out") == {"anna/left/1.jpg": b"1", "ben/2.jpg": b"2"}


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("name", ["x.zip", "x.tar.gz"])
def test_a_name_that_occurs_twice_is_two_files(tmp_path: Path, name: str) -> None:
    unpack(pack(tmp_path / name, [("a/1.jpg", b"1"), ("a/1.jpg", b"2")]), tmp_path / "out", name)
    assert files_in(tmp_path / "out") == {"a/1.jpg": b"1", "a/1 (2).jpg": b"2"}


@pytest.mark.parametrize("name", ["x.zip", "x.tar"])
@pytest.mark.parametrize(
    "member", ["../1.jpg", "/etc/1.jpg", "a/../../1.jpg", "a\\..\\..\\1.jpg", "C:\\1.jpg"]
)
def test_nothing_is_written_outside_of_the_folder(tmp_path: Path, name: str, member: str) -> None:
    with pytest.raises(UnsafeArchiveError, match="outside of its folder"):
        unpack(pack(tmp_path / name, [("good.jpg", b"1"), (member, b"2")]), tmp_path / "in" / "out", name)
    assert not files_in(tmp_path / "in")


@pytest.mark.parametrize("name", ["x.zip", "x.tar"])
@pytest.mark.parametrize("member", ["good.jpg/1.jpg", "ä" * 200 + ".jpg"])
def test_a_name_that_no_file_can_have_is_damage(tmp_path: Path, name: str, member: str) -> None:
    with pytest.raises(CorruptDownloadError):
        unpack(pack(tmp_path / name, [("good.jpg", b"1"), (member, b"2")]), tmp_path / "out", name)


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_are_refused(tmp_path: Path, kind: bytes) -> None:
    with tarfile.open(tmp_path / "x.tar", "w") as tar:
        entry = tarfile.TarInfo("1.jpg")
        entry.type, entry.linkname = kind, "/etc/passwd"
        tar.addfile(entry)
    with pytest.raises(UnsafeArchiveError):
        unpack(tmp_path / "x.tar", tmp_path / "out", "x.tar")


@pytest.mark.parametrize("name", ["x.zip", "x.tar.gz"])
def test_a_bomb_is_refused_before_it_is_written(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = pack(tmp_path / name, [("1.jpg", bytes(1 << 20)), ("2.jpg", bytes(1 << 20))])
    assert path.stat().st_size < 10_000
    monkeypatch.setattr(unpacking, "MAX_BYTES", 3 << 19)
    with pytest.raises(UnsafeArchiveError, match="unpacks to more"):
        unpack(path, tmp_path / "out", name)
    assert not files_in(tmp_path / "out")
    monkeypatch.setattr(unpacking, "MAX_BYTES", 1 << 40)
    monkeypatch.setattr(unpacking, "FREE_SHARE", 1e-9)
    with pytest.raises(DiskFullError, match="more space than is left"):
        unpack(path, tmp_path / "out2", name)


def test_too_many_members_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpacking, "MAX_MEMBERS", 3)
    path = pack(tmp_path / "x.tar", [(f"{number}.jpg", b"") for number in range(4)])
    with pytest.raises(UnsafeArchiveError, match="3 files"):
        unpack(path, tmp_path / "out", "x.tar")


@pytest.mark.parametrize(
    "content", [b"", b"PK\x03\x04", b"Rar!\x1a\x07", b"\x1f\x8b" + bytes(20), zstd.compress(b"x")]
)
def test_other_files_are_refused_by_name(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.zip").write_bytes(content)
    with pytest.raises(CorruptDownloadError, match=r"x\.zip"):
        unpack(tmp_path / "x.zip", tmp_path / "out", "x.zip")


@example("x.zip", [(1499, 128)])  # a member that starts before the archive does
@settings(max_examples=200, deadline=None)
@given(
    name=st.sampled_from(sorted(FORMATS)),
    changes=st.lists(st.tuples(st.integers(0, 10**6), st.integers(1, 255))),
)
def test_whatever_the_damage_it_is_unpacked_or_refused(
    tmp_path_factory: pytest.TempPathFactory, name: str, changes: list[tuple[int, int]]
) -> None:
    folder = tmp_path_factory.mktemp("x")
    path = pack(folder / name, [("a/1.jpg", b"1" * 99), ("2.jpg", b"2" * 999)])
    data = bytearray(path.read_bytes())
    for place, change in changes:
        data[place % len(data)] ^= change
    path.write_bytes(data)
    try:
        unpack(path, folder / "in" / "out", name)
    except PalmError as refused:
        assert "\n" not in str(refused)  # noqa: PT017
    assert {entry.name for entry in folder.iterdir()} == {name, "in"}


_PARTS = st.sampled_from(
    [
        "a",
        "b.jpg",
        "..",
        ".",
        "",
        " ",
        "c d",
        "ладонь",
        "\n",
        "x" * 255,
        "x" * 256,
        "C:",
        "con",
        "a\\b",
        "..\\c",
        "~",
    ]
)


@pytest.mark.filterwarnings("ignore:Duplicate name")
@settings(max_examples=80, deadline=None)
@given(
    name=st.sampled_from(["x.zip", "x.tar"]),
    members=st.lists(
        st.lists(_PARTS, min_size=1, max_size=4).map("/".join).filter(lambda m: m.strip("/.")), max_size=4
    ),
)
def test_whatever_its_members_are_called_each_is_a_file_inside_or_all_are_refused(
    tmp_path_factory: pytest.TempPathFactory, name: str, members: list[str]
) -> None:
    folder = tmp_path_factory.mktemp("x")
    members = [member for member in members if not member.endswith(("/", "\\"))]
    path = pack(folder / name, [(member, b"1") for member in members])
    try:
        unpack(path, folder / "in" / "out", name)
    except PalmError as refused:
        assert "\n" not in str(refused)  # noqa: PT017
    else:
        assert len(files_in(folder / "in" / "out")) == len(members)
        assert not any(".." in member.replace("\\", "/").split("/") for member in members)
    assert {entry.name for entry in folder.iterdir()} == {name, "in"}
    assert [entry.name for entry in (folder / "in").iterdir()] == ["out"]
