from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from palm_assets.errors import PhotoError, QualityError
from palm_assets.quality.features import Extractor, extract
from palm_assets.quality.image_sets import open_images

GRAY = np.arange(48, dtype=np.uint8).reshape(6, 8)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Images of every mode and of several sizes, and things that are no images."""
    root = tmp_path / "set"
    (root / "more").mkdir(parents=True)
    rgb = Image.fromarray(np.stack([GRAY, GRAY + 50, GRAY + 100], axis=2))
    rgb.save(root / "a.png")
    rgb.convert("L").save(root / "b.JPG", "JPEG")
    rgb.convert("CMYK").save(root / "c.jpeg")
    rgb.convert("P").save(root / "d.gif")
    Image.fromarray(GRAY.astype(np.uint16) << 8).save(root / "e.png")
    clear = rgb.convert("RGBA")
    clear.putalpha(0)
    clear.save(root / "more" / "f.webp", lossless=True)
    rgb.resize((20, 30)).convert("1").save(root / "more" / "g.tiff")
    turned = Image.Exif()
    turned[0x0112] = 6
    rgb.save(root / "h.jpg", exif=turned)
    (root / "notes.txt").write_text("not an image")
    (root / ".hidden.png").write_bytes(b"no")
    return root


def test_reads_every_mode_and_size_as_upright_uint8_rgb(folder: Path) -> None:
    images = open_images(folder)
    assert images.names == (
        "a.png",
        "b.JPG",
        "c.jpeg",
        "d.gif",
        "e.png",
        "h.jpg",
        "more/f.webp",
        "more/g.tiff",
    )
    read = dict(zip(images.names, images, strict=True))
    assert all(i.dtype == np.uint8 and i.shape[0] == 3 and i.flags.c_contiguous for i in read.values())
    np.testing.assert_array_equal(read["a.png"][1], GRAY + 50)
    np.testing.assert_array_equal(read["e.png"][0], GRAY)  # 16 bits scaled to 8, not clipped
    assert (read["more/f.webp"] == 255).all()  # see-through is white
    assert read["more/g.tiff"].shape == (3, 30, 20)
    assert read["h.jpg"].shape == (3, 8, 6)  # turned by its EXIF


def test_a_zip_of_the_folder_gives_the_same_images(folder: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        for path in sorted(folder.rglob("*")):
            archive.write(path, path.relative_to(folder))
        archive.writestr("__MACOSX/a.png", b"no")
    packed = open_images(tmp_path / "set.zip")
    assert packed.names == open_images(folder).names
    for ours, theirs in zip(packed, open_images(folder), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_goes_straight_into_the_extractor(folder: Path, tiny: Extractor) -> None:
    images = open_images(folder)
    reports: list[tuple[int, int]] = []
    features = extract(tiny, images, progress=lambda done, total: reports.append((done, total)))
    assert features.shape == (len(images), 24)
    assert reports[-1] == (8, 8)


def test_the_heads_of_pngs_are_read_from_folders_and_zips(folder: Path, tmp_path: Path) -> None:
    whole = [(folder / name).read_bytes() for name in ("a.png", "e.png")]
    images = open_images(folder)
    assert list(images.png_heads(40)) == [content[:40] for content in whole]
    assert list(images.png_heads(10**6)) == whole
    (folder / "a.png").unlink()
    assert list(images.png_heads(40)) == [whole[1][:40]]
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        archive.write(folder / "e.png", "e.PNG")
    assert list(open_images(tmp_path / "set.zip").png_heads(40)) == [whole[1][:40]]


@pytest.mark.parametrize("damage", [b"", b"<html>", b"\x89PNG\r\n\x1a\n"])
def test_an_unreadable_image_is_named(folder: Path, damage: bytes) -> None:
    (folder / "broken.png").write_bytes(damage)
    with pytest.raises(PhotoError, match=r"(empty file|not an image|damaged).*broken\.png"):
        list(open_images(folder))


def test_a_truncated_image_is_named(folder: Path) -> None:
    Image.effect_noise((64, 64), 50).save(folder / "cut.png")
    (folder / "cut.png").write_bytes((folder / "cut.png").read_bytes()[:1500])
    with pytest.raises(PhotoError, match=r"cut\.png"):
        list(open_images(folder))


def test_an_image_that_vanished_is_named(folder: Path) -> None:
    images = open_images(folder)
    (folder / "h.jpg").unlink()
    with pytest.raises(PhotoError, match=r"gone.*h\.jpg"):
        list(images)


def test_an_image_of_absurd_size_is_refused(folder: Path) -> None:
    Image.new("1", (10_000, 8_000)).save(folder / "absurd.png")
    with pytest.raises(PhotoError, match=r"too large: 10000x8000.*absurd\.png"):
        list(open_images(folder))


def test_a_damaged_member_of_a_zip_is_named(folder: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        archive.write(folder / "a.png", "a.png")
    data = bytearray((tmp_path / "set.zip").read_bytes())
    data[60] ^= 255
    (tmp_path / "set.zip").write_bytes(bytes(data))
    with pytest.raises(PhotoError, match=r"unpacked.*a\.png"):
        list(open_images(tmp_path / "set.zip"))


def test_what_is_neither_folder_nor_zip_and_what_is_empty_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file.zip").write_bytes(b"not a zip")
    with pytest.raises(QualityError, match="folder or a zip"):
        open_images(tmp_path / "file.zip")
    with pytest.raises(QualityError, match="folder or a zip"):
        open_images(tmp_path / "missing")
    (tmp_path / "empty").mkdir()
    with pytest.raises(QualityError, match="no image"):
        open_images(tmp_path / "empty")
