"""What the store records about a model: its training photographs and its newest evaluation."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from palm_assets.errors import ArtifactError
from palm_assets.evaluation.evaluation_files import NEAREST_REAL_FILE, read_evaluation
from palm_assets.stages.crops import held_out_counts
from palm_assets.stages.evaluation import newest_evaluation
from palm_assets.store.artifacts import Artifact, Kind, Manifest, Store

SKIN_TONES = ("very fair", "fair", "medium", "dark")


@dataclass(frozen=True)
class TrainingPhotos:
    """The photographs that a model was trained on.

    Attributes:
        train: number of photographs.
        train_people: number of people on them.
        held_out: number of photographs held out, of validation and test.
        held_out_people: number of people on those.
        skin: skin tone and number of photographs, held-out ones included, from the fairest to the darkest.
        synthetic: whether they are rendered images instead of photographs.
        known: number of people held out whom the model was trained on before, as part of another one.
        unknown: whether there may be more of those, because it is not recorded whom that one was trained on.
    """

    train: int
    train_people: int
    held_out: int
    held_out_people: int
    skin: tuple[tuple[str, int], ...]
    synthetic: bool
    known: int
    unknown: bool


@dataclass(frozen=True)
class ModelEvaluation:
    """An evaluation of a model.

    Attributes:
        metrics: those of `SetMetrics.to_json`, without per-image lists.
        floor: the same metrics of held-out real palms; empty if there are none.
        image: PNG of samples above their nearest real palms; empty if there is none.
        classes: `ClassMetrics.to_json` of each kind of hand that the model can be asked for.
    """

    metrics: Mapping[str, Any]
    floor: Mapping[str, Any]
    image: bytes
    classes: Sequence[Mapping[str, Any]] = ()


def training_photos(store: Store, model: Artifact) -> TrainingPhotos | None:
    """Find what a model was trained on; None if neither the store nor the model's folder records it."""
    crops = _manifest(store, "crops", model.manifest.inputs.get("crops", "")) or _packed_crops(model)
    if crops is None:
        return None
    photos = _manifest(store, "photos", crops.inputs.get("photos", ""))
    try:
        counts, people, skin = crops.facts["crops"], crops.facts["people"], crops.facts["skin"]
        held_out, held_out_people = held_out_counts(crops.facts)
        known = [(tone, int(skin[tone])) for tone in SKIN_TONES if tone in skin]
        unknown = sum(int(count) for tone, count in skin.items() if tone not in SKIN_TONES)
        return TrainingPhotos(
            int(counts["train"]),
            int(people["train"]),
            held_out,
            held_out_people,
            (*known, *([("unknown", unknown)] if unknown else [])),
            photos is not None and photos.facts.get("source") == "synthetic",
            int(model.facts.get("trained_on_held_out", 0)),
            bool(model.facts.get("held_out_unknown", False)),
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        return None  # recorded by another version of the program


def model_evaluation(store: Store, model: Artifact) -> ModelEvaluation | None:
    """Find the newest evaluation of a model, in the store or in the model's folder; None if there is none."""
    stored = newest_evaluation(store, model.version)
    for artifact in (stored, model):
        if artifact is not None:
            with contextlib.suppress(ArtifactError, OSError):
                return _read_evaluation(artifact.folder)
    return None


def _read_evaluation(folder: Path) -> ModelEvaluation:
    metrics = read_evaluation(folder)
    path = folder / NEAREST_REAL_FILE
    short = {key: value for key, value in metrics.items() if not isinstance(value, list)}
    image = path.read_bytes() if path.is_file() else b""
    return ModelEvaluation(short, metrics.get("floor") or {}, image, metrics.get("classes") or ())


def _packed_crops(model: Artifact) -> Manifest | None:
    """The manifest of the training crops beside a model that was packed for use outside its store."""
    from palm_assets.release.export import CROPS_FILE  # brings torch

    try:
        return Manifest.model_validate_json((model.folder / CROPS_FILE).read_text(encoding="utf-8"))
    except (OSError, ValidationError, UnicodeDecodeError):
        return None


def _manifest(store: Store, kind: Kind, version: str) -> Manifest | None:
    """An artifact's manifest; its files, which may be gigabytes, are not verified."""
    try:
        return store.manifest(kind, version) if version else None
    except ArtifactError:
        return None
