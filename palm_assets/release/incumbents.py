"""The models that a candidate must not fall behind, measured like the candidate.

These are the model that the page serves, the starter included; the best release so far; and the model that
the candidate's training started from. All are of the candidate's origin.
"""

from __future__ import annotations

from palm_assets.errors import ArtifactError, PalmError
from palm_assets.evaluation.config import EvaluationConfig
from palm_assets.evaluation.model_metrics import ModelMetrics
from palm_assets.release.checks import Incumbent, Role
from palm_assets.stages.evaluation import make_evaluation
from palm_assets.store.artifacts import Artifact, Store
from palm_assets.store.origins import Origin, origin_of
from palm_assets.store.releases import Release
from palm_assets.store.starter import find_starter, starter_folder


def find_incumbents(
    store: Store, evaluation: Artifact, origin: Origin
) -> tuple[Release | None, tuple[Incumbent, ...]]:
    """The release of the candidate's origin, and the models to compare with.

    The starter stands for the release of photographs until there is one. A released candidate is compared
    with nothing: it cannot replace itself.

    Args:
        store: with the released models.
        evaluation: of the candidate.
        origin: of the candidate.

    Raises:
        PalmError: see `make_evaluation`, for reasons that lie neither in another model nor in its data.
    """
    candidate = evaluation.manifest.inputs["model"]
    try:
        release = store.released(origin)
    except ArtifactError as error:
        return None, (Incumbent("released", "", None, error.what),)
    if release is not None and release.model == candidate:
        return release, ()
    incumbents: dict[str, Incumbent] = {}
    try:
        starter = find_starter(starter_folder())
    except ArtifactError as error:
        starter = None
        if origin == "photographs" and release is None:
            incumbents[""] = Incumbent("released", "", None, error.what)
    roles: list[tuple[Role, str]] = []
    if release is not None:
        roles += [("released", release.model), ("best", release.champion)]
    elif origin == "photographs" and starter is not None:
        roles.append(("released", starter.version))
    start = store.manifest("models", candidate).inputs.get("start")
    if start is not None and origin_of(store.home, start) == origin:
        roles.append(("start", start))
    for role, version in roles:
        if version in incumbents or version == candidate:
            continue
        incumbents[version] = _measured(store, role, version, starter, evaluation)
    return release, tuple(incumbents.values())


def _measured(
    store: Store, role: Role, version: str, starter: Artifact | None, evaluation: Artifact
) -> Incumbent:
    """Evaluate a model against the reference of the candidate's evaluation, with as many samples."""
    try:
        if starter is not None and starter.version == version:
            model = starter
        else:
            model = store.open("models", version)
        reference = store.open("reference", evaluation.manifest.inputs["reference"])
        crops = store.open("crops", reference.manifest.inputs["crops"])
        config = EvaluationConfig(**evaluation.manifest.config)
        made = make_evaluation(store, model, reference, crops, config, of_other_crops=True)
        return Incumbent(role, version, ModelMetrics.from_json(made.facts["model_metrics"]))
    except PalmError as error:
        return Incumbent(role, version, None, error.what)
