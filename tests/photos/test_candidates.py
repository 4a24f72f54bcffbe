"""Which files are photographs: every image-like file is used or stands in `set_aside.csv` with a reason."""

from __future__ import annotations

import csv
import io
import os
import shutil
from pathlib import Path

import pillow_heif
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from palm_assets.errors import DatasetError
from palm_assets.photos.candidates import find_candidates
from palm_assets.photos.formats import IMAGE_SUFFIXES, UNSUPPORTED_SUFFIXES
from palm_assets.photos.index import folder_fingerprint, index_photos, write_index
from palm_assets.sources.folders import is_litter
from tests.helpers import noise, save_picture
from tests.sources.users import nobody

__all__ = ["nobody"]


def people(root: Path, count: int = 4, each: int = 2) -> Path:
    for person in range(count):
        for number in range(each):
            save_picture(root / f"person{person}" / f"IMG_{number:04d}.jpg", seed=person * each + number)
    return root


def jpeg(seed: int = 0) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(noise(seed=seed)).save(stream, "JPEG")
    return stream.getvalue()


def listed(root: Path, **knobs: float) -> tuple[list[str], dict[str, str]]:
    index = index_photos(root, **knobs)  # type: ignore[arg-type]
    return [photo.path for photo in index.photos], {e.path: e.reason for e in index.set_aside}


# Litter


def test_sidecars_of_macos_are_skipped(tmp_path: Path) -> None:
    root = people(tmp_path)
    for path in list(root.rglob("*.jpg")):
        path.with_name(f"._{path.name}").write_bytes(b"\x00\x05\x16\x07 Mac OS X")
    photos, set_aside = listed(root, max_set_aside=0)
    assert len(photos) == 8
    assert set_aside == {}


@pytest.mark.parametrize(
    "name",
    [".DS_Store", "person0/Thumbs.db", "__MACOSX/person0/._1.jpg", ".trashed-17-IMG_1.jpg", "desktop.ini",
     "person1/.thumbnails/1.jpg", "holiday.mp4", "person2/IMG_0001.mov", "notes.docx", "labels.cache"],
)  # fmt: skip
def test_litter_and_files_that_are_not_used_change_neither_index_nor_fingerprint(
    tmp_path: Path, name: str
) -> None:
    root = people(tmp_path)
    index, fingerprint = index_photos(root, max_set_aside=0), folder_fingerprint(root)
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_bytes(b"\x00\x05" + os.urandom(100))
    assert folder_fingerprint(root) == fingerprint
    assert index_photos(root, max_set_aside=0) == index


def test_a_video_beside_the_photos_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = people(tmp_path, count=1)
    video = root / "holiday.mp4"
    video.write_bytes(b"")
    os.truncate(video, 10 << 30)  # sparse: hashing it would take half a minute
    before = os.times().user
    folder_fingerprint(root)
    assert os.times().user - before < 2


# Formats


def test_photographs_of_phones_are_read_by_any_of_their_endings(tmp_path: Path) -> None:
    pillow_heif.register_heif_opener()
    root = people(tmp_path, count=1)
    pixels = Image.fromarray(noise(80, 60, seed=50))
    for name, format_ in {
        "ben/1.heic": "HEIF", "ben/2.HEIF": "HEIF", "ben/3.hif": "HEIF", "ben/4.avif": "AVIF",
        "ben/5.jfif": "JPEG", "ben/6.JPE": "JPEG", "ben/7.mpo": "MPO", "ben/8.jp2": "JPEG2000",
        "ben/9.jpx": "JPEG2000", "ben/10.dib": "DIB", "ben/11.tga": "TGA", "ben/12.pnm": "PPM",
    }.items():  # fmt: skip
        (root / name).parent.mkdir(exist_ok=True)
        pixels = Image.fromarray(noise(80, 60, seed=len(name) + ord(name[4]) + 60))
        pixels.save(root / name, format_)
    photos, set_aside = listed(root, max_set_aside=0)
    lossless_copies = {name: why for name, why in set_aside.items() if why.startswith("duplicate")}
    assert set_aside == lossless_copies
    assert len(photos) + len(lossless_copies) == 14


def test_the_content_decides_not_the_ending(tmp_path: Path) -> None:
    """Messengers and downloads rename: a JPEG may be called .heic, .png, .bin, or have no ending."""
    for seed, name in enumerate(["a/IMG_1.heic", "a/IMG_2.png", "b/IMG_3", "b/IMG_4.bin", "c/IMG.5.backup2"]):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(jpeg(seed))
    (tmp_path / "c" / "README").write_text("not an image")
    photos, set_aside = listed(tmp_path, max_set_aside=0)
    assert photos == ["a/IMG_1.heic", "a/IMG_2.png", "b/IMG_3", "b/IMG_4.bin", "c/IMG.5.backup2"]
    assert set_aside == {}


