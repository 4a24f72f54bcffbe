"""The gate's straight line: gather the evidence, decide without reading anything, record and release."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from palm_assets.errors import RefusedError
from palm_assets.evaluation.config import EvaluationConfig
from palm_assets.evaluation.model_metrics import ModelMetrics
from palm_assets.release import gate
from palm_assets.release.checks import LOAD_CHECK, MODEL_CHECKS, CheckResult, Incumbent
from palm_assets.release.config import GateConfig
from palm_assets.release.decisions import read_decision
from palm_assets.release.gate import Decision, Evidence, decide, gather, record_and_release
from palm_assets.store.artifacts import Artifact, Store
from tests.helpers import below
from tests.models import SMALL

Publish = Callable[..., Artifact]

METRICS = ModelMetrics(
    n=100,
    frechet=(300.0, 304.0, 296.0, 300.0),
    kid=(0.30, 0.31, 0.29, 0.30),
    frechet_collapsed=330.0,
    variance_ratio=0.8,
    nearest_neighbor_ratio=0.9,
    contrast_ratio=1.0,
    blank_share=0.0,
)
FACTS: dict[str, Any] = {"auth_pct": 70.0, "floor": {"auth_pct": 72.0}}
EVIDENCE = Evidence(
    model="abc",
    reference="def",
    loading=CheckResult(LOAD_CHECK, True, "it loads"),
    evaluation=FACTS,
    metrics=METRICS,
    incumbent=Incumbent("old", replace(METRICS, frechet=(310.0, 312.0, 308.0, 310.0))),
    withdrawn=False,
)


def failed(decision: Decision) -> set[str]:
    return {result.name for result in decision.checks if not result.passed}


def test_a_decision_has_a_result_of_every_check() -> None:
    decision = decide(EVIDENCE, GateConfig())
    assert [result.name for result in decision.checks] == [LOAD_CHECK, *MODEL_CHECKS]
    assert decision.passed
    assert decision.refusal == ""
    assert (decision.model, decision.reference) == ("abc", "def")


@pytest.mark.parametrize(
    ("changes", "check"),
    [
        ({"loading": CheckResult(LOAD_CHECK, False, "weights are not finite")}, LOAD_CHECK),
        ({"metrics": replace(METRICS, blank_share=0.5)}, "not_blank"),
        ({"metrics": replace(METRICS, variance_ratio=0.1)}, "not_collapsed"),
        ({"evaluation": {**FACTS, "auth_pct": 10.0}}, "not_memorized"),
        (
            {"metrics": replace(METRICS, frechet=(2000.0, 2000.0)), "incumbent": None},
            "resembles_palms",
        ),
        (
            {"incumbent": Incumbent("old", replace(METRICS, kid=(0.1, 0.1, 0.1, 0.11)))},
            "not_worse_than_released",
        ),
        ({"withdrawn": True}, "not_withdrawn"),
    ],
)
def test_each_check_alone_refuses(changes: dict[str, Any], check: str) -> None:
    decision = decide(replace(EVIDENCE, **changes), GateConfig())
    assert failed(decision) == {check}
    assert not decision.passed
    assert decision.refusal.startswith(f"{check}: ")


@pytest.fixture
def reference(store: Store) -> Artifact:
    return store.make("reference", lambda folder: {}, inputs={"crops": "-"}, config=SMALL, code_version="1")


def evaluate(store: Store, model: Artifact, reference: Artifact) -> Artifact:
    """Publish an evaluation with good metrics."""
    facts = {**FACTS, "model_metrics": json.loads(json.dumps(METRICS.to_json()))}
    inputs = {"model": model.version, "reference": reference.version}
    return store.make(
        "evaluations", lambda folder: facts, inputs=inputs, config=EvaluationConfig(), code_version="1"
    )


def test_the_evidence_on_a_first_model(
    store: Store, publish_model: Publish, reference: Artifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    loading = CheckResult(LOAD_CHECK, True, "it loads")
    monkeypatch.setattr(gate, "check_loading", lambda store, model: loading)
    model = publish_model(0)
    evidence = gather(store, evaluate(store, model, reference))
    assert (evidence.model, evidence.reference) == (model.version, reference.version)
    assert evidence.loading == loading
    assert evidence.metrics == METRICS
    assert evidence.incumbent is None
    assert evidence.withdrawn is False


def test_an_incumbent_that_cannot_be_evaluated_is_part_of_the_evidence(
    store: Store, publish_model: Publish, reference: Artifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gate, "check_loading", lambda store, model: EVIDENCE.loading)
    old, new = publish_model(0), publish_model(1)
    store.release(old, reference)
    incumbent = gather(store, evaluate(store, new, reference)).incumbent
    assert incumbent is not None
    assert (incumbent.model, incumbent.metrics) == (old.version, None)
    assert incumbent.problem == "There is no crops -"


def test_a_passed_load_check_is_not_repeated_and_a_failed_one_is(
    store: Store, publish_model: Publish, reference: Artifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    results = [CheckResult(LOAD_CHECK, False, "out of memory"), CheckResult(LOAD_CHECK, True, "it loads")]
    calls = iter(results)
    monkeypatch.setattr(gate, "check_loading", lambda store, model: next(calls))
    evaluation = evaluate(store, publish_model(0), reference)
    with pytest.raises(RefusedError, match="out of memory"):
        record_and_release(store, decide(gather(store, evaluation), GateConfig()))
    for _ in range(2):  # the third call would raise StopIteration
        record_and_release(store, decide(gather(store, evaluation), GateConfig()))


def test_a_refused_model_is_recorded_and_the_released_one_stays(
    store: Store, publish_model: Publish, reference: Artifact
) -> None:
    old, new = publish_model(0), publish_model(1)
    before = store.release(old, reference)
    results = (CheckResult("not_blank", True, "fine"), CheckResult("not_collapsed", False, "variance 0.1"))
    with pytest.raises(RefusedError, match=r"not_collapsed: variance 0\.1"):
        record_and_release(store, Decision(new.version, reference.version, results))
    assert store.released() == before
    record = read_decision(store, new.version)
    assert record is not None
    assert record.checks == results


def test_a_passed_model_is_recorded_and_released(
    store: Store, publish_model: Publish, reference: Artifact
) -> None:
    model = publish_model(0)
    decision = Decision(model.version, reference.version, (CheckResult("not_blank", True, "fine"),))
    release = record_and_release(store, decision)
    assert (release.model, release.reference, release.by) == (model.version, reference.version, "gate")
    assert store.released() == release
    record = read_decision(store, model.version)
    assert record is not None
    assert record.passed
    before = below(store.home)
    assert record_and_release(store, decision) == release
    assert below(store.home) == before
