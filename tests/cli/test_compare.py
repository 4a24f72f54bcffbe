"""`palms compare`, run on small real models."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from PIL import Image

from palm_assets.gan.config import NetworkConfig
from palm_assets.gan.sampler import load_model
from palm_assets.store.artifacts import Store
from tests.cli.conftest import Palms, Publish, publish_reference_of_noise
from tests.release.lineage import publish_candidate, publish_data

LARGER = NetworkConfig(image_size=32, latent=8, generator_width=8, discriminator_width=8, max_width=16)


def test_compare_shows_settings_that_differ_figures_and_the_same_seeds(
    palms: Palms, publish_model: Publish, tmp_path: Path
) -> None:
    a, b = publish_model(1, kimg=80.0), publish_model(2, LARGER, kimg=360.04)
    out = tmp_path / "new" / "ab.png"
    result = palms("compare", a.version, b.version, "--out", out, "--count", 3, "--seed", 5)
    assert result.exit_code == 0, result.output
    lines = [line.split() for line in result.output.splitlines()]
    assert ["model", a.version, b.version] in lines
    assert ["image_size", "16", "32"] in lines
    assert ["latent", "8", "8"] not in lines
    assert ["thousand", "images", "trained", "on", "80", "360"] in lines
    assert "Neither model was evaluated" in result.output
    picture = np.asarray(Image.open(out))
    side, gap = 32, 2
    margin = picture.shape[1] - (3 * (side + gap) + gap)
    images = load_model(b.folder, "").sample(3, seed=5)
    for column in range(3):
        left, top = margin + gap + column * (side + gap), 2 * gap + side
        assert (picture[top : top + side, left : left + side] == images[column].transpose(1, 2, 0)).all()
    again = palms("compare", a.version, a.version, "--out", out)
    assert "has been replaced" in again.stderr
    assert ["settings", "the", "same", "the", "same"] in [line.split() for line in again.output.splitlines()]


def test_compare_as_json_with_figures_measured_against_one_reference(
    palms: Palms, store: Store, tmp_path: Path
) -> None:
    real, rendered = publish_data(store), publish_data(store, "synthetic")
    a, b = publish_candidate(store, real), publish_candidate(store, rendered)
    out = ("--out", tmp_path / "ab.png", "--count", 1, "--json")
    recorded = json.loads(palms("compare", a.version, b.version, *out).stdout)
    assert [recorded[name]["origin"] for name in "ab"] == ["photographs", "synthetic"]
    assert recorded["config"]["crops"] == [real.crops.version, rendered.crops.version]
    reference = publish_reference_of_noise(store)
    measured = json.loads(
        palms("compare", a.version, b.version, "--measure", "--reference", reference.version, *out).stdout
    )
    assert [measured[name]["metrics"]["reference"] for name in "ab"] == [reference.version] * 2
    assert measured["note"] == ""
    assert all(value > 0 for value in measured["figures"]["frechet"])


def test_compare_says_that_evaluations_against_other_references_cannot_be_compared(
    palms: Palms, publish_model: Publish, tmp_path: Path
) -> None:
    folders = [publish_model(seed).folder for seed in (1, 2)]
    for folder, reference in zip(folders, ("r1", "r2"), strict=True):
        metrics = {"label": "FID", "frechet": 83.75571, "n": 174, "reference": reference}
        (folder / "evaluation.json").write_text(json.dumps(metrics))
    result = palms("compare", *folders, "--out", tmp_path / "ab.png")
    assert ["FID", "83.8", "83.8"] in [line.split() for line in result.output.splitlines()]
    assert "cannot be compared: they differ in reference" in result.output