def test_formats_that_are_not_read_are_set_aside_and_bounded(tmp_path: Path) -> None:
    root = people(tmp_path)
    for name in ("person0/DSC_1.NEF", "person0/DSC_2.jxl"):
        (root / name).write_bytes(b"II*\x00" + bytes(100))
    _, set_aside = listed(root, max_set_aside=0.2)
    assert set_aside == {
        "person0/DSC_1.NEF": "unsupported image format: .NEF",
        "person0/DSC_2.jxl": "unsupported image format: .jxl",
    }
    with pytest.raises(DatasetError, match=r"2 of 10 files are unusable .*\.NEF.*") as refused:
        listed(root, max_set_aside=0.1)
    assert "max_set_aside" in refused.value.hint


def test_a_raw_file_beside_its_jpeg_and_a_backup_are_listed_but_no_faults(tmp_path: Path) -> None:
    root = people(tmp_path, count=2)
    (root / "person0" / "IMG_0000.CR3").write_bytes(b"raw")
    (root / "person0" / "IMG_0001.jpg_original").write_bytes(jpeg(7))
    (root / "person0" / "IMG_0002.jpg.crdownload").write_bytes(jpeg(8)[:200])
    photos, set_aside = listed(root, max_set_aside=0)
    assert len(photos) == 4
    assert {name: why.split(":")[0] for name, why in set_aside.items()} == {
        "person0/IMG_0000.CR3": "a raw file beside a readable image of the same name",
        "person0/IMG_0001.jpg_original": "a backup or an unfinished copy",
        "person0/IMG_0002.jpg.crdownload": "a backup or an unfinished copy",
    }


def test_a_folder_of_nothing_but_unsupported_images_says_so(tmp_path: Path) -> None:
    (tmp_path / "1.dng").write_bytes(b"raw")
    with pytest.raises(DatasetError, match=r"no images that can be read \(1 unsupported image format\)"):
        index_photos(tmp_path)


def test_content_without_an_ending_is_read_in_every_format_that_says_its_name(tmp_path: Path) -> None:
    for seed, format_ in enumerate(["BMP", "PPM", "JPEG", "PNG", "WEBP", "TIFF", "GIF", "AVIF", "JPEG2000"]):
        (tmp_path / "anna").mkdir(exist_ok=True)
        Image.fromarray(noise(seed=seed)).save(tmp_path / "anna" / f"scan{seed}", format_)
    for name in ("BMW", "P5 is a text", "BM"):
        (tmp_path / "anna" / name).write_text(name + " of nobody, and no image" * 3)
    photos, set_aside = listed(tmp_path, max_set_aside=0)
    assert photos == [f"anna/scan{seed}" for seed in range(9)]
    assert set_aside == {}


@pytest.mark.parametrize(
    ("head", "format_"),
    [(b"8BPS\0\1", "Photoshop"), (b"\0\0\0\x0cJXL \r\n\x87\n", "JPEG XL"), (b"v/1\x01", "OpenEXR")],
)
def test_content_of_formats_that_are_not_read_is_set_aside(tmp_path: Path, head: bytes, format_: str) -> None:
    root = people(tmp_path)
    (root / "person0" / "scan").write_bytes(head + bytes(99))
    with pytest.raises(DatasetError, match="1 of 9 files"):
        listed(root)
    assert listed(root, max_set_aside=0.2)[1] == {"person0/scan": f"unsupported image format: {format_}"}


@pytest.mark.parametrize("name", ["person8.zip", "person0/more.RAR", "x.7z", "person8.tar.gz"])
def test_an_archive_inside_a_folder_is_a_fault_and_not_passed_over(tmp_path: Path, name: str) -> None:
    root = people(tmp_path)
    (root / name).write_bytes(b"PK\3\4")
    with pytest.raises(DatasetError, match="1 an archive inside a folder is not unpacked"):
        listed(root, max_set_aside=0)
    photos, set_aside = listed(root, max_set_aside=0.2)
    assert len(photos) == 8
    assert list(set_aside) == [name]


def test_a_folder_of_nothing_but_archives_says_so(tmp_path: Path) -> None:
    (tmp_path / "anna.zip").write_bytes(b"PK\3\4")
    with pytest.raises(DatasetError, match=r"1 an archive inside a folder is not unpacked"):
        index_photos(tmp_path)


# Links, and what cannot be read


def test_people_who_are_links_are_people(tmp_path: Path) -> None:
    root = people(tmp_path / "hands", count=1)
    people(tmp_path / "elsewhere")
    for person in (1, 2, 3):
        (root / f"person{person}").symlink_to(tmp_path / "elsewhere" / f"person{person}")
    photos, set_aside = listed(root, max_set_aside=0)
    assert [Path(name).parent.name for name in photos] == [f"person{n // 2}" for n in range(8)]
    assert set_aside == {}
    before = folder_fingerprint(root)
    save_picture(tmp_path / "elsewhere" / "person2" / "IMG_0000.jpg", seed=99)
    assert folder_fingerprint(root) != before, "what a link leads to is part of the set"


