"""Lineage: what an artifact was made from, and whether artifacts that meet were made from the same data."""

from __future__ import annotations

from dataclasses import dataclass

from palm_assets.errors import ArtifactMissingError, LineageError
from palm_assets.store.artifacts import Artifact, Kind, Store


@dataclass(frozen=True)
class Lineage:
    """A model with all that it was made from and measured against, each artifact verified."""

    photos: Artifact
    boxes: Artifact
    detector: Artifact
    crops: Artifact
    model: Artifact
    reference: Artifact
    evaluation: Artifact


def lineage_of(store: Store, evaluation: Artifact) -> Lineage:
    """Walk from an evaluation of a model to the photographs.

    Raises:
        LineageError: an artifact does not name what it was made from, its input is gone, or the model and the
            reference are of different crops.
        ArtifactCorruptError: one of them is damaged.
    """
    model = _input(store, evaluation, "model", "models")
    reference = _input(store, evaluation, "reference", "reference")
    require_same_crops(model=model, reference=reference)
    crops = _input(store, model, "crops", "crops")
    detector = _input(store, crops, "detector", "detector")
    return Lineage(
        photos=_input(store, crops, "photos", "photos"),
        boxes=_input(store, detector, "boxes", "boxes"),
        detector=detector,
        crops=crops,
        model=model,
        reference=reference,
        evaluation=evaluation,
    )


def require_same_crops(*, model: Artifact, reference: Artifact, crops: Artifact | None = None) -> None:
    """Refuse to compare a model with a reference of other crops: people held out there may be known to it.

    Raises:
        LineageError: they name different crops, or others than `crops`.
    """
    named = {"model": model.manifest.inputs.get("crops"), "reference": reference.manifest.inputs.get("crops")}
    if crops is not None:
        named["crops"] = crops.version
    if None in named.values() or len(set(named.values())) > 1:
        given = "" if crops is None else f", not both of {crops.version}"
        raise LineageError(
            f"Model {model.version} is of crops {named['model']}, "
            f"reference {reference.version} of crops {named['reference']}{given}",
            where=reference.folder,
            hint="Materialize dcgan_checkpoint and fid_reference from the same cropped_palms.",
        )


def require_inputs(artifact: Artifact, **inputs: Artifact) -> None:
    """Refuse an artifact that was made from other inputs than these.

    Raises:
        LineageError: a role names another version.
    """
    for role, given in inputs.items():
        named = artifact.manifest.inputs.get(role)
        if named != given.version:
            raise LineageError(
                f"{artifact.kind} {artifact.version} is of the {role} {named}, not of {given.version}",
                where=artifact.folder,
                hint="Materialize it again, together with its inputs.",
            )


def _input(store: Store, artifact: Artifact, role: str, kind: Kind) -> Artifact:
    version = artifact.manifest.inputs.get(role)
    if version is None:
        raise LineageError(
            f"{artifact.kind} {artifact.version} does not name the {role} that it was made from",
            where=artifact.folder,
            hint="Materialize it again.",
        )
    try:
        return store.open(kind, version)
    except ArtifactMissingError as error:
        raise LineageError(
            f"The {role} {version}, from which {artifact.kind} {artifact.version} was made, is gone",
            where=store.home,
            hint="Materialize it again.",
        ) from error
