"""Statistics in pytorch-fid's format: read, written, and refused if they are of another extractor."""

import contextlib
from pathlib import Path

import numpy as np
import pytest

from palm_assets.errors import ExtractorMismatchError, PalmError, QualityError
from palm_assets.quality.frechet import frechet_distance
from palm_assets.quality.statistics import FeatureStatistics
from palm_assets.quality.statistics_files import (
    CANONICAL,
    extractor_of,
    is_statistics,
    read_statistics,
    write_statistics,
)

LITE = ("efficientnet-lite0", "0" * 12)


def features(count: int = 40, dim: int = 6) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(count, dim)).astype(np.float32)


def of(extractor: tuple[str, str], rows: np.ndarray) -> FeatureStatistics:
    return FeatureStatistics.from_features(rows, extractor=extractor[0], digest=extractor[1])


def test_what_is_written_is_read_and_pytorch_fid_finds_its_keys(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    write_statistics(of(LITE, features()), path)
    assert is_statistics(path)
    assert extractor_of(path) == "efficientnet-lite0"
    with np.load(path) as file:  # as pytorch-fid does
        assert np.allclose(file["mu"], features().mean(0), atol=1e-6)
        assert np.allclose(file["sigma"], np.cov(features(), rowvar=False), atol=1e-6)
    read = read_statistics(path, LITE, 6)
    assert (read.n, read.extractor) == (40, "efficientnet-lite0")
    assert frechet_distance(features(), read).value == pytest.approx(0, abs=1e-5)


def test_a_reader_of_an_earlier_file_keeps_it_whole(tmp_path: Path) -> None:
    (tmp_path / "link.npz").symlink_to(tmp_path / "x.npz")
    write_statistics(of(LITE, features()), tmp_path / "x.npz")
    before = (tmp_path / "x.npz").read_bytes()
    with (tmp_path / "x.npz").open("rb") as reader:
        write_statistics(of(LITE, features(80)), tmp_path / "link.npz")
        assert reader.read() == before
    assert read_statistics(tmp_path / "x.npz", LITE, 6).n == 80
    assert (tmp_path / "link.npz").is_symlink()
    assert len(list(tmp_path.iterdir())) == 2


def test_a_file_of_pytorch_fid_is_of_the_canonical_inception_and_of_unknown_number(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", mu=np.zeros(2048), sigma=np.eye(2048))
    read = read_statistics(tmp_path / "x.npz", CANONICAL, 2048)
    assert read.n == 0
    assert extractor_of(tmp_path / "x.npz") == "inception-v3"
    assert frechet_distance(np.zeros((4, 2048), np.float32), read).value == pytest.approx(2048)


@pytest.mark.parametrize(
    ("dim", "named"), [(2048, "2048 dimensions"), (768, "pre-auxiliary"), (64, "first max")]
)
def test_a_file_without_an_extractor_is_refused_for_other_features(
    tmp_path: Path, dim: int, named: str
) -> None:
    np.savez(tmp_path / "x.npz", mu=np.zeros(dim), sigma=np.eye(dim))
    with pytest.raises(ExtractorMismatchError, match=named):
        read_statistics(tmp_path / "x.npz", LITE, 1280)
    if dim != 2048:
        with pytest.raises(ExtractorMismatchError, match=named):
            read_statistics(tmp_path / "x.npz", CANONICAL, 2048)


def test_statistics_of_another_extractor_are_refused_with_both_names(tmp_path: Path) -> None:
    write_statistics(of(("dinov2-vits14", "1" * 12), features()), tmp_path / "x.npz")
    with pytest.raises(ExtractorMismatchError, match=r"efficientnet-lite0.*dinov2-vits14"):
        read_statistics(tmp_path / "x.npz", LITE, 6)
    write_statistics(of(("efficientnet-lite0", "1" * 12), features()), tmp_path / "x.npz")
    with pytest.raises(ExtractorMismatchError, match="111111111111"):  # other weights
        read_statistics(tmp_path / "x.npz", LITE, 6)


@pytest.mark.parametrize(
    "arrays",
    [
        {"mu": np.zeros((2, 3)), "sigma": np.eye(3)},
        {"mu": np.zeros(3), "sigma": np.eye(4)},
        {"mu": np.zeros(0), "sigma": np.zeros((0, 0))},
        {"mu": np.full(3, np.nan), "sigma": np.eye(3)},
        {"mu": np.zeros(3), "sigma": -np.eye(3)},
        {"mu": np.zeros(3), "sigma": np.triu(np.ones((3, 3)))},
        {"mu": np.zeros(3), "sigma": np.eye(3), "n": 1},
        {"mu": np.zeros(3), "sigma": np.eye(3), "n": "many"},
        {"mu": np.array(["a", "b", "c"]), "sigma": np.eye(3)},
    ],
)
def test_what_is_no_mean_and_covariance_is_refused(tmp_path: Path, arrays: dict[str, np.ndarray]) -> None:
    named = {"extractor": np.str_(LITE[0]), "digest": np.str_(LITE[1])}
    np.savez(tmp_path / "x.npz", **arrays, **named)
    with pytest.raises(QualityError, match=r"cannot be used|damaged"):
        read_statistics(tmp_path / "x.npz", LITE, 3)


@pytest.mark.parametrize("place", range(0, 1200, 37))
def test_whatever_the_damage_it_is_read_or_refused(tmp_path: Path, place: int) -> None:
    path = tmp_path / "x.npz"
    write_statistics(of(LITE, features(dim=3)), path)
    data = bytearray(path.read_bytes())
    data[place % len(data)] ^= 0x5A
    path.write_bytes(data)
    if is_statistics(path):
        extractor_of(path)
        with contextlib.suppress(PalmError):
            read_statistics(path, LITE, 3)
