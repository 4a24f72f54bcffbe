"""The models that a candidate must not fall behind, measured like the candidate.

These are the model that the page serves, the starter included; the best release so far; and the model that
the candidate's training started from. All are of the candidate's origin.
"""

from __future__ import annotations

import contextlib

from palm_assets.errors import ArtifactError, PalmError
from palm_assets.evaluation.config import EvaluationConfig
from palm_assets.evaluation.model_metrics import ModelMetrics
from palm_assets.release.checks import Incumbent, Role
from palm_assets.stages.evaluation import make_evaluation
from palm_assets.store.artifacts import Artifact, Store
from palm_assets.store.origins import Origin, origin_of
from palm_assets.store.releases import Release
from palm_assets.store.starter import (
    STARTER,
    find_starter,
    hands_folder,
    origin_of_starter,
    starter_folder,
)


def find_incumbents(
    store: Store, evaluation: Artifact, origin: Origin
) -> tuple[Release | None, tuple[Incumbent, ...]]:
    """The release of the candidate's origin, and the models to compare with.

    The starter stands for the release of its origin, which is that of photographs unless PALM_STARTER names a
    packed model of synthetic hands, until there is one. A released candidate is compared with nothing: it
    cannot replace itself.

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
    files = evaluation.manifest.inputs.get("model_files", "")
    # One that was made again since is another model, which may not be as good as the best one.
    if release is not None and release.model == candidate and release.is_of(files):
        return release, ()
    incumbents: dict[str, Incumbent] = {}
    roles: list[tuple[Role, str]] = []
    if release is not None:
        roles += [("released", release.model), ("best", release.champion)]
    elif origin == origin_of_starter(starter_folder()):
        try:
            starter = find_starter(starter_folder())
        except ArtifactError as error:
            incumbents[""] = Incumbent("starter", "", None, error.what)
        else:
            roles += [] if starter is None else [("starter", starter.version)]
    start = store.manifest("models", candidate).inputs.get("start")
    if start is not None and origin_of(store.home, start) == origin:
        roles.append(("start", start))
    for role, version in roles:
        if version in incumbents or version == candidate:
            continue
        incumbents[version] = _measured(store, role, version, evaluation)
    return release, tuple(incumbents.values())


def _measured(store: Store, role: Role, version: str, evaluation: Artifact) -> Incumbent:
    """Evaluate a model against the reference of the candidate's evaluation, with as many samples."""
    try:
        model = _bundled(version) or store.open("models", version)
        reference = store.open("reference", evaluation.manifest.inputs["reference"])
        crops = store.open("crops", reference.manifest.inputs["crops"])
        config = EvaluationConfig(**evaluation.manifest.config)
        made = make_evaluation(store, model, reference, crops, config, of_other_crops=True)
        return Incumbent(role, version, ModelMetrics.from_json(made.facts["model_metrics"]))
    except PalmError as error:
        return Incumbent(role, version, None, error.what)


def _bundled(version: str) -> Artifact | None:
    """The model of this version that comes with the program or that PALM_STARTER names, if there is one.

    Training starts from the starter or from the model of palms and backs, neither of which is in the store.
    """
    for folder in (starter_folder(), STARTER, hands_folder(STARTER)):
        with contextlib.suppress(ArtifactError):  # a damaged one is reported where it is served
            found = find_starter(folder)
            if found is not None and found.version == version:
                return found
    return None
