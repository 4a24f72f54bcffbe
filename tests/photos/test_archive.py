"""Photographs in a ZIP: damage of any kind is one line that names the image, and memory is bounded."""

from __future__ import annotations

import io
import random
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from palm_assets.errors import PalmError, PhotoError, QualityError
from palm_assets.photos import archive as archives
from palm_assets.photos.archive import image_members, read_member
from palm_assets.quality.image_sets import open_images
from tests.helpers import noise, save_picture

METHODS = {
    "stored": zipfile.ZIP_STORED,
    "deflate": zipfile.ZIP_DEFLATED,
    "bzip2": zipfile.ZIP_BZIP2,
    "lzma": zipfile.ZIP_LZMA,
}


def png(seed: int) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(noise(seed=seed)).save(stream, "PNG")
    return stream.getvalue()


def packed(path: Path, files: list[tuple[str, bytes]], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as pack, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a name that occurs twice
        for name, content in files:
            pack.writestr(name, content)
    return path


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS.keys())
def test_a_damaged_member_is_one_line_that_names_it(tmp_path: Path, method: int) -> None:
    path = packed(tmp_path / "x.zip", [("a.png", png(0)), ("b.png", png(1))], method)
    with zipfile.ZipFile(path) as pack:
        offset = pack.getinfo("b.png").header_offset
    data = bytearray(path.read_bytes())
    for place in range(offset + 50, offset + 90):
        data[place] ^= 0xFF
    path.write_bytes(data)
    images = iter(open_images(path))
    assert next(images).shape == (3, 30, 40)
    with pytest.raises(PhotoError, match=r"cannot be unpacked.*b\.png"):
        next(images)


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS.keys())
def test_whatever_the_damage_the_archive_is_read_or_refused(tmp_path: Path, method: int) -> None:
    content = packed(tmp_path / "x.zip", [("a.png", png(0)), ("b.png", png(1))], method).read_bytes()
    chance = random.Random(method)
    for _ in range(80):
        damaged = bytearray(content)
        for _ in range(chance.randrange(1, 6)):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        (tmp_path / "x.zip").write_bytes(
            damaged[: chance.choice([len(damaged), chance.randrange(len(damaged))])]
        )
        try:
            images = open_images(tmp_path / "x.zip")
            list(images.png_heads(100))
            for image in images:
                assert image.dtype == np.uint8
        except PalmError:
            continue


def test_an_encrypted_member_is_refused(tmp_path: Path) -> None:
    path = packed(tmp_path / "x.zip", [("a.png", png(0))])
    data = bytearray(path.read_bytes())
    data[6] |= 1  # the flag in the local header, and in the directory
    data[data.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(data)
    with pytest.raises(PhotoError, match=r"encrypted.*a\.png"):
        list(open_images(path))


def test_a_name_that_occurs_twice_is_two_images(tmp_path: Path) -> None:
    path = packed(tmp_path / "x.zip", [("a.png", png(0)), ("a.png", png(1)), ("b.png", png(2))])
    images = open_images(path)
    assert images.names == ("a.png", "a.png", "b.png")
    first, second, third = images
    assert (first.transpose(1, 2, 0) == noise(seed=0)).all()
    assert (second.transpose(1, 2, 0) == noise(seed=1)).all()
    assert (third.transpose(1, 2, 0) == noise(seed=2)).all()
    assert len(list(images.png_heads(8))) == 3


def test_litter_in_an_archive_is_skipped(tmp_path: Path) -> None:
    litter = ["__MACOSX/._a.png", ".hidden.png", "a/.trashed-1-b.png", "@eaDir/a.png", "._a.png"]
    path = packed(tmp_path / "x.zip", [("a.png", png(0)), *((name, b"x") for name in litter)])
    assert open_images(path).names == ("a.png",)
    with pytest.raises(QualityError, match="no image"):
        open_images(packed(tmp_path / "y.zip", [(name, b"x") for name in litter]))


def test_a_member_that_unpacks_without_end_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, "MAX_MEMBER_BYTES", 1 << 20)
    path = packed(tmp_path / "x.zip", [("a.png", bytes(5 << 20))])
    with zipfile.ZipFile(path) as pack:
        (member,) = image_members(pack)
        with pytest.raises(PhotoError, match="larger than 1 MB"):
            read_member(pack, member)


def test_the_images_of_a_folder_are_found_as_in_any_other_place(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    save_picture(tmp_path / "hands" / "anna" / "1.png", seed=1)
    (tmp_path / "elsewhere").mkdir()
    Image.fromarray(noise(seed=2)).save(tmp_path / "elsewhere" / "2.jfif", "JPEG")
    (tmp_path / "hands" / "ben").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "hands" / "anna" / "._1.png").write_bytes(b"x")
    (tmp_path / "hands" / "anna" / "3.cr2").write_bytes(b"raw")
    assert open_images(tmp_path / "hands").names == ("anna/1.png", "ben/2.jfif")
    assert "unsupported image format" in caplog.text


def test_folders_of_any_name_are_no_images(tmp_path: Path) -> None:
    files = [("anna.jpg/", b""), ("anna.jpg/1.png", png(0)), ("ben.jpg\\", b""), ("ben.jpg\\2.png", png(1))]
    path = packed(tmp_path / "x.zip", [])
    with zipfile.ZipFile(path, "w") as pack:
        for name, content in files:
            entry = zipfile.ZipInfo("x")
            entry.filename = name  # the constructor would change the backslash on Windows
            pack.writestr(entry, content)
    assert [image.shape for image in open_images(path)] == [(3, 30, 40)] * 2


def test_the_content_of_a_member_decides_where_its_ending_says_nothing(tmp_path: Path) -> None:
    files = [
        ("a/IMG_1", png(0)),
        ("b/2.jpg_large", png(1)),
        ("c/notes", b"P5 is no image"),
        ("d/3.psd", png(2)),
    ]
    found = open_images(packed(tmp_path / "x.zip", files))
    assert found.names == ("a/IMG_1", "b/2.jpg_large")
    assert len(list(found)) == 2


def test_unread_members_of_an_archive_are_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    files = [
        ("1.png", png(0)),
        ("2.NEF", b"raw"),
        ("more.zip", b"PK"),
        ("__MACOSX/3.psd", b"8BPS"),
        ("n.txt", b"n"),
    ]
    assert open_images(packed(tmp_path / "x.zip", files)).names == ("1.png",)
    assert "'unsupported image format': 1, 'an archive inside a folder is not unpacked': 1" in caplog.text
