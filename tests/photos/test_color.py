"""What a pixel means: files of all pixel formats and color profiles, read as a viewer shows them."""

from __future__ import annotations

import io
from pathlib import Path

import cv2
import numpy as np
import pillow_heif
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from palm_assets.errors import PhotoError
from palm_assets.photos.reader import decode, read, read_photo
from tests.helpers import noise
from tests.photos.icc import ADOBE_RGB, DISPLAY_P3, SRGB, gray_profile, rgb_profile, to_srgb

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:PIL")
SKIN = (200, 120, 90)


@pytest.fixture(autouse=True)
def _heif() -> None:
    pillow_heif.register_heif_opener()


def saved(image: Image.Image, format_: str, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, format_, **options)
    return stream.getvalue()


def one_color(data: bytes) -> np.ndarray:
    pixels = decode(data, "x").pixels
    assert pixels.dtype == np.uint8
    assert np.ptp(pixels.reshape(-1, 3), axis=0).max() <= 2
    return pixels[pixels.shape[0] // 2, pixels.shape[1] // 2].astype(float)


# Profiles


@pytest.mark.parametrize(
    ("columns", "gamma"), [(DISPLAY_P3, 2.2), (ADOBE_RGB, 2.19921875)], ids=["Display P3", "Adobe RGB"]
)
@pytest.mark.parametrize(
    ("format_", "options"),
    [("JPEG", {"quality": 100, "subsampling": 0}), ("PNG", {}), ("TIFF", {}), ("WEBP", {"lossless": True})],
)
def test_a_color_profile_is_converted_to_srgb(
    columns: object, gamma: float, format_: str, options: dict[str, object]
) -> None:
    profile = rgb_profile(columns, gamma)  # type: ignore[arg-type]
    data = saved(Image.new("RGB", (24, 16), SKIN), format_, icc_profile=profile, **options)
    expected = to_srgb(SKIN, columns, gamma)  # type: ignore[arg-type]
    assert np.abs(expected - SKIN).max() > 8, "the test would not notice"
    assert np.abs(one_color(data) - expected).max() <= 2.5


@settings(max_examples=40, deadline=None)
@given(st.tuples(*[st.integers(0, 255)] * 3), st.sampled_from([SRGB, ADOBE_RGB, DISPLAY_P3]))
def test_any_color_of_any_profile_is_the_one_that_the_profile_defines(
    rgb: tuple[int, int, int], columns: object
) -> None:
    data = saved(Image.new("RGB", (4, 4), rgb), "PNG", icc_profile=rgb_profile(columns, 2.0))  # type: ignore[arg-type]
    assert np.abs(one_color(data) - to_srgb(rgb, columns, 2.0)).max() <= 3  # type: ignore[arg-type]


@pytest.mark.parametrize("format_", ["HEIF", "AVIF"])
def test_a_phones_display_p3_is_converted(format_: str) -> None:
    image = Image.new("RGB", (64, 48), SKIN)
    profile = rgb_profile(DISPLAY_P3, 2.2)
    plain = one_color(saved(image, format_, quality=95))
    data = saved(image, format_, quality=95, icc_profile=profile)
    assert np.abs(one_color(data) - to_srgb(tuple(plain.astype(int)), DISPLAY_P3, 2.2)).max() <= 3  # type: ignore[arg-type]


def test_transparent_images_and_palettes_have_profiles_too() -> None:
    profile = rgb_profile(ADOBE_RGB, 2.2)
    expected = to_srgb(SKIN, ADOBE_RGB, 2.2)
    half = one_color(saved(Image.new("RGBA", (8, 8), (*SKIN, 128)), "PNG", icc_profile=profile))
    assert np.abs(half - (expected * 128 + 255 * 127) / 255).max() <= 3
    palette = Image.new("P", (8, 8), 0)
    palette.putpalette(SKIN)
    assert np.abs(one_color(saved(palette, "PNG", icc_profile=profile)) - expected).max() <= 2.5


def test_a_gray_profile_is_applied() -> None:
    data = saved(Image.new("L", (8, 8), 100), "PNG", icc_profile=gray_profile(1.0))
    linear = 100 / 255
    expected = 255 * (1.055 * linear ** (1 / 2.4) - 0.055)
    assert np.abs(one_color(data) - expected).max() <= 2


def test_srgb_itself_changes_nothing() -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    pixels = noise()
    read_back = decode(saved(Image.fromarray(pixels), "PNG", icc_profile=profile), "x")
    assert (read_back.pixels == pixels).all()
    assert read_back.plain


@pytest.mark.parametrize("profile", [b"x", b"\0" * 200, gray_profile(2.2), rgb_profile(ADOBE_RGB, 2.2)[:200]])
def test_a_damaged_profile_or_one_of_another_kind_is_ignored_as_viewers_do(profile: bytes) -> None:
    pixels = noise()
    assert (decode(saved(Image.fromarray(pixels), "PNG", icc_profile=profile), "x").pixels == pixels).all()


# Pixel formats


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0.0, 0.5, 1.0], [0, 128, 255]),
        ([-0.5, 0.5, 1.2], [0, 128, 255]),
        ([float("nan"), 0.25, 1.0], [0, 64, 255]),
        ([0.0, 100.0, 255.0], [0, 100, 255]),
        ([0.0, 32768.0, 65535.0], [0, 128, 255]),
        ([0.0, 0.0, 0.0], [0, 0, 0]),
    ],
)
def test_a_floating_point_tiff_is_shown_in_its_range(values: list[float], expected: list[int]) -> None:
    data = saved(Image.fromarray(np.array([values] * 2, np.float32)), "TIFF")
    pixels = decode(data, "x").pixels
    assert pixels.shape == (2, 3, 3)
    assert np.abs(pixels[0, :, 0].astype(int) - expected).max() <= 1


