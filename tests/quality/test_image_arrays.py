"""Images in NPY and NPZ files of other programs."""

import contextlib
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from palm_assets.errors import QualityError
from palm_assets.quality.image_sets import open_images


def images(count: int = 3, height: int = 5, width: int = 6) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, height, width, 3), dtype=np.uint8)


def save(path: Path, array: np.ndarray) -> Path:
    if path.suffix == ".npy":
        np.save(path, array)
    else:
        np.savez_compressed(path, array)
    return path


@pytest.mark.parametrize("suffix", ["npy", "npz"])
@pytest.mark.parametrize("first", [False, True])
def test_both_orders_of_axes_are_read_as_rgb(tmp_path: Path, suffix: str, first: bool) -> None:
    whole = images()
    stored = np.ascontiguousarray(whole.transpose(0, 3, 1, 2)) if first else whole
    found = open_images(save(tmp_path / f"x.{suffix}", stored))
    assert found.names == ("0", "1", "2")
    for _ in range(2):  # a set can be read again
        assert np.array_equal(np.stack(list(found)), whole.transpose(0, 3, 1, 2))


@pytest.mark.parametrize("shape", [(2, 5, 6), (2, 5, 6, 1), (2, 1, 5, 6)])
def test_gray_images_get_three_channels(tmp_path: Path, shape: tuple[int, ...]) -> None:
    gray = np.arange(60, dtype=np.uint8).reshape(shape)
    read = np.stack(list(open_images(save(tmp_path / "x.npy", gray))))
    assert np.array_equal(read, np.repeat(gray.reshape(2, 1, 5, 6), 3, axis=1))


def test_an_npz_of_guided_diffusion_with_labels_has_one_array_of_images(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", images(), np.arange(3))  # arr_0 and arr_1
    assert len(open_images(tmp_path / "x.npz")) == 3


@pytest.mark.parametrize(
    ("array", "named"),
    [
        (images() / 255.0, "float64, not uint8"),
        ((images() / 127.5 - 1).astype(np.float32), r"float32, not uint8.*\[-1, 1\]"),
        (images().astype(np.int64), "int64, not uint8"),
        (np.asfortranarray(images()), "no set of images"),
        (images()[:, :, :, :2], "no set of images"),
        (np.zeros((2, 3, 8, 3), np.uint8), "no set of images"),  # channels first or last?
        (np.zeros((0, 8, 8, 3), np.uint8), "no set of images"),
        (np.zeros(9, np.uint8), "no set of images"),
        (images()[0], "is one image"),  # (H, W, 3): its rows are no images
        (np.zeros((8, 8, 4), np.uint8), "is one image"),
        (np.zeros((8, 8, 1), np.uint8), "is one image"),
        (np.array([{}, 1], dtype=object), "object, not uint8"),
    ],
)
def test_other_arrays_are_refused_with_what_they_are(tmp_path: Path, array: np.ndarray, named: str) -> None:
    np.save(tmp_path / "x.npy", array)
    with pytest.raises(QualityError, match=named):
        open_images(tmp_path / "x.npy")


def test_several_arrays_of_images_are_refused_by_name(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", real=images(), fake=images())
    with pytest.raises(QualityError, match="2 arrays of images, not one: real, fake"):
        open_images(tmp_path / "x.npz")


def test_large_images_are_refused_by_the_name_of_the_limit(tmp_path: Path) -> None:
    path = save(tmp_path / "x.npy", images(2, 100, 200))
    with pytest.raises(QualityError, match=r"200x100 pixels, max_megapixels is 0\.01"):
        open_images(path, max_megapixels=0.01)


def test_an_array_that_claims_more_than_it_holds_ends_with_an_error(tmp_path: Path) -> None:
    path = save(tmp_path / "x.npy", images())
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(QualityError, match="ends after 2 of 3 images"):
        list(open_images(path))


@pytest.mark.parametrize(
    ("shape", "said"), [((10**13, 5, 6, 3), "claims to hold"), ((3, -5, -6, 3), "no set of images")]
)
def test_a_header_that_claims_the_impossible_is_refused_at_once(
    tmp_path: Path, shape: tuple[int, ...], said: str
) -> None:
    with (tmp_path / "x.npy").open("wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})
        file.write(bytes(90))
    with pytest.raises(QualityError, match=said):
        open_images(tmp_path / "x.npy")


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 10**6), st.booleans())
def test_whatever_the_damage_it_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, place: int, compressed: bool
) -> None:
    folder = tmp_path_factory.mktemp("x")
    path = save(folder / ("x.npz" if compressed else "x.npy"), images())
    data = bytearray(path.read_bytes())
    data[place % len(data)] ^= 1 + place % 255
    path.write_bytes(data)
    with contextlib.suppress(QualityError):
        list(open_images(path))


def test_a_member_that_is_no_array_is_damage(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
        archive.writestr("a.npy", b"not an array")
    with pytest.raises(QualityError, match="damaged"):
        open_images(tmp_path / "x.npz")
