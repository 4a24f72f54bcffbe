"""One photograph at the door: what is read, as what, and what is refused."""

from __future__ import annotations

import io
import random
import resource
from pathlib import Path

import numpy as np
import pillow_heif
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image

from palm_assets.errors import PhotoError
from palm_assets.photos.reader import UPRIGHT, decode_photo, read_photo
from tests.helpers import noise

ORIENTATION = 0x0112
pytestmark = [  # about damage made on purpose
    pytest.mark.filterwarnings("ignore::UserWarning:PIL"),
    pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning"),
]


def plain(color: object, mode: str = "RGB", size: tuple[int, int] = (8, 6)) -> Image.Image:
    return Image.new(mode, size, color)  # type: ignore[arg-type]


def corner_image() -> np.ndarray:
    """Wider than high, with four corners of different colors, in blocks that JPEG keeps apart."""
    pixels = np.zeros((32, 64, 3), np.uint8)
    pixels[:16, :32], pixels[:16, 32:], pixels[16:, :32], pixels[16:, 32:] = (
        (255, 0, 0),
        (0, 255, 0),
        (0, 0, 255),
        (255, 255, 255),
    )
    return pixels


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["png", "jpg", "tif", "webp"])
def test_a_photo_is_turned_as_its_exif_says(tmp_path: Path, orientation: int, suffix: str) -> None:
    upright = corner_image()
    undo = {5: 5, 6: 8, 7: 7, 8: 6}.get(orientation, orientation)
    stored = Image.fromarray(upright)
    if undo in UPRIGHT:
        stored = stored.transpose(UPRIGHT[undo])
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    stored.save(tmp_path / f"x.{suffix}", exif=exif, **({"quality": 95} if suffix in ("jpg", "webp") else {}))
    got = read_photo(tmp_path / f"x.{suffix}")
    assert got.shape == upright.shape
    assert np.abs(got[4::24, 4::48].astype(int) - upright[4::24, 4::48]).max() <= 8


def test_cmyk_becomes_rgb(tmp_path: Path) -> None:
    plain((0, 255, 255, 0), "CMYK").save(tmp_path / "x.jpg", quality=95)
    got = read_photo(tmp_path / "x.jpg")
    assert got.shape == (6, 8, 3)
    assert np.abs(got.astype(int) - (255, 0, 0)).max() < 20


@pytest.mark.parametrize("suffix", ["png", "tif"])
@pytest.mark.parametrize("values", [(0, 32768, 65535), (0, 100, 255)], ids=["bright", "nearly black"])
def test_sixteen_bit_gray_is_scaled_to_eight(tmp_path: Path, suffix: str, values: tuple[int, ...]) -> None:
    Image.fromarray(np.array([values] * 2, np.uint16)).save(tmp_path / f"x.{suffix}")
    expected = np.round(np.array(values) / 257).astype(int)
    got = read_photo(tmp_path / f"x.{suffix}").astype(int)
    assert got.shape == (2, 3, 3)
    assert np.abs(got - expected[None, :, None]).max() <= 1


def test_sixteen_bit_color_png_is_scaled_to_eight(tmp_path: Path) -> None:
    import cv2

    pixels = np.zeros((4, 5, 3), np.uint16)
    pixels[:, :, 0], pixels[:, :, 2] = 65535, 257 * 40  # BGR
    (tmp_path / "x.png").write_bytes(cv2.imencode(".png", pixels)[1].tobytes())
    got = read_photo(tmp_path / "x.png").astype(int)
    assert np.abs(got - (40, 0, 255)).max() <= 1


def test_gray_and_black_and_white_become_rgb(tmp_path: Path) -> None:
    plain(77, "L").save(tmp_path / "gray.jpg", quality=100)
    plain(1, "1").save(tmp_path / "bilevel.png")
    assert np.abs(read_photo(tmp_path / "gray.jpg").astype(int) - 77).max() <= 1
    assert (read_photo(tmp_path / "bilevel.png") == 255).all()