def test_dangling_links_are_faults(tmp_path: Path) -> None:
    root = people(tmp_path)
    for person in range(3):
        path = root / f"person{person}" / "IMG_0000.jpg"
        path.unlink()
        path.symlink_to(f"/annex/objects/{person}")
    photos, set_aside = listed(root, max_set_aside=0.4)
    assert len(photos) == 5
    assert set_aside == {
        f"person{n}/IMG_0000.jpg": f"a link to a file that does not exist: /annex/objects/{n}"
        for n in range(3)
    }
    with pytest.raises(DatasetError, match="3 of 8 files are unusable"):
        listed(root)


def test_a_person_on_a_disk_that_is_not_mounted_is_a_fault(tmp_path: Path) -> None:
    root = people(tmp_path)
    (root / "person9").symlink_to("/media/usb/person9")
    _, set_aside = listed(root, max_set_aside=0.2)
    assert list(set_aside) == ["person9"]


@pytest.mark.parametrize(
    ("name", "content", "target"),
    [
        ("person8", b"../elsewhere/person8", "../elsewhere/person8"),
        ("person8", b"person0/IMG_0000.jpg", "person0/IMG_0000.jpg"),
        ("person8", "/media/Фото/person 8".encode(), "/media/Фото/person 8"),
        ("person8 - Shortcut.lnk", b"L\0\0\0\x01\x14\x02\0" + bytes(60), "unknown"),
        ("person8", b"book\0\0\0\0mark\0\0\0\0" + bytes(60), "unknown"),
        ("person8", b"!<symlink>/cygdrive/d/person8\0", "unknown"),
    ],
    ids=["Git", "to a photograph", "absolute", "Windows", "macOS", "Cygwin"],
)
def test_a_person_who_is_a_link_that_became_a_file_is_a_fault(
    tmp_path: Path, name: str, content: bytes, target: str
) -> None:
    """Git writes links as text where there are none; file managers make files of their own."""
    root = people(tmp_path)
    (root / name).write_bytes(content)
    with pytest.raises(DatasetError, match="1 a shortcut, or a link that became a file"):
        listed(root, max_set_aside=0)
    reason = f"a shortcut, or a link that became a file, is not followed: {target}"
    assert listed(root, max_set_aside=0.2)[1] == {name: reason}


@pytest.mark.parametrize("content", [b"see ../docs\n", b"left/right", b"", b"MIT/X11 License", b"a/\0b"])
def test_a_text_that_leads_nowhere_is_no_link(tmp_path: Path, content: bytes) -> None:
    root = people(tmp_path)
    (root / "LICENSE").write_bytes(content)
    assert listed(root, max_set_aside=0)[1] == {}


def test_files_and_folders_that_may_not_be_read(nobody: Path) -> None:
    root = people(nobody)
    (root / "notes.docx").write_bytes(b"PK")
    (root / "notes.docx").chmod(0)
    assert len(listed(root, max_set_aside=0)[0]) == 8
    assert len(folder_fingerprint(root)) == 64
    (root / "person0" / "IMG_0000.jpg").chmod(0)
    (root / "person1").chmod(0)
    photos, set_aside = listed(root, max_set_aside=0.5)
    assert len(photos) == 5
    assert set_aside == {
        "person0/IMG_0000.jpg": "the file cannot be read: Permission denied",
        "person1": "the folder cannot be read: Permission denied",
    }
    assert len(folder_fingerprint(root)) == 64
    with pytest.raises(DatasetError, match="2 of 7 files are unusable"):
        listed(root)
    (root / "person1").chmod(0o755)


# Any folder at all

_STEMS = st.sampled_from(["1", "IMG 2", "ладонь", "a.b", "._1", ".hidden", "Thumbs"])
_SUFFIXES = st.sampled_from(
    ["", ".jpg", ".JPEG", ".png", ".heic", ".txt", ".cr2", ".SVG", ".mov", ".db", ".jpg~", ".tif.part"]
)
_FOLDERS = st.sampled_from(["", "anna/", "ben/left/", "__MACOSX/", ".git/", "c d/"])
_CONTENTS = st.sampled_from([jpeg(), jpeg(1), jpeg(2)[:300], b"", b"text " * 20, b"\x00\x05\x16\x07"])


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(st.builds(lambda f, s, e: f + s + e, _FOLDERS, _STEMS, _SUFFIXES), _CONTENTS))
def test_every_image_is_used_or_set_aside_with_a_reason(tmp_path: Path, files: dict[str, bytes]) -> None:
    root = tmp_path / "set"
    shutil.rmtree(root, ignore_errors=True)
    save_picture(root / "always" / "here.png", seed=77)
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    index = index_photos(root, max_set_aside=1)
    write_index(index, tmp_path)
    with (tmp_path / "set_aside.csv").open(newline="") as stream:
        rows = {row["path"]: row["reason"] for row in csv.DictReader(stream)}
    used = {photo.path for photo in index.photos}
    assert not used & set(rows)
    for name, content in files.items():
        suffix = Path(name).suffix.lower()
        image_like = suffix in IMAGE_SUFFIXES | UNSUPPORTED_SUFFIXES or content.startswith(b"\xff\xd8\xff")
        if is_litter(name) or not image_like:
            assert name not in used | set(rows)
        else:
            assert name in used or rows[name]
    assert set(find_candidates(root).images) <= used | set(rows)
