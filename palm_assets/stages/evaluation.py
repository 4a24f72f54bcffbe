"""Stage "evaluations": metrics of a model against a reference; and the evaluations that a store holds."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from palm_assets.errors import ArtifactError, LineageError
from palm_assets.evaluation.config import EvaluationConfig
from palm_assets.stages.code_versions import CODE_VERSIONS
from palm_assets.stages.crops import open_crops
from palm_assets.stages.lineage import require_inputs, require_same_crops
from palm_assets.store.artifacts import Artifact, Manifest, Store


def make_evaluation(
    store: Store,
    model: Artifact,
    reference: Artifact,
    crops: Artifact,
    config: EvaluationConfig,
    *,
    of_other_crops: bool = False,
) -> Artifact:
    """Evaluate samples of a model against a reference, whose crops are needed to show the nearest ones.

    Args:
        store: to publish into.
        model: to evaluate.
        reference: what its samples are compared with.
        crops: of the reference.
        config: how many samples.
        of_other_crops: whether the model may be trained on other crops, as one that a candidate is compared
            with.

    Raises:
        LineageError: model and reference are not of these crops.
        CheckpointError, ArtifactCorruptError: the model or the reference cannot be read.
        ExtractorMismatchError, WeightsUnavailableError: the reference's extractor is not available here.
    """
    require_inputs(reference, crops=crops)
    if not of_other_crops:
        require_same_crops(model=model, reference=reference, crops=crops)

    def build(folder: Path) -> Mapping[str, Any]:
        from palm_assets.evaluation.model_evaluation import evaluate_model
        from palm_assets.gan.labeled_crops import hands_of

        opened = open_crops(crops)
        return evaluate_model(
            model.folder,
            reference.folder,
            opened.train,
            opened.test,
            config,
            folder,
            train_hands=hands_of(opened, "train"),
            test_hands=hands_of(opened, "test"),
        )

    inputs = evaluation_inputs(model.manifest, reference.manifest)
    return store.make(
        "evaluations", build, inputs=inputs, config=config, code_version=CODE_VERSIONS["evaluations"]
    )


def evaluation_inputs(model: Manifest, reference: Manifest) -> dict[str, str]:
    """What an evaluation is made from: versions and, as an artifact may be made again, contents.

    A model that was lost and is trained again has its earlier version, but on other hardware other weights.
    """
    return {
        "model": model.version,
        "reference": reference.version,
        "model_files": model.content,
        "reference_files": reference.content,
    }


def require_up_to_date(evaluation: Artifact, model: Manifest, reference: Manifest) -> None:
    """Refuse an evaluation of earlier files of its model or reference, or by another version of the program.

    Raises:
        LineageError: so it is.
    """
    found, expected = evaluation.manifest.inputs, evaluation_inputs(model, reference)
    stale = [role for role, value in expected.items() if found.get(role) != value]
    code_version = CODE_VERSIONS["evaluations"]
    if evaluation.manifest.code_version != code_version:
        stale.append(f"code version {code_version}")
    if stale:
        raise LineageError(
            f"Evaluation {evaluation.version} of model {model.version} is not up to date with the "
            f"{', '.join(stale)}",
            where=evaluation.folder,
            hint="Materialize palm_evaluation again.",
        )


def newest_evaluation(store: Store, model: str) -> Artifact | None:
    """The newest undamaged evaluation of a model; None if there is none."""
    for manifest in evaluation_manifests(store):
        if manifest.inputs["model"] == model:
            with contextlib.suppress(ArtifactError):
                return store.open("evaluations", manifest.version)
    return None


def evaluation_manifests(store: Store) -> list[Manifest]:
    """The readable manifests of all evaluations, newest first."""
    return store.manifests("evaluations")[::-1]