@pytest.mark.parametrize("channels", [3, 4])
def test_a_floating_point_tiff_in_color_is_read(channels: int) -> None:
    values = np.zeros((12, 20, channels), np.float32)
    values[..., :3] = (0.1, 0.5, 1.0)  # BGR
    _, data = cv2.imencode(".tiff", values)
    assert np.abs(one_color(data.tobytes()) - (255, 128, 26)).max() <= 1


def test_sixteen_bit_color_tiff_is_scaled_to_eight(tmp_path: Path) -> None:
    values = np.zeros((4, 5, 3), np.uint16)
    values[...] = (257 * 10, 257 * 120, 257 * 250)  # BGR
    (tmp_path / "x.tif").write_bytes(cv2.imencode(".tif", values)[1].tobytes())
    assert np.abs(read_photo(tmp_path / "x.tif").astype(int) - (250, 120, 10)).max() <= 1


def test_black_and_white_faxes_lab_and_ycbcr_become_rgb() -> None:
    fax = Image.new("1", (16, 16), 1)
    assert (one_color(saved(fax, "TIFF", compression="group4")) == 255).all()
    lab = Image.frombytes("LAB", (8, 8), bytes([136, 20, 20]) * 64)  # L 53, a 20, b 20
    red, green, blue = one_color(saved(lab, "TIFF"))
    assert red > green > blue
    ycbcr = Image.new("RGB", (16, 16), SKIN).convert("YCbCr")
    assert np.abs(one_color(saved(ycbcr, "TIFF")) - SKIN).max() <= 2


def test_a_palette_with_transparency_is_laid_over_white() -> None:
    image = Image.new("P", (8, 8), 0)
    image.putpalette([*SKIN, 0, 0, 0])
    assert (one_color(saved(image, "PNG", transparency=bytes([0, 255]))) == 255).all()


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
@pytest.mark.parametrize("format_", ["HEIF", "AVIF", "MPO"])
def test_images_of_phones_are_upright(format_: str, orientation: int) -> None:
    """The pixels are stored as they are and the rotation beside them."""
    pixels = np.zeros((64, 96, 3), np.uint8)
    pixels[:32, :48] = (250, 40, 40)  # the marked corner, top left as stored
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = Image.fromarray(pixels)
    image.info["exif"] = exif.tobytes()  # from here the HEIF encoder writes the rotation that decoders obey
    options = {} if format_ == "HEIF" else {"exif": exif}
    got = decode(saved(image, format_, quality=95, **options), "x").pixels
    assert got.shape[:2] == ((96, 64) if orientation in (6, 8) else (64, 96))
    corners = {1: (0, 0), 3: (1, 1), 6: (0, 1), 8: (1, 0)}
    height, width = got.shape[:2]
    down, across = corners[orientation]
    marked = got[(height // 4) + down * (height // 2), (width // 4) + across * (width // 2)].astype(int)
    assert np.abs(marked - (250, 40, 40)).max() < 20


# Which need no conversion for other decoders


@pytest.mark.parametrize(
    ("image", "format_", "options", "plain"),
    [
        (Image.new("RGB", (12, 12)), "JPEG", {}, True),
        (Image.new("L", (12, 12)), "JPEG", {}, True),
        (Image.new("RGB", (12, 12)), "PNG", {}, True),
        (Image.new("RGB", (12, 12)), "BMP", {}, True),
        (Image.new("CMYK", (12, 12)), "JPEG", {}, False),
        (Image.new("RGBA", (12, 12)), "PNG", {}, False),
        (Image.new("P", (12, 12)), "GIF", {}, False),
        (Image.new("RGB", (12, 12)), "JPEG2000", {}, False),
        (Image.new("RGB", (12, 12)), "TIFF", {}, False),
        (Image.new("RGB", (12, 12)), "JPEG", {"icc_profile": rgb_profile(DISPLAY_P3, 2.2)}, False),
    ],
)
def test_a_plain_image_is_one_that_every_decoder_reads_the_same(
    image: Image.Image, format_: str, options: dict[str, object], plain: bool
) -> None:
    data = saved(image, format_, **options)
    decoded = decode(data, "x")
    assert decoded.plain == plain
    if plain:
        other = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)[:, :, ::-1]
        assert (other == decoded.pixels).all()


# The size limit


def test_only_our_own_limit_counts_and_the_error_names_it(tmp_path: Path) -> None:
    path = tmp_path / "x.png"
    Image.new("1", (14_000, 13_500)).save(path)  # 189 million pixels, above Pillow's own limit of 179
    assert read(path, max_megapixels=200).pixels.shape == (13_500, 14_000, 3)
    with pytest.raises(PhotoError, match=r"14000x13500 pixels, max_megapixels is 64") as refused:
        read_photo(path)
    assert "max_megapixels" in refused.value.hint
    assert Image.MAX_IMAGE_PIXELS is not None, "Pillow's limit must hold for everybody else"


def test_the_limit_is_checked_for_tiffs_that_only_opencv_reads() -> None:
    _, data = cv2.imencode(".tiff", np.zeros((100, 200, 3), np.float32))
    assert decode(data.tobytes(), "x", max_megapixels=0.02).pixels.shape == (100, 200, 3)
    with pytest.raises(PhotoError, match="too large: 200x100"):
        decode(data.tobytes(), "x", max_megapixels=0.019)


def test_formats_that_run_other_programs_are_not_images(tmp_path: Path) -> None:
    (tmp_path / "x.jpg").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\n")
    with pytest.raises(PhotoError, match="not an image"):
        read_photo(tmp_path / "x.jpg")
