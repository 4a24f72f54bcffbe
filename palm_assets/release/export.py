"""A small copy of a model to carry elsewhere: half precision, no photographs, no paths of this machine."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from palm_assets.errors import RequestError
from palm_assets.evaluation.model_evaluation import EVALUATION_FILE
from palm_assets.gan.checkpoint import (
    CARD_FILE,
    CONFIG_FILE,
    DISCRIMINATOR_FILE,
    GENERATOR_FILE,
    METRICS_FILE,
    read_metrics,
)
from palm_assets.gan.config import GanConfig
from palm_assets.gan.plots import CURVES_FILE, RELIABILITY_FILE, SAMPLES_FILE, sample_grid
from palm_assets.gan.sampler import CALIBRATION_FILE, load_model
from palm_assets.store.artifacts import MANIFEST, Artifact, Store

CROPS_FILE = "crops-manifest.json"
CURVE_POINTS = 200
MOST_SHOWN, SHOWN_SIDE = 64, 1152  # palms; pixels of their grid
LISTS = ("nearest", "distance")  # of a score: a number for each palm, of use beside the photographs alone


def pack(store: Store, version: str, target: Path) -> Artifact:
    """Copy a model with its card, figures and newest score into a new folder, weights as float16.

    Raises:
        RequestError: `target` exists.
        ArtifactMissingError, ArtifactCorruptError: the model cannot be had.
    """
    if target.exists():
        raise RequestError("The folder exists already", where=target, hint="Name a new one.")
    model = store.open("models", version)

    def build(folder: Path) -> Mapping[str, Any]:
        for name in (GENERATOR_FILE, DISCRIMINATOR_FILE):
            weights = load_file(model.folder / name)
            save_file(
                {k: v.half() if v.dtype == torch.float32 else v for k, v in weights.items()}, folder / name
            )
        for name in (CONFIG_FILE, CARD_FILE, CALIBRATION_FILE, CURVES_FILE, RELIABILITY_FILE):
            if (model.folder / name).is_file():
                shutil.copy(model.folder / name, folder / name)
        metrics = read_metrics(model.folder)
        curves = metrics.get("curves", [])
        metrics["curves"] = curves[:: max(1, len(curves) // CURVE_POINTS)]
        (folder / METRICS_FILE).write_text(json.dumps(metrics) + "\n")
        crops = store.home / "crops" / model.manifest.inputs.get("crops", "") / MANIFEST
        if crops.is_file():
            shutil.copy(crops, folder / CROPS_FILE)
        score = _newest_score(store, version)
        if score is not None:
            (folder / EVALUATION_FILE).write_text(json.dumps(score, indent=1) + "\n")
        packed = load_model(folder, "")  # by the rounded weights
        shown = min(MOST_SHOWN, (SHOWN_SIDE // packed.image_size) ** 2)
        sample_grid(packed, shown).save(folder / SAMPLES_FILE)
        return {**model.facts, "packed_from": version}

    with tempfile.TemporaryDirectory() as home:
        made = model.manifest
        packed = Store(Path(home)).make(
            "models",
            build,
            inputs=made.inputs,
            config=GanConfig(**made.config),
            code_version=f"{made.code_version}-packed",
        )
        shutil.copytree(packed.folder, target)
    return Artifact("models", packed.version, target, packed.manifest)


def _newest_score(store: Store, version: str) -> dict[str, Any] | None:
    for candidate in reversed(store.versions("evaluations")):
        score = store.open("evaluations", candidate)
        if score.manifest.inputs.get("model") == version:
            figures: dict[str, Any] = json.loads((score.folder / EVALUATION_FILE).read_text())
            return {key: value for key, value in figures.items() if key not in LISTS}
    return None
