"""An evaluation of a small model: its files, its facts, and which samples it is of."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from palm_assets.errors import ArtifactCorruptError, ArtifactMissingError
from palm_assets.evaluation import model_evaluation
from palm_assets.evaluation.config import EvaluationConfig
from palm_assets.evaluation.evaluation_files import (
    EVALUATION_FILE,
    NEAREST_REAL_FILE,
    PER_IMAGE_KEYS,
    read_evaluation,
)
from palm_assets.evaluation.model_evaluation import (
    MIN_DEFAULT_COUNT,
    default_count,
    evaluate_model,
    fresh_samples,
)
from palm_assets.evaluation.model_metrics import ModelMetrics
from palm_assets.gan.config import NetworkConfig
from palm_assets.gan.hand_labels import HandLabels
from palm_assets.gan.sampler import PalmModel
from palm_assets.quality.config import ReferenceConfig
from palm_assets.quality.reference_builder import build_reference
from palm_assets.quality.reference_files import load_reference, save_reference
from palm_assets.quality.set_metrics import evaluate_set
from palm_assets.store.artifacts import Artifact

TRAIN = np.random.default_rng(0).integers(0, 256, (40, 3, 16, 16), np.uint8)
HOLDOUT = np.random.default_rng(1).integers(0, 256, (16, 3, 16, 16), np.uint8)


@pytest.fixture(scope="module")
def reference_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reference")
    config = ReferenceConfig(extractor="efficientnet-lite0", floor_counts=[4, 8], floor_repeats=2)
    save_reference(build_reference(TRAIN, HOLDOUT, config), folder)
    return folder


def evaluated(
    model: Artifact, reference_folder: Path, folder: Path, config: EvaluationConfig
) -> dict[str, Any]:
    folder.mkdir()
    return evaluate_model(model.folder, reference_folder, TRAIN, HOLDOUT, config, folder)


def test_the_facts_are_the_metrics_of_the_first_set_and_those_over_all_sets(
    publish_model: Callable[..., Artifact], model: PalmModel, reference_folder: Path, tmp_path: Path
) -> None:
    facts = evaluated(publish_model(), reference_folder, tmp_path / "out", EvaluationConfig(count=10, sets=3))
    first = evaluate_set(fresh_samples(model, 10), load_reference(reference_folder))
    assert facts["frechet"] == first.frechet
    assert facts["text"] == first.describe()
    assert facts["floor"]["n"] == 10
    over_all = ModelMetrics.from_json(json.loads(json.dumps(facts["model_metrics"])))
    assert over_all.n == 10
    assert len(over_all.frechet) == len(over_all.kid) == 3
    assert over_all.frechet[0] == first.frechet
    assert len(set(over_all.frechet)) == 3  # each set has its own samples
    assert not any(key in facts for key in PER_IMAGE_KEYS)


def test_the_files_are_the_metrics_and_a_grid_of_samples_above_their_nearest_real_images(
    publish_model: Callable[..., Artifact], model: PalmModel, reference_folder: Path, tmp_path: Path
) -> None:
    facts = evaluated(publish_model(), reference_folder, tmp_path / "out", EvaluationConfig(count=5, sets=2))
    content = read_evaluation(tmp_path / "out")
    assert content["frechet"] == facts["frechet"]
    assert [len(content[key]) for key in PER_IMAGE_KEYS] == [5, 5]
    sheet = np.asarray(Image.open(tmp_path / "out" / NEAREST_REAL_FILE)).transpose(2, 0, 1)
    assert sheet.shape == (3, 2 * 18 + 2, 5 * 18 + 2)
    samples = next(fresh_samples(model, 5))
    for i in range(5):
        left = 2 + 18 * i
        np.testing.assert_array_equal(sheet[:, 2:18, left : left + 16], samples[i])
        np.testing.assert_array_equal(sheet[:, 20:36, left : left + 16], TRAIN[content["nearest"][i]])


def test_a_conditional_model_is_evaluated_for_each_class_of_its_labels(
    publish_model: Callable[..., Artifact], reference_folder: Path, tmp_path: Path
) -> None:
    labels = ["aspect", "side"]
    networks = NetworkConfig(image_size=16, latent=8, generator_width=8, max_width=16, labels=labels)
    model, folder = publish_model(networks=networks), tmp_path / "out"
    folder.mkdir()
    facts = evaluate_model(
        model.folder,
        reference_folder,
        TRAIN,
        HOLDOUT,
        EvaluationConfig(count=5, sets=2),
        folder,
        train_hands=[HandLabels("palm", "left")] * 30 + [HandLabels("back", "left")] * 10,
        test_hands=[HandLabels("palm", "left")] * 16,
    )
    palm, back = facts["classes"]
    assert (palm["value"], palm["train"], palm["test"]) == ("palm", 30, 16)
    assert (back["value"], back["train"], back["test"]) == ("back", 10, 0)
    assert palm["samples"] + back["samples"] == 10
    assert read_evaluation(folder)["classes"] == facts["classes"]
    assert "aspect palm: " in facts["text"]


def test_by_default_a_set_is_as_large_as_the_largest_of_the_floor_and_at_least_100(
    reference_folder: Path,
) -> None:
    reference = load_reference(reference_folder)
    assert default_count(reference) == MIN_DEFAULT_COUNT == 100
    large = replace(reference, floor=(replace(reference.floor[-1], n=174),))
    assert default_count(large) == 174


def test_a_model_of_another_size_than_the_crops_can_be_evaluated(
    publish_model: Callable[..., Artifact], reference_folder: Path, tmp_path: Path
) -> None:
    """Such as the starter, which candidates are compared with."""
    larger = publish_model(networks=NetworkConfig(image_size=32, latent=8, generator_width=8, max_width=16))
    facts = evaluated(larger, reference_folder, tmp_path / "out", EvaluationConfig(count=5, sets=2))
    assert facts["model_metrics"]["n"] == 5
    assert Image.open(tmp_path / "out" / NEAREST_REAL_FILE).size == (5 * 34 + 2, 2 * 34 + 2)


def test_a_sample_depends_on_its_number_alone(model: PalmModel, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = np.concatenate(list(fresh_samples(model, 12)))
    monkeypatch.setattr(model_evaluation, "BATCH", 5)
    np.testing.assert_array_equal(np.concatenate(list(fresh_samples(model, 8, first=4))), whole[4:])
    assert [len(batch) for batch in fresh_samples(model, 12)] == [5, 5, 2]


def test_a_missing_or_damaged_evaluation_is_a_typed_error(tmp_path: Path) -> None:
    with pytest.raises(ArtifactMissingError, match="palm_evaluation"):
        read_evaluation(tmp_path)
    for damage in ("{", "[]"):
        (tmp_path / EVALUATION_FILE).write_text(damage)
        with pytest.raises(ArtifactCorruptError, match="Evaluate the model again"):
            read_evaluation(tmp_path)
