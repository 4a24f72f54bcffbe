"""A candidate before the gate: its artifacts are found by what its scores were made from."""

from __future__ import annotations

from palm_assets.errors import (
    ArtifactCorruptError,
    ArtifactMissingError,
    CheckpointError,
    PalmError,
    RefusedError,
)
from palm_assets.evaluation.measures import Measures
from palm_assets.evaluation.model_evaluation import EvaluationConfig
from palm_assets.release.checks import (
    CheckResult,
    check_against_released,
    check_authenticity,
    check_contrast,
    check_crops,
    check_distance,
    check_variety,
)
from palm_assets.release.config import GateConfig
from palm_assets.release.decisions import read, record, refusal
from palm_assets.release.load_check import CHECK, check_loading
from palm_assets.stages import make as stages
from palm_assets.stages.open_artifacts import open_crops
from palm_assets.store.artifacts import Artifact, Store
from palm_assets.store.release_pointer import Release, read_history, withdrawn_by_hand


def check_evaluation(store: Store, scores: Artifact, bounds: GateConfig) -> tuple[CheckResult, ...]:
    """All that can be said of a candidate by its scores, beside the released model where there is one.

    The released model is measured again where it was never measured against this reference, at this count.
    """
    ours = Measures.from_json(scores.facts["measures"])
    return (
        check_contrast(ours, bounds),
        check_variety(ours, bounds),
        check_authenticity(scores.facts, bounds),
        check_distance(ours, bounds),
        _beside_released(store, scores, ours, bounds),
        _judge_history(store, scores.manifest.inputs["model"]),
    )


def check_crops_artifact(crops: Artifact, bounds: GateConfig) -> CheckResult:
    """The verdict on cropped palms; reads who is on which side of the split."""
    index = open_crops(crops).index
    people = {side: {crop.person for crop in index if crop.split == side} for side in ("train", "holdout")}
    return check_crops(crops.facts, people["train"], people["holdout"], bounds)


def release_candidate(store: Store, scores: Artifact, bounds: GateConfig) -> Release:
    """Release the model that was scored, if every check passes; what the checks said is kept.

    Raises:
        RefusedError: it is not released; what is released stays.
    """
    version = scores.manifest.inputs["model"]
    model, reference = (
        store.open("models", version),
        store.open("reference", scores.manifest.inputs["reference"]),
    )
    verdicts = (_loading(store, version), *check_evaluation(store, scores, bounds))
    record(store, version, verdicts)
    if why := refusal(verdicts):
        raise RefusedError(
            f"Model {version} is not released: {why}",
            where=model.folder,
            hint=f"What is released stays; `palms release {version}` would release this one by hand.",
        )
    return store.release(model, reference)


def _loading(store: Store, version: str) -> CheckResult:
    """What the fresh process said of this model, asked now if it never was."""
    known = read(store, version, damaged_is_none=True)
    said = {} if known is None else known.verdicts.get(CHECK, {})
    return CheckResult(CHECK, **said) if said.get("passed") else check_loading(store, version)


def _beside_released(store: Store, scores: Artifact, ours: Measures, bounds: GateConfig) -> CheckResult:
    try:
        release = store.released()
        if release is None or release.model == scores.manifest.inputs["model"]:
            return check_against_released(ours, None, bounds)
        theirs = _measured_alike(store, scores, release)
    except (ArtifactMissingError, ArtifactCorruptError, CheckpointError) as error:
        return CheckResult(
            "not_worse_than_released", True, f"the released model cannot be used: {error.what}"
        )
    return check_against_released(ours, theirs, bounds)


def _measured_alike(store: Store, scores: Artifact, release: Release) -> Measures:
    """The released model's figures against the same reference, at the same count; found, or measured now."""
    reference = store.open("reference", scores.manifest.inputs["reference"])
    crops = store.open("crops", reference.manifest.inputs["crops"])
    model = store.open("models", release.model)
    config = EvaluationConfig(**scores.manifest.config)
    found = stages.make_evaluation(store, model, reference, crops, config)
    return Measures.from_json(found.facts["measures"])


def _judge_history(store: Store, model: str) -> CheckResult:
    check = "not_withdrawn"
    try:
        withdrawn = withdrawn_by_hand(model, read_history(store.home))
    except PalmError as error:
        return CheckResult(check, True, error.what)
    reason = "another model was released by hand in its place" if withdrawn else "nobody withdrew it"
    return CheckResult(check, not withdrawn, reason)