def test_transparency_is_laid_over_white(tmp_path: Path) -> None:
    plain((200, 0, 0, 0), "RGBA").save(tmp_path / "rgba.png")
    plain((0, 128), "LA").save(tmp_path / "la.png")
    palette = plain(1, "P")
    palette.putpalette([10, 20, 30, 200, 0, 0])
    palette.save(tmp_path / "clear.png", transparency=1)
    palette.save(tmp_path / "solid.png", transparency=0)
    palette.save(tmp_path / "still.gif")
    assert (read_photo(tmp_path / "rgba.png") == 255).all()
    assert np.abs(read_photo(tmp_path / "la.png").astype(int) - 127).max() <= 1
    assert (read_photo(tmp_path / "clear.png") == 255).all()
    assert (read_photo(tmp_path / "solid.png") == (200, 0, 0)).all()
    assert (read_photo(tmp_path / "still.gif") == (200, 0, 0)).all()


@pytest.mark.parametrize("suffix", ["gif", "webp", "png"])
def test_an_animation_is_refused(tmp_path: Path, suffix: str) -> None:
    plain("red").save(tmp_path / f"x.{suffix}", save_all=True, append_images=[plain("blue")])
    with pytest.raises(PhotoError, match="animated"):
        read_photo(tmp_path / f"x.{suffix}")


@pytest.mark.parametrize(("name", "format_"), [("x.jpg", "MPO"), ("x.tif", "TIFF")])
def test_of_several_views_or_pages_in_a_photo_the_first_is_read(
    tmp_path: Path, name: str, format_: str
) -> None:
    plain("red").save(tmp_path / name, format=format_, save_all=True, append_images=[plain("blue")])
    assert np.abs(read_photo(tmp_path / name).astype(int) - (255, 0, 0)).max() < 8


@pytest.mark.parametrize("kept", [0.2, 0.5, 0.9])
def test_a_truncated_jpeg_is_refused(tmp_path: Path, kept: float) -> None:
    path = tmp_path / "x.jpg"
    Image.fromarray(noise(200, 200)).save(path)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * kept)])
    with pytest.raises(PhotoError):
        read_photo(path)


def test_an_empty_file_a_text_and_a_file_that_is_gone_are_refused_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "text.jpg").write_text("not an image " * 100)
    for name, reason in [("empty", "empty file"), ("text", "not an image"), ("gone", "the file is gone")]:
        with pytest.raises(PhotoError) as refused:
            read_photo(tmp_path / f"{name}.jpg")
        assert refused.value.what == reason
        assert f"{name}.jpg" in str(refused.value)


def test_ultralytics_changes_nothing_about_what_is_refused(tmp_path: Path) -> None:
    """On import it replaces Pillow's `Image.open`."""
    import palm_assets.detector.ultralytics_import  # noqa: F401

    (tmp_path / "text.jpg").write_text("not an image " * 100)
    with pytest.raises(PhotoError, match="not an image"):
        read_photo(tmp_path / "text.jpg")


def test_an_image_beyond_max_megapixels_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    plain("white", size=(200, 100)).save(tmp_path / "x.png")
    assert read_photo(tmp_path / "x.png", max_megapixels=0.02).shape == (100, 200, 3)
    with pytest.raises(PhotoError, match="too large: 200x100"):
        read_photo(tmp_path / "x.png", max_megapixels=0.0199)


