"""A packed model: small, complete, with almost the same samples, and without paths of this machine."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from palm_assets.errors import RequestError
from palm_assets.gan.sampler import load_model
from palm_assets.release.export import pack
from palm_assets.release.serving import open_starter
from palm_assets.store.artifacts import Artifact, Store


def test_a_packed_model_is_half_as_large_and_generates_almost_the_same(
    store: Store, publish_model: Callable[..., Artifact], tmp_path: Path
) -> None:
    model = publish_model()
    packed = pack(store, model.version, tmp_path / "packed")
    weights = "generator.safetensors"
    assert packed.manifest.files[weights].bytes < 0.7 * model.manifest.files[weights].bytes
    before, after = load_model(model.folder, ""), load_model(packed.folder, "")
    latents = before.latents(0, range(8))
    difference = before.generate(latents).astype(int) - after.generate(latents)
    assert np.abs(difference).mean() < 2


def test_a_packed_model_serves_as_the_starter(
    store: Store, publish_model: Callable[..., Artifact], tmp_path: Path
) -> None:
    packed = pack(store, publish_model().version, tmp_path / "packed")
    found = open_starter(tmp_path / "packed")
    assert found is not None
    assert found[1].version == packed.version
    assert found[1].facts["packed_from"] == publish_model().version


def test_a_packed_model_names_no_folder_of_this_machine(
    store: Store, publish_model: Callable[..., Artifact], tmp_path: Path
) -> None:
    packed = pack(store, publish_model().version, tmp_path / "packed")
    for path in packed.folder.rglob("*"):
        assert str(tmp_path).encode() not in path.read_bytes(), path.name


def test_an_existing_folder_is_never_overwritten(
    store: Store, publish_model: Callable[..., Artifact], tmp_path: Path
) -> None:
    with pytest.raises(RequestError, match="exists already"):
        pack(store, publish_model().version, tmp_path)
