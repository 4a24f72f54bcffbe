"""The release gate, a straight line: gather the evidence on a candidate, decide, record and release.

evidence = gather(store, evaluation)
decision = decide(evidence, bounds)
release = record_and_release(store, decision)

`release_if_passed` does all three, and again if another model was released meanwhile.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from palm_assets.errors import (
    ArtifactCorruptError,
    ArtifactError,
    CheckpointError,
    RefusedError,
    ReleaseChangedError,
)
from palm_assets.evaluation.model_metrics import ModelMetrics
from palm_assets.release.checks import (
    LOAD_CHECK,
    CheckResult,
    DataFacts,
    Incumbent,
    check_against_incumbents,
    check_contrast,
    check_crops,
    check_data,
    check_detector,
    check_distance,
    check_held_out,
    check_memorization,
    check_photos,
    check_variety,
    check_withdrawal,
    is_better,
    refusal,
)
from palm_assets.release.config import GateConfig
from palm_assets.release.decisions import find_decision, record_checks
from palm_assets.release.incumbents import find_incumbents
from palm_assets.release.load_check import check_loading
from palm_assets.stages.crops import split_people
from palm_assets.stages.evaluation import require_up_to_date
from palm_assets.stages.lineage import lineage_of
from palm_assets.stages.model import held_out_overlap
from palm_assets.store.artifacts import Artifact, Store
from palm_assets.store.origins import Origin, origin_of, origin_of_data
from palm_assets.store.releases import Release, is_withdrawn, read_history

MAX_ATTEMPTS = 5  # to release while others release, too


@dataclass(frozen=True)
class Evidence:
    """Everything that a decision on one candidate depends on, beside the bounds.

    Attributes:
        model: version of the candidate.
        reference: version of the reference that it was evaluated against.
        origin: of what it was trained on.
        data: facts of what it was made from; a sentence if they are not known: then it is refused.
        loading: result of the load check.
        evaluation: facts of its evaluation.
        metrics: its metrics over several sets of samples.
        incumbents: the models that it must not fall behind; none if nothing of its origin is served, or if
            the candidate itself is.
        withdrawn: whether a person released another model in its place by hand; None if that is not known.
        released: the release of its origin that all this was compared with.
    """

    model: str
    reference: str
    origin: Origin
    data: DataFacts | str
    loading: CheckResult
    evaluation: Mapping[str, Any]
    metrics: ModelMetrics
    incumbents: tuple[Incumbent, ...]
    withdrawn: bool | None
    released: Release | None


@dataclass(frozen=True)
class Decision:
    """Whether a candidate may be released.

    Attributes:
        model: version of the candidate.
        reference: version of the reference that it was evaluated against.
        checks: results of all checks.
        origin: of what it was trained on.
        champion: version of the best model so far, if this one is released.
        replaces: the release that it was compared with.
    """

    model: str
    reference: str
    checks: tuple[CheckResult, ...]
    origin: Origin
    champion: str
    replaces: Release | None

    @property
    def passed(self) -> bool:
        """Whether no check failed."""
        return all(result.passed for result in self.checks)

    @property
    def refusal(self) -> str:
        """The failed checks with their reasons, in one line; "" if none failed."""
        return refusal(self.checks)


def gather(store: Store, evaluation: Artifact) -> Evidence:
    """Gather what the decision on an evaluated model depends on.

    Walks its lineage to the photographs, loads the model in a fresh process, and evaluates the models that it
    must not fall behind against the same reference, unless that was done before.

    Args:
        store: with the model, the released models and the reference.
        evaluation: of the candidate.

    Raises:
        LineageError: the model or its reference was made again since it was evaluated, or the program that
            evaluated it was another version.
        PalmError: see `make_evaluation`, for reasons that lie neither in another model nor in its data.
    """
    model, reference = (evaluation.manifest.inputs[role] for role in ("model", "reference"))
    try:
        manifests = store.manifest("models", model), store.manifest("reference", reference)
    except ArtifactError:
        pass  # what is gone or damaged is refused below
    else:
        require_up_to_date(evaluation, *manifests)
    origin, data = origin_of(store.home, model), _data_facts(store, evaluation)
    if origin is None and not isinstance(data, str):
        data = "It is not known whether the model is of photographs or of synthetic hands"
    origin = origin or "photographs"
    released, incumbents = find_incumbents(store, evaluation, origin)
    return Evidence(
        model=model,
        reference=reference,
        origin=origin,
        data=data,
        loading=_load_check(store, model),
        evaluation=evaluation.facts,
        metrics=ModelMetrics.from_json(evaluation.facts["model_metrics"]),
        incumbents=incumbents,
        withdrawn=_is_withdrawn(store, model),
        released=released,
    )


def decide(evidence: Evidence, bounds: GateConfig) -> Decision:
    """Apply all checks of the data and the model to the evidence; reads and writes nothing.

    Bounds that are for synthetic hands alone are not applied to photographs: these have the defaults.
    """
    metrics, bounds = evidence.metrics, bounds.for_origin(evidence.origin)
    return Decision(
        evidence.model,
        evidence.reference,
        (
            *check_data(evidence.data, bounds),
            evidence.loading,
            check_contrast(metrics, bounds),
            check_variety(metrics, bounds),
            check_held_out(evidence.data, bounds),
            check_memorization(evidence.evaluation, metrics, bounds),
            check_distance(metrics, bounds, evidence.evaluation.get("classes", ())),
            check_against_incumbents(metrics, evidence.incumbents, bounds),
            check_withdrawal(evidence.withdrawn),
        ),
        evidence.origin,
        _champion(evidence),
        evidence.released,
    )


def check_artifact(store: Store, artifact: Artifact, bounds: GateConfig) -> CheckResult | None:
    """The check of an artifact of data: photographs, detector or crops; None for other kinds.

    Like those of models, bounds that are for synthetic hands alone are not applied to photographs, nor to a
    detector of photographs.
    """
    bounds = bounds.for_origin(origin_of_data(store.home, artifact.kind, artifact.version))
    match artifact.kind:
        case "photos":
            return check_photos(artifact.facts, bounds)
        case "detector":
            return check_detector(artifact.facts, bounds)
        case "crops":
            return check_crops(artifact.facts, split_people(artifact), bounds)
        case _:
            return None


def record_and_release(store: Store, decision: Decision) -> Release:
    """Record the results of the checks, and release the model if all passed.

    Raises:
        RefusedError: a check failed; the released model stays.
        ReleaseChangedError: another model was released since the evidence was gathered.
        ArtifactMissingError, ArtifactCorruptError: the model or its reference is gone or damaged.
    """
    record_checks(store, decision.model, decision.checks)
    if not decision.passed:
        raise RefusedError(
            f"Model {decision.model} is not released: {decision.refusal}",
            where=store.home / "models" / decision.model,
            hint=f"The page keeps its model. To release this one anyway: `palms release {decision.model}`.",
        )
    return store.release(
        store.open("models", decision.model),
        store.open("reference", decision.reference),
        origin=decision.origin,
        champion=decision.champion,
        replaces=decision.replaces,
    )


def release_if_passed(store: Store, evaluation: Artifact, bounds: GateConfig) -> Release:
    """Gather the evidence, decide and release; again if another model was released meanwhile.

    Raises:
        RefusedError: a check failed; the released model stays.
        ReleaseChangedError: others release all the time.
        PalmError: see `gather` and `record_and_release`.
    """
    for _ in range(MAX_ATTEMPTS - 1):
        try:
            return record_and_release(store, decide(gather(store, evaluation), bounds))
        except ReleaseChangedError:
            continue
    return record_and_release(store, decide(gather(store, evaluation), bounds))


def _data_facts(store: Store, evaluation: Artifact) -> DataFacts | str:
    try:
        found = lineage_of(store, evaluation)
        people, overlap = split_people(found.crops), held_out_overlap(store, found.model, found.crops)
    except (ArtifactError, CheckpointError) as error:
        return error.what
    return DataFacts(found.photos.facts, found.detector.facts, found.crops.facts, people, overlap)


def _load_check(store: Store, model: str) -> CheckResult:
    """The recorded result if it passed, else a new one."""
    record = find_decision(store, model)
    known = None if record is None else record.result(LOAD_CHECK)
    if record is None or known is None or not known.passed:
        return check_loading(store, model)
    # A model that was made again may have other files than those that loaded.
    is_of_these_files = record.checked_at >= store.manifest("models", model).created
    return known if is_of_these_files else check_loading(store, model)


def _champion(evidence: Evidence) -> str:
    """The best model so far, if the candidate is released: the candidate, or the earlier best one."""
    released = evidence.released
    if released is not None and released.model == evidence.model:
        return released.champion
    roles = ("best", "released", "starter")
    best = next((i for role in roles for i in evidence.incumbents if i.role == role), None)
    if best is None or best.metrics is None or is_better(evidence.metrics, best.metrics):
        return evidence.model
    return best.model


def _is_withdrawn(store: Store, model: str) -> bool | None:
    try:
        return is_withdrawn(model, read_history(store.home))
    except (ArtifactCorruptError, OSError):
        return None
