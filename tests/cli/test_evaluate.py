"""`palms evaluate` and `palms fid`, run on small real models and images."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from palm_assets.store.artifacts import Artifact, Store
from tests.cli.conftest import Palms, Publish, publish_reference_of_noise


@pytest.fixture
def released(store: Store, publish_model: Publish) -> Artifact:
    """A released model, with a reference of noise."""
    model = publish_model()
    store.release(model, publish_reference_of_noise(store))
    return model


def test_evaluate_prints_metrics_beside_the_real_floor(palms: Palms, released: Artifact) -> None:
    result = palms("evaluate")
    assert result.exit_code == 0, result.output
    assert f"model {released.version}" in result.output
    assert "Fréchet distance (efficientnet-lite0)" in result.output
    assert "real images at n = 16" in result.output
    assert "FID" not in result.output


def test_evaluate_prints_json(palms: Palms, released: Artifact) -> None:
    metrics = json.loads(palms("evaluate", "--count", 8, "--json").stdout)
    assert metrics["model"] == released.version
    assert metrics["n"] == 8
    assert metrics["frechet"] > metrics["frechet_floor"] > 0


def test_evaluate_without_a_reference_says_how_to_get_them(palms: Palms, publish_model: Publish) -> None:
    result = palms("evaluate", "--model", publish_model().version)
    assert result.exit_code == 1
    assert "make pipeline" in result.stderr


def test_fid_of_a_folder_and_the_zip_that_generate_makes(
    palms: Palms, released: Artifact, tmp_path: Path
) -> None:
    for out in (tmp_path / "palms.zip", tmp_path / "palms"):
        assert palms("generate", "--count", 6, "--seed", 1, "--out", out).exit_code == 0
    scores = [json.loads(palms("fid", tmp_path / name, "--json").stdout) for name in ("palms.zip", "palms")]
    assert scores[0] == scores[1]
    assert scores[0]["n"] == 6


@pytest.mark.parametrize("name", ["palms.zip", "palms"])
def test_fid_says_that_a_set_was_filtered(
    palms: Palms, released: Artifact, tmp_path: Path, name: str
) -> None:
    everything, chosen = tmp_path / "all" / name, tmp_path / "chosen" / name
    palms("generate", "--count", 4, "--seed", 1, "--out", everything)
    palms("generate", "--count", 4, "--seed", 1, "--min-score", 0.2, "--out", chosen)
    assert "filtered" not in palms("fid", everything).output
    assert "filtered: only images with a score of 0.2 or more" in palms("fid", chosen).output
    assert json.loads(palms("fid", chosen, "--json").stdout)["min_score"] == 0.2
    assert "filtered: only" in palms("fid", chosen, "--against", everything).output


def test_fid_against_itself_is_zero_and_against_others_is_not(palms: Palms, tmp_path: Path) -> None:
    for name, low, high in (("dark", 0, 100), ("light", 150, 256)):
        (tmp_path / name).mkdir()
        for i in range(6):
            pixels = np.random.default_rng(i).integers(low, high, (20 + i, 24, 3), np.uint8)
            Image.fromarray(pixels).save(tmp_path / name / f"{i}.png")
    same, other = (
        json.loads(palms("fid", tmp_path / "dark", "--against", tmp_path / name, "--json").stdout)
        for name in ("dark", "light")
    )
    assert same["frechet"]["value"] == pytest.approx(0, abs=1e-6)
    assert other["frechet"]["value"] > 1


def test_fid_of_one_image_is_refused(palms: Palms, released: Artifact, tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    Image.new("RGB", (16, 16)).save(tmp_path / "one" / "a.png")
    result = palms("fid", tmp_path / "one")
    assert result.exit_code == 1
    assert "at least 2 images" in result.stderr


def test_fid_names_the_image_that_cannot_be_read(palms: Palms, released: Artifact, tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    Image.new("RGB", (16, 16)).save(tmp_path / "set" / "a.png")
    (tmp_path / "set" / "b.png").write_bytes(b"not an image")
    result = palms("fid", tmp_path / "set")
    assert result.exit_code == 1
    assert "b.png" in result.stderr


def test_fid_refuses_damaged_statistics(palms: Palms, released: Artifact, store: Store) -> None:
    release = store.released()
    assert release is not None
    path = store.home / "reference" / release.reference / "statistics.npz"
    path.write_bytes(path.read_bytes()[:-10])
    result = palms("evaluate")
    assert result.exit_code == 1
    assert "statistics.npz" in result.stderr


def test_fid_takes_one_kind_of_reference_only(palms: Palms, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    result = palms("fid", tmp_path / "a", "--against", tmp_path / "a", "--reference", "x")
    assert result.exit_code == 2


def test_fid_of_arrays_and_against_saved_statistics(palms: Palms, tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (6, 24, 24, 3), dtype=np.uint8)
    np.savez(tmp_path / "samples.npz", pixels)
    (tmp_path / "folder").mkdir()
    for number, image in enumerate(pixels):
        Image.fromarray(image).save(tmp_path / "folder" / f"{number}.png")
    saved = palms("fid", tmp_path / "folder", "--save", tmp_path / "stats.npz")
    assert "statistics of 6 images, efficientnet-lite0" in saved.output
    result = palms("fid", tmp_path / "samples.npz", "--against", tmp_path / "stats.npz", "--json")
    pair = json.loads(result.stdout)
    assert pair["frechet"]["value"] == pytest.approx(0, abs=1e-4)
    assert pair["frechet"]["reference_n"] == 6
    assert pair["kid"] is None
    images = json.loads(
        palms("fid", tmp_path / "samples.npz", "--against", tmp_path / "folder", "--json").stdout
    )
    assert images["frechet"]["value"] == pytest.approx(0, abs=1e-4)


def test_fid_refuses_statistics_of_another_extractor_and_images_that_are_too_large(
    palms: Palms, tmp_path: Path
) -> None:
    np.savez(tmp_path / "stats.npz", mu=np.zeros(64), sigma=np.eye(64))
    np.save(tmp_path / "samples.npy", np.zeros((2, 24, 24, 3), np.uint8))
    options = ("--against", tmp_path / "stats.npz", "--extractor", "efficientnet-lite0")
    result = palms("fid", tmp_path / "samples.npy", *options)
    assert result.exit_code == 1
    assert "64 dimensions (Inception's first max pooling features)" in result.stderr
    result = palms("fid", tmp_path / "samples.npy", "--against", tmp_path, "--max-megapixels", 0.0001)
    assert result.exit_code == 1
    assert "max_megapixels" in result.stderr
