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
from palm_assets.errors import RequestError
from palm_assets.gan.people_record import population_of, read_people
from palm_assets.quality.config import ReferenceConfig
from palm_assets.quality.reference_files import load_reference, save_reference
from palm_assets.stages.crops import open_crops
from palm_assets.stages.evaluation import newest_evaluation
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


def pack_reference_of(store: Store, model: str, model_folder: Path) -> Artifact:
    """Write what a model was evaluated against into the folder of its packed copy, in place of the last.

    Args:
        store: with the evaluation of the model, its reference, and the crops of that.
        model: version of the model in the store.
        model_folder: of the packed copy, whose record of people is the one that counts.

    Raises:
        RequestError: the model was never evaluated; or it was trained on people who are held out of the
            reference, or may have been.
        ArtifactMissingError, ArtifactCorruptError: the reference or its crops are missing or damaged.
        QualityError: see `pack_reference`.
        CheckpointError: the record of people is damaged.
    """
    evaluation = newest_evaluation(store, model)
    if evaluation is None:
        raise RequestError(f"The model {model} was never evaluated", where=store.home, hint="Evaluate it.")
    reference = store.open("reference", evaluation.manifest.inputs["reference"])
    crops = store.open("crops", reference.manifest.inputs["crops"])
    held_out = set(open_crops(crops).people_in_rows("test"))
    overlap = read_people(model_folder).overlap(held_out, population_of(crops.facts))
    if overlap.people or overlap.unknown:
        known = f"{overlap.people} of the people" if overlap.people else "Perhaps some of the people"
        raise RequestError(
            f"{known} held out of the reference {reference.version} are people whom the model was trained on",
            where=model_folder,
            hint="Evaluate it against photographs of people whom it has never seen.",
        )
    shutil.rmtree(model_folder / REFERENCE_FOLDER, ignore_errors=True)
    return pack_reference(reference, model_folder)


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
