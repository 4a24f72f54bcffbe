"""The release gate, a straight line: gather the evidence on a candidate, decide, record and release.

evidence = gather(store, evaluation)
decision = decide(evidence, bounds)
release = record_and_release(store, decision)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from palm_assets.errors import (
    ArtifactCorruptError,
    ArtifactMissingError,
    CheckpointError,
    PalmError,
    RefusedError,
)
from palm_assets.evaluation.config import EvaluationConfig
from palm_assets.evaluation.model_metrics import ModelMetrics
from palm_assets.release.checks import (
    LOAD_CHECK,
    CheckResult,
    Incumbent,
    check_against_incumbent,
    check_contrast,
    check_distance,
    check_memorization,
    check_variety,
    check_withdrawal,
    refusal,
)
from palm_assets.release.config import GateConfig
from palm_assets.release.decisions import find_decision, record_checks
from palm_assets.release.load_check import check_loading
from palm_assets.stages.evaluation import make_evaluation
from palm_assets.store.artifacts import Artifact, Store
from palm_assets.store.releases import Release, is_withdrawn, read_history


@dataclass(frozen=True)
class Evidence:
    """Everything that a decision on one candidate depends on, beside the bounds.

    Attributes:
        model: version of the candidate.
        reference: version of the reference that it was evaluated against.
        loading: result of the load check.
        evaluation: facts of its evaluation.
        metrics: its metrics over several sets of samples.
        incumbent: the released model; None if none is released, or if the candidate itself is.
        withdrawn: whether a person released another model in its place by hand; None if that is not known.
    """

    model: str
    reference: str
    loading: CheckResult
    evaluation: Mapping[str, Any]
    metrics: ModelMetrics
    incumbent: Incumbent | None
    withdrawn: bool | None


@dataclass(frozen=True)
class Decision:
    """Whether a candidate may be released.

    Attributes:
        model: version of the candidate.
        reference: version of the reference that it was evaluated against.
        checks: results of all checks.
    """

    model: str
    reference: str
    checks: tuple[CheckResult, ...]

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

    Loads the model in a fresh process, and evaluates the released model against the same reference, unless
    either was done before.

    Args:
        store: with the model, the released model and the reference.
        evaluation: of the candidate.

    Raises:
        PalmError: see `make_evaluation`, for reasons that lie neither in the released model nor in its data.
    """
    model = evaluation.manifest.inputs["model"]
    return Evidence(
        model=model,
        reference=evaluation.manifest.inputs["reference"],
        loading=_load_check(store, model),
        evaluation=evaluation.facts,
        metrics=_metrics(evaluation),
        incumbent=_incumbent(store, evaluation),
        withdrawn=_is_withdrawn(store, model),
    )


def decide(evidence: Evidence, bounds: GateConfig) -> Decision:
    """Apply all checks of a model to the evidence; reads and writes nothing."""
    metrics = evidence.metrics
    return Decision(
        evidence.model,
        evidence.reference,
        (
            evidence.loading,
            check_contrast(metrics, bounds),
            check_variety(metrics, bounds),
            check_memorization(evidence.evaluation, bounds),
            check_distance(metrics, bounds),
            check_against_incumbent(metrics, evidence.incumbent, bounds),
            check_withdrawal(evidence.withdrawn),
        ),
    )


def record_and_release(store: Store, decision: Decision) -> Release:
    """Record the results of the checks, and release the model if all passed.

    Raises:
        RefusedError: a check failed; the released model stays.
        ArtifactMissingError, ArtifactCorruptError: the model or its reference is gone or damaged.
    """
    record_checks(store, decision.model, decision.checks)
    if not decision.passed:
        raise RefusedError(
            f"Model {decision.model} is not released: {decision.refusal}",
            where=store.home / "models" / decision.model,
            hint=f"The released model stays. To release this one anyway: `palms release {decision.model}`.",
        )
    return store.release(store.open("models", decision.model), store.open("reference", decision.reference))


def _load_check(store: Store, model: str) -> CheckResult:
    """The recorded result if it passed, else a new one."""
    record = find_decision(store, model)
    known = None if record is None else record.result(LOAD_CHECK)
    return known if known is not None and known.passed else check_loading(store, model)


def _metrics(evaluation: Artifact) -> ModelMetrics:
    return ModelMetrics.from_json(evaluation.facts["model_metrics"])


def _incumbent(store: Store, evaluation: Artifact) -> Incumbent | None:
    """The released model, evaluated like the candidate."""
    try:
        release = store.released()
    except ArtifactCorruptError as error:
        return Incumbent("", None, error.what)
    if release is None or release.model == evaluation.manifest.inputs["model"]:
        return None
    try:
        reference = store.open("reference", evaluation.manifest.inputs["reference"])
        crops = store.open("crops", reference.manifest.inputs["crops"])
        model = store.open("models", release.model)
        config = EvaluationConfig(**evaluation.manifest.config)
        measured = make_evaluation(store, model, reference, crops, config, of_other_crops=True)
        return Incumbent(release.model, _metrics(measured))
    except (ArtifactMissingError, ArtifactCorruptError, CheckpointError) as error:
        return Incumbent(release.model, None, error.what)


def _is_withdrawn(store: Store, model: str) -> bool | None:
    try:
        return is_withdrawn(model, read_history(store.home))
    except PalmError:
        return None