def test_a_decompression_bomb_is_refused_fast_and_without_a_warning(
    tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    Image.new("1", (20000, 20000)).save(tmp_path / "bomb.png")
    with pytest.raises(PhotoError, match="too large"):
        read_photo(tmp_path / "bomb.png")
    assert not [warning for warning in recwarn if "bomb" in str(warning.message).lower()]


@pytest.mark.parametrize(
    "format_", ["JPEG", "PNG", "WEBP", "TIFF", "GIF", "BMP", "HEIF", "AVIF", "JPEG2000", "PPM", "TGA"]
)
def test_whatever_the_damage_a_file_is_read_or_refused(tmp_path: Path, format_: str) -> None:
    """Bytes changed at random, above all in the headers: no exception but PhotoError may come out."""
    path, chance = tmp_path / "x", random.Random(format_)
    exif = Image.Exif()
    exif[ORIENTATION], exif[0x010F], exif[0x011A] = 6, "maker", 72.0
    more = {"exif": exif} if format_ in ("JPEG", "PNG", "WEBP", "TIFF", "HEIF", "AVIF") else {}
    pillow_heif.register_heif_opener()
    Image.fromarray(noise()).save(path, format_, **more)
    content = path.read_bytes()
    for _ in range(150):
        damaged = bytearray(content)
        for _ in range(chance.randrange(1, 8)):
            damaged[chance.randrange(min(len(damaged), chance.choice([200, len(damaged)])))] = (
                chance.randrange(256)
            )
        path.write_bytes(damaged)
        try:
            got = read_photo(path, max_megapixels=1)
        except PhotoError:
            continue
        assert got.dtype == np.uint8
        assert got.ndim == 3


def test_damage_in_unrelated_exif_does_not_cost_a_good_photo(tmp_path: Path) -> None:
    path = tmp_path / "x.jpg"
    exif = Image.Exif()
    exif[ORIENTATION], exif[0x011A] = 6, 72.0
    Image.fromarray(noise(40, 30)).save(path, exif=exif)
    content = path.read_bytes()
    entry = content.index(b"\x01\x1a\x00\x05")  # XResolution, a rational...
    path.write_bytes(content[: entry + 3] + b"\x02" + content[entry + 4 :])  # ...said to be text
    assert read_photo(path).shape == (40, 30, 3)


@settings(max_examples=60, deadline=None)
@example("PNG", b"", b"\0")
@given(
    st.sampled_from(["JPEG", "PNG", "WEBP"]),
    st.sampled_from([b"", b"II*\0\x08\0\0\0", b"MM\0*\0\0\0\x08"]),
    st.binary(max_size=60),
)
def test_no_damage_of_the_exif_costs_a_good_photo(format_: str, head: bytes, exif: bytes) -> None:
    stream = io.BytesIO()
    Image.fromarray(noise(40, 30)).save(stream, format_, exif=b"Exif\0\0" + head + exif)
    assert sorted(decode_photo(stream.getvalue(), "x").shape) == [3, 30, 40]


@pytest.mark.parametrize("size", [(1, 1), (1, 50), (50, 1)])
@pytest.mark.parametrize("format_", ["PNG", "TIFF", "JPEG", "WEBP", "GIF", "BMP", "TGA", "PPM", "JPEG2000"])
def test_images_of_one_pixel_are_read_in_every_mode_of_every_format(
    format_: str, size: tuple[int, int]
) -> None:
    read = 0
    for mode in ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "LAB", "I", "F", "I;16"):
        stream = io.BytesIO()
        try:
            Image.new(mode, size).save(stream, format_)
        except (OSError, KeyError, ValueError):
            continue  # the format has no such mode
        assert decode_photo(stream.getvalue(), "x").shape == (size[1], size[0], 3)
        read += 1
    assert read >= 2


def test_a_gif_whose_frame_is_larger_than_the_image_takes_no_memory() -> None:
    pixels = io.BytesIO()
    Image.new("P", (8, 6)).save(pixels, "GIF")
    data = bytearray(pixels.getvalue())
    frame = data.index(b",\x00\x00\x00\x00\x08\x00\x06\x00")
    data[frame + 1 : frame + 9] = b"\x60\xea\x60\xea\xff\xff\xff\xff"  # at (60000, 60000), 65535 x 65535
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(PhotoError, match="too large"):
        decode_photo(bytes(data), "x.gif")
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 300_000  # kB; it would be 15 GB
