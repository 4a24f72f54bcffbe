"""A small copy of a model for another place: half precision, no photographs, no paths of this machine."""

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
from palm_assets.evaluation.evaluation_files import PER_IMAGE_KEYS, read_evaluation, write_evaluation
from palm_assets.gan.checkpoint import (
    CARD_FILE,
    CONFIG_FILE,
    DISCRIMINATOR_FILE,
    GENERATOR_FILE,
    METRICS_FILE,
    read_metrics,
)
from palm_assets.gan.config import GanConfig
from palm_assets.gan.people_record import PEOPLE_FILE
from palm_assets.gan.plot_files import CURVES_FILE, RELIABILITY_FILE, SAMPLES_FILE
from palm_assets.gan.plots import sample_grid
from palm_assets.gan.sampler import CALIBRATION_FILE, load_model
from palm_assets.release.model_choices import no_such_model
from palm_assets.stages.evaluation import newest_evaluation
from palm_assets.store.artifacts import MANIFEST, Artifact, Store
from palm_assets.store.origins import ORIGIN_FACT, origin_of

CROPS_FILE = "crops-manifest.json"
CURVE_POINTS = 200
MAX_SAMPLES, GRID_PIXELS = 64, 1152  # samples in the grid, and its side


def pack(store: Store, version: str, target: Path) -> Artifact:
    """Copy a model with its card, metrics and newest evaluation into a new folder, weights as float16.

    Raises:
        RequestError: `target` exists.
        ArtifactMissingError, ArtifactCorruptError: the model is missing or damaged.
    """
    if target.exists():
        raise RequestError("The folder exists already", where=target, hint="Name a new one.")
    model = store.find("models", version)
    if model is None:
        raise no_such_model(version, store.home)

    def build(folder: Path) -> Mapping[str, Any]:
        for name in (GENERATOR_FILE, DISCRIMINATOR_FILE):
            weights = load_file(model.folder / name)
            save_file(
                {k: v.half() if v.dtype == torch.float32 else v for k, v in weights.items()}, folder / name
            )
        for name in (CONFIG_FILE, CARD_FILE, PEOPLE_FILE, CALIBRATION_FILE, CURVES_FILE, RELIABILITY_FILE):
            if (model.folder / name).is_file():
                shutil.copy(model.folder / name, folder / name)
        metrics = read_metrics(model.folder)
        curves = metrics.get("curves", [])
        metrics["curves"] = curves[:: max(1, len(curves) // CURVE_POINTS)]
        (folder / METRICS_FILE).write_text(json.dumps(metrics) + "\n", encoding="utf-8")
        crops = store.home / "crops" / model.manifest.inputs.get("crops", "") / MANIFEST
        if crops.is_file():
            shutil.copy(crops, folder / CROPS_FILE)
        evaluation = newest_evaluation(store, version)
        if evaluation is not None:
            content = read_evaluation(evaluation.folder)
            write_evaluation({k: v for k, v in content.items() if k not in PER_IMAGE_KEYS}, folder)
        packed = load_model(folder, "")  # with the rounded weights
        count = min(MAX_SAMPLES, (GRID_PIXELS // packed.image_size) ** 2)
        sample_grid(packed, count).save(folder / SAMPLES_FILE)
        origin = origin_of(store.home, version)
        return {**model.facts, "packed_from": version, **({ORIGIN_FACT: origin} if origin else {})}

    with tempfile.TemporaryDirectory() as home:
        original = model.manifest
        packed = Store(Path(home)).make(
            "models",
            build,
            inputs=original.inputs,
            config=GanConfig(**original.config),
            code_version=f"{original.code_version}-packed",
        )
        shutil.copytree(packed.folder, target)
    return Artifact("models", packed.version, target, packed.manifest)
