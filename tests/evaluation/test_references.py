"""Which reference images are compared with, and what is said about it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from palm_assets.errors import ArtifactMissingError
from palm_assets.evaluation.references import find_reference
from palm_assets.evaluation.set_evaluation import evaluate
from palm_assets.gan.sampler import load_model
from palm_assets.generation.archives import write_folder, write_zip
from palm_assets.generation.generate import GenerationRequest, generate
from palm_assets.generation.png_metadata import png_bytes
from palm_assets.quality.config import ReferenceConfig
from palm_assets.quality.reference_builder import build_reference
from palm_assets.quality.reference_files import save_reference
from palm_assets.store.artifacts import Artifact, Store
from palm_assets.store.origins import ORIGIN_FACT
from palm_assets.store.starter import starter_folder
from tests.models import publish_model

Publish = Callable[..., Artifact]
CONFIG = ReferenceConfig(extractor="efficientnet-lite0", floor_counts=[4], floor_repeats=2)


def publish_reference(store: Store, inputs: dict[str, str], *, compact: bool = False) -> Artifact:
    images = np.random.default_rng(0).integers(0, 256, (24, 3, 16, 16), np.uint8)

    def build(folder: Path) -> dict[str, object]:
        save_reference(build_reference(images[:16], images[16:], CONFIG), folder, compact=compact)
        return {}

    return store.make("reference", build, inputs=inputs, config=CONFIG, code_version="1")


def publish_crops(store: Store, source: str) -> Artifact:
    photos = store.make(
        "photos", lambda folder: {"source": source}, inputs={"files": source}, config=CONFIG, code_version="1"
    )
    inputs = {"photos": photos.version}
    return store.make("crops", lambda folder: {}, inputs=inputs, config=CONFIG, code_version="1")


@pytest.fixture
def starter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Artifact:
    """A starter that comes with a compact reference."""
    made = publish_reference(Store(tmp_path / "elsewhere"), {"crops": "c" * 12}, compact=True)
    (tmp_path / "starter").mkdir()
    made.folder.rename(tmp_path / "starter" / "reference")
    monkeypatch.setenv("PALM_STARTER", str(tmp_path / "starter"))
    return made


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    """Eight images, five of them not square."""
    folder = tmp_path / "photographs"
    folder.mkdir()
    rng = np.random.default_rng(1)
    for number in range(8):
        shape = (20, 28 if number < 5 else 20, 3)
        Image.fromarray(rng.integers(0, 256, shape, np.uint8)).save(folder / f"{number}.png")
    return folder


def test_the_starters_reference_is_used_until_a_model_of_photographs_is_released(
    store: Store, starter: Artifact, publish_model: Publish
) -> None:
    synthetic = publish_reference(store, {"crops": publish_crops(store, "synthetic").version})
    store.release(publish_model(), synthetic, origin="synthetic")
    found = find_reference(store)
    assert (found.name, found.origin) == (f"starter-{starter.version}", "photographs")
    assert (found.is_bundled, found.crops) == (True, "c" * 12)

    own = publish_reference(store, {"crops": publish_crops(store, "folder").version})
    store.release(publish_model(), own)
    found = find_reference(store)
    assert (found.name, found.origin, found.is_bundled) == (own.version, "photographs", False)
    assert find_reference(store, "starter").artifact.version == starter.version
    assert find_reference(store, synthetic.version).origin == "synthetic"


def test_the_reference_of_a_starter_of_synthetic_hands_is_synthetic(store: Store, starter: Artifact) -> None:
    manifest = starter_folder() / "manifest.json"
    manifest.write_text(json.dumps({"facts": {ORIGIN_FACT: "synthetic"}}), encoding="utf-8")
    assert find_reference(store).origin == "synthetic"


def test_another_version_of_the_starters_reference_is_not_replaced_by_this_one(
    store: Store, starter: Artifact
) -> None:
    assert find_reference(store, f"starter-{starter.version}").artifact.version == starter.version
    with pytest.raises(ArtifactMissingError, match="There is no reference starter-0123"):
        find_reference(store, "starter-0123")


@pytest.fixture
def hands(tmp_path: Path, starter: Artifact) -> Artifact:
    """A model `hands` beside the starter, with a reference of its own."""
    elsewhere = Store(tmp_path / "elsewhere")
    model = publish_model(elsewhere, 2)
    own = publish_reference(elsewhere, {"crops": "h" * 12}, compact=True)
    model.folder.rename(tmp_path / "starter_hands")
    own.folder.rename(tmp_path / "starter_hands" / "reference")
    return Artifact("models", f"starter-{model.version}", tmp_path / "starter_hands", model.manifest)


def test_hands_are_compared_with_the_reference_that_comes_with_them(
    store: Store, starter: Artifact, hands: Artifact
) -> None:
    found = find_reference(store, model=hands.version)
    assert (found.crops, found.is_bundled, found.model) == ("h" * 12, True, hands.version)
    assert find_reference(store, "hands") == find_reference(store, found.name) == found
    for other in ("", "0123456789ab", "starter-0123456789ab"):
        assert find_reference(store, model=other).name == f"starter-{starter.version}"
    released = publish_reference(store, {"crops": publish_crops(store, "folder").version})
    store.release(publish_model(store), released)
    assert find_reference(store, model=hands.version) == found
    assert find_reference(store).name == released.version


def test_hands_without_a_reference_of_their_own_are_compared_with_the_starters(
    store: Store, starter: Artifact, hands: Artifact
) -> None:
    shutil.rmtree(hands.folder / "reference")
    assert find_reference(store, model=hands.version).name == f"starter-{starter.version}"
    with pytest.raises(ArtifactMissingError, match="hands comes without"):
        find_reference(store, "hands")


def test_a_zip_of_hands_is_compared_with_what_comes_with_the_model_that_its_images_name(
    store: Store, starter: Artifact, hands: Artifact, tmp_path: Path
) -> None:
    model = load_model(hands.folder, hands.version)
    other = load_model(hands.folder, "0123456789ab")
    found = find_reference(store, "hands").name
    write_zip(tmp_path / "hands.zip", generate(model, GenerationRequest(3, 7)), model)
    assert evaluate(tmp_path / "hands.zip", store=store).reference == found
    assert evaluate(tmp_path / "hands.zip", "starter", store=store).reference == f"starter-{starter.version}"
    write_folder(tmp_path / "mixed", generate(model, GenerationRequest(3, 7)), model)
    image = next(generate(other, GenerationRequest(1, 7)))
    (tmp_path / "mixed" / "other.png").write_bytes(png_bytes(image, other.version))
    assert evaluate(tmp_path / "mixed", store=store).reference == f"starter-{starter.version}"


def test_without_a_starter_the_newest_reference_is_used_and_without_one_it_says_how_to_get_one(
    store: Store,
) -> None:
    for version in (None, "starter"):
        with pytest.raises(ArtifactMissingError, match="make pipeline"):
            find_reference(store, version)
    made = publish_reference(store, {})
    store.set_current("fid_reference", made)
    found = find_reference(store)
    assert (found.name, found.origin, found.crops) == (made.version, None, "")


def test_an_evaluation_names_its_reference(store: Store, starter: Artifact, photographs: Path) -> None:
    metrics = evaluate(photographs, store=store)
    assert metrics.reference == f"starter-{starter.version}"
    assert metrics.to_json()["reference"] == metrics.reference
    assert not metrics.reference_is_synthetic
    assert "synthetic" not in metrics.describe()


def test_photographs_that_were_not_cropped_are_reported(
    store: Store, starter: Artifact, photographs: Path
) -> None:
    metrics = evaluate(photographs, store=store)
    assert metrics.not_square == 5
    assert "5 of 8 images are not square" in metrics.describe()
    assert "palms crop" in metrics.describe()
    for number in range(3):
        (photographs / f"{number}.png").unlink()
    few = evaluate(photographs, store=store)
    assert few.not_square == 2
    assert "not square" not in few.describe()


def test_a_reference_of_synthetic_hands_is_reported(store: Store, photographs: Path) -> None:
    made = publish_reference(store, {"crops": publish_crops(store, "synthetic").version})
    metrics = evaluate(photographs, made.version, store=store)
    assert metrics.reference_is_synthetic
    assert "reference is of synthetic hands" in metrics.describe()
