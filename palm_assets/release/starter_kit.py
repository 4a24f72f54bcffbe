"""What comes with a packed model: compact reference statistics and the palm detector in half precision.

With them a set can be evaluated and photographs can be cropped before anything is made.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from pydantic import BaseModel
from safetensors import safe_open
from safetensors.torch import save_file

from palm_assets.detector.config import DetectorConfig
from palm_assets.detector.detection import DETECTOR_FILE
from palm_assets.quality.config import ReferenceConfig
from palm_assets.quality.reference_files import load_reference, save_reference
from palm_assets.store.artifacts import Artifact, Store
from palm_assets.store.starter import DETECTOR_FOLDER, REFERENCE_FOLDER


def pack_reference(reference: Artifact, model_folder: Path) -> Artifact:
    """Write a compact copy of a reference into the folder of a packed model.

    Raises:
        QualityError: the reference does not hold the features of all its training images.
    """

    def build(folder: Path) -> Mapping[str, Any]:
        save_reference(load_reference(reference.folder), folder, compact=True)
        return reference.facts

    config = ReferenceConfig(**reference.manifest.config)
    return _publish(reference, config, build, model_folder / REFERENCE_FOLDER)


def pack_detector(detector: Artifact, model_folder: Path) -> Artifact:
    """Write the weights of a detector, in half precision, into the folder of a packed model.

    The pictures of its test images are left out: they are photographs.
    """

    def build(folder: Path) -> Mapping[str, Any]:
        with safe_open(detector.folder / DETECTOR_FILE, framework="pt") as stored:
            metadata = stored.metadata()
            weights = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118
        half = {k: v.half() if v.dtype == torch.float32 else v for k, v in weights.items()}
        save_file(half, folder / DETECTOR_FILE, metadata=metadata)
        return detector.facts

    config = DetectorConfig(**detector.manifest.config)
    return _publish(detector, config, build, model_folder / DETECTOR_FOLDER)


def _publish(
    original: Artifact, config: BaseModel, build: Callable[[Path], Mapping[str, Any]], target: Path
) -> Artifact:
    """Make a packed copy of an artifact, with a manifest of its own, as a new folder."""
    manifest = original.manifest
    with tempfile.TemporaryDirectory() as home:
        made = Store(Path(home)).make(
            original.kind,
            build,
            inputs=manifest.inputs,
            config=config,
            code_version=f"{manifest.code_version}-packed",
        )
        shutil.copytree(made.folder, target)
    return Artifact(original.kind, made.version, target, made.manifest)
