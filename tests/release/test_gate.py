"""The gate's straight line: gather the evidence, decide without reading anything, record and release."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from palm_assets.crops.splits import PeopleSplit
from palm_assets.errors import RefusedError, ReleaseChangedError
from palm_assets.gan.people_record import NO_OVERLAP, NOBODY, HeldOutOverlap, population_of
from palm_assets.release import gate
from palm_assets.release.checks import (
    CROPS_CHECK,
    DETECTOR_CHECK,
    LOAD_CHECK,
    MODEL_CHECKS,
    PHOTOS_CHECK,
    CheckResult,
    DataFacts,
    Incumbent,
)
from palm_assets.release.config import GateConfig
from palm_assets.release.decisions import read_decision
from palm_assets.release.gate import (
    Decision,
    Evidence,
    check_artifact,
    decide,
    gather,
    record_and_release,
    release_if_passed,
)
from palm_assets.store.artifacts import Artifact, Store
from tests.helpers import below
from tests.release.lineage import (
    CROPS,
    DETECTOR,
    FACTS,
    METRICS,
    PHOTOS,
    Data,
    publish_candidate,
    publish_data,
    publish_evaluation,
)

Publish = Callable[..., Artifact]

BOUNDS = GateConfig()
LOADS = CheckResult(LOAD_CHECK, True, "it loads")
PEOPLE = PeopleSplit(frozenset("ab"), frozenset("cd"), frozenset("ef"))
EVIDENCE = Evidence(
    model="abc",
    reference="def",
    origin="photographs",
    data=DataFacts(PHOTOS, DETECTOR, CROPS, PEOPLE, NO_OVERLAP),
    loading=LOADS,
    evaluation=FACTS,
    metrics=METRICS,
    incumbents=(Incumbent("released", "old", replace(METRICS, frechet=(310.0, 312.0, 308.0, 310.0))),),
    withdrawn=False,
    released=None,
)
HELD_OUT_CHECK = "not_trained_on_held_out"
DATA_CHECKS = {PHOTOS_CHECK, DETECTOR_CHECK, CROPS_CHECK, HELD_OUT_CHECK}


def failed(decision: Decision) -> set[str]:
    return {result.name for result in decision.checks if not result.passed}


@pytest.fixture
def data(store: Store, monkeypatch: pytest.MonkeyPatch) -> Data:
    """A lineage of photographs; every model loads."""
    monkeypatch.setattr(gate, "check_loading", lambda store, model: LOADS)
    return publish_data(store)


def test_a_decision_has_a_result_of_all_eleven_checks() -> None:
    decision = decide(EVIDENCE, BOUNDS)
    names = [result.name for result in decision.checks]
    assert names == [PHOTOS_CHECK, DETECTOR_CHECK, CROPS_CHECK, LOAD_CHECK, *MODEL_CHECKS]
    assert len(names) == 11
    assert decision.passed
    assert decision.refusal == ""


@pytest.mark.parametrize(
    ("changes", "check"),
    [
        ({"data": replace(EVIDENCE.data, photos=PHOTOS | {"photos": 99})}, PHOTOS_CHECK),
        ({"data": replace(EVIDENCE.data, detector={"ap50": 0.79})}, DETECTOR_CHECK),
        ({"data": replace(EVIDENCE.data, crops=CROPS | {"share_with_palm": 0.5})}, CROPS_CHECK),
        ({"data": replace(EVIDENCE.data, overlap=HeldOutOverlap(1, unknown=False))}, HELD_OUT_CHECK),
        ({"loading": CheckResult(LOAD_CHECK, False, "NaN")}, LOAD_CHECK),
        ({"metrics": replace(METRICS, blank_share=0.5)}, "not_blank"),
        ({"metrics": replace(METRICS, variance_ratio=0.1)}, "not_collapsed"),
        ({"metrics": replace(METRICS, coverage_ratio=0.01)}, "not_collapsed"),
        ({"metrics": replace(METRICS, repeat_share=0.6)}, "not_collapsed"),
        ({"evaluation": {"auth_pct": 10.0, "floor": {"auth_pct": 72.0}}}, "not_memorized"),
        ({"metrics": replace(METRICS, copy_share=0.9)}, "not_memorized"),
        ({"metrics": replace(METRICS, frechet_collapsed=50.0)}, "resembles_palms"),
        ({"metrics": replace(METRICS, kid_collapsed=0.1)}, "resembles_palms"),
        ({"metrics": replace(METRICS, density_ratio=0.01)}, "resembles_palms"),
        ({"metrics": replace(METRICS, n=99)}, "resembles_palms"),
        (
            {"incumbents": (Incumbent("best", "old", replace(METRICS, kid=(0.1, 0.1, 0.1, 0.11))),)},
            "not_worse_than_released",
        ),
        ({"incumbents": (Incumbent("best", "old", None, "it is gone"),)}, "not_worse_than_released"),
        ({"withdrawn": True}, "not_withdrawn"),
        ({"withdrawn": None}, "not_withdrawn"),
    ],
)
def test_each_check_alone_refuses(changes: dict[str, Any], check: str) -> None:
    decision = decide(replace(EVIDENCE, **changes), BOUNDS)
    assert failed(decision) == {check}
    assert not decision.passed
    assert decision.refusal.startswith(f"{check}: ")


@pytest.mark.parametrize(("origin", "passed"), [("synthetic", True), ("photographs", False)])
def test_bounds_for_synthetic_hands_do_not_release_a_model_of_photographs(origin: Any, passed: bool) -> None:
    """The sample has no check of copies, and somebody may change its source in the launchpad."""
    loose = GateConfig(applies_to="synthetic", max_copies=1)
    copies = replace(EVIDENCE, metrics=replace(METRICS, copy_share=0.9), origin=origin)
    assert decide(copies, loose).passed is passed


@pytest.mark.parametrize(("source", "passed"), [("synthetic", True), ("folder", False)])
def test_data_is_checked_by_the_bounds_for_its_origin(store: Store, source: Any, passed: bool) -> None:
    data = publish_data(store, source, photos=30, ap50=0.5, share_with_palm=0.5)
    loose = GateConfig(applies_to="synthetic", min_photos=30, min_ap50=0.5, min_share_with_palm=0.5)
    for artifact in (data.photos, data.detector, data.crops):
        result = check_artifact(store, artifact, loose)
        assert result is not None
        assert result.passed is passed, result.reason
        for_all = check_artifact(store, artifact, loose.model_copy(update={"applies_to": "all"}))
        assert for_all is not None
        assert for_all.passed
    assert check_artifact(store, data.reference, loose) is None


def test_bounds_for_one_origin_are_not_applied_to_an_unknown_one() -> None:
    loose = GateConfig(applies_to="synthetic", min_photos=1)
    assert loose.for_origin("synthetic") is loose
    assert loose.for_origin("photographs") == loose.for_origin(None) == GateConfig()
    for_all = GateConfig(min_photos=1)
    assert for_all.for_origin(None) is for_all


def test_unknown_data_fails_all_checks_of_the_data() -> None:
    decision = decide(replace(EVIDENCE, data="The crops are gone"), BOUNDS)
    assert failed(decision) == DATA_CHECKS
    assert "The crops are gone" in decision.refusal


def test_two_sets_of_two_samples_are_no_measurement() -> None:
    few = replace(METRICS, n=2, frechet=(300.0, 300.0), kid=(0.3, 0.3))
    decision = decide(replace(EVIDENCE, metrics=few, incumbents=()), BOUNDS)
    assert failed(decision) == {"resembles_palms"}
    assert "samples in each set 2 (at least 100); sets 2 (at least 4)" in decision.refusal


def test_the_evidence_on_a_first_model(store: Store, data: Data) -> None:
    model = publish_candidate(store, data)
    evidence = gather(store, publish_evaluation(store, model, data.reference))
    assert (evidence.model, evidence.reference) == (model.version, data.reference.version)
    assert evidence.loading == LOADS
    assert evidence.metrics.frechet == (300.0, 301.0, 299.0, 300.0)
    assert evidence.origin == "photographs"
    assert evidence.incumbents == ()
    assert evidence.withdrawn is False
    assert evidence.released is None
    assert isinstance(evidence.data, DataFacts)
    assert evidence.data.photos["photos"] == 900
    assert decide(evidence, BOUNDS).passed


@pytest.mark.parametrize("kind", ["photos", "boxes", "detector", "crops", "reference"])
def test_a_model_whose_lineage_is_incomplete_is_refused(store: Store, data: Data, kind: str) -> None:
    """It used to pass: what is missing was not asked for, or "could not be compared"."""
    model = publish_candidate(store, data)
    evaluation = publish_evaluation(store, model, data.reference)
    shutil.rmtree(store.home / kind)
    with pytest.raises(RefusedError, match="is gone"):
        release_if_passed(store, evaluation, BOUNDS)
    assert store.released() is None


@pytest.mark.parametrize(
    ("facts", "check"),
    [({"photos": 3}, PHOTOS_CHECK), ({"ap50": 0.1}, DETECTOR_CHECK), ({"share_with_palm": 0.1}, CROPS_CHECK)],
)
def test_a_model_of_data_that_failed_its_check_is_refused(
    store: Store, data: Data, facts: dict[str, Any], check: str
) -> None:
    bad = publish_data(store, **facts)
    evaluation = publish_evaluation(store, publish_candidate(store, bad), bad.reference)
    with pytest.raises(RefusedError, match=check):
        release_if_passed(store, evaluation, BOUNDS)
    assert store.released() is None


@pytest.mark.parametrize(("trained_on", "known"), [("abc", 0), ("abcd", 1), ("abcfg", 2)])
def test_a_model_that_was_trained_on_held_out_people_is_refused(
    store: Store, data: Data, trained_on: str, known: int
) -> None:
    """People d and e choose its checkpoint, f and g measure it. By its record, whatever its facts say."""
    record = NOBODY.including(trained_on, population_of(data.crops.facts))
    model = publish_candidate(store, data, record=record)
    evaluation = publish_evaluation(store, model, data.reference)
    if known:
        with pytest.raises(RefusedError, match=f"held-out people who were trained on {known} \\(at most 0"):
            release_if_passed(store, evaluation, BOUNDS)
        assert store.released() is None
    allowed = GateConfig(allow_leak=bool(known))
    assert release_if_passed(store, evaluation, allowed).model == model.version


def test_a_model_without_a_record_of_its_people_passes(store: Store, data: Data) -> None:
    model = publish_candidate(store, data)
    evidence = gather(store, publish_evaluation(store, model, data.reference))
    assert isinstance(evidence.data, DataFacts)
    assert evidence.data.overlap == HeldOutOverlap(0, unknown=True)
    assert decide(evidence, BOUNDS).passed


def test_a_released_model_that_cannot_be_evaluated_refuses_its_successor_until_a_person_decides(
    store: Store, data: Data
) -> None:
    old, new = (publish_candidate(store, data, seed) for seed in range(2))
    before = store.release(old, data.reference)
    shutil.rmtree(old.folder)
    evaluation = publish_evaluation(store, new, data.reference)
    incumbents = gather(store, evaluation).incumbents
    assert [(i.role, i.model, i.metrics) for i in incumbents] == [("released", old.version, None)]
    assert incumbents[0].problem == f"There is no models {old.version}"
    with pytest.raises(RefusedError, match="cannot be measured"):
        release_if_passed(store, evaluation, BOUNDS)
    assert store.released() == before
    release = store.release(new, data.reference, by="hand")
    assert release.champion == new.version


def test_an_unreadable_pointer_refuses(store: Store, data: Data) -> None:
    (store.home / "released.json").write_text("{half")
    evaluation = publish_evaluation(store, publish_candidate(store, data), data.reference)
    with pytest.raises(RefusedError, match="The release pointer is not readable"):
        release_if_passed(store, evaluation, BOUNDS)


def test_a_passed_load_check_is_not_repeated_and_a_failed_one_is(
    store: Store, data: Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    results = [CheckResult(LOAD_CHECK, False, "out of memory"), LOADS]
    calls = iter(results)
    monkeypatch.setattr(gate, "check_loading", lambda store, model: next(calls))
    evaluation = publish_evaluation(store, publish_candidate(store, data), data.reference)
    with pytest.raises(RefusedError, match="out of memory"):
        release_if_passed(store, evaluation, BOUNDS)
    for _ in range(2):  # the third call would raise StopIteration
        release_if_passed(store, evaluation, BOUNDS)


def decision_on(model: Artifact, data: Data, *results: CheckResult) -> Decision:
    return Decision(model.version, data.reference.version, results, "photographs", model.version, None)


def test_a_refused_model_is_recorded_and_the_released_one_stays(store: Store, data: Data) -> None:
    old, new = (publish_candidate(store, data, seed) for seed in range(2))
    before = store.release(old, data.reference)
    results = (CheckResult("not_blank", True, "fine"), CheckResult("not_collapsed", False, "variance 0.1"))
    with pytest.raises(RefusedError, match=r"not_collapsed: variance 0\.1"):
        record_and_release(store, decision_on(new, data, *results))
    assert store.released() == before
    record = read_decision(store, new.version)
    assert record is not None
    assert record.checks == results


def test_a_passed_model_is_recorded_and_released(store: Store, data: Data) -> None:
    model = publish_candidate(store, data)
    evaluation = publish_evaluation(store, model, data.reference)
    release = release_if_passed(store, evaluation, BOUNDS)
    assert (release.model, release.reference, release.by) == (model.version, data.reference.version, "gate")
    assert store.released() == release
    record = read_decision(store, model.version)
    assert record is not None
    assert record.passed
    assert len(record.checks) == 11
    before = below(store.home)
    assert release_if_passed(store, evaluation, BOUNDS) == release
    assert below(store.home) == before


def test_a_decision_made_against_an_earlier_release_does_not_release(store: Store, data: Data) -> None:
    first, second = (publish_candidate(store, data, seed) for seed in range(2))
    decision = decision_on(second, data, CheckResult("not_blank", True, "fine"))  # nothing was released then
    now = store.release(first, data.reference)
    with pytest.raises(ReleaseChangedError):
        record_and_release(store, decision)
    assert store.released() == now


def test_a_model_checked_while_a_better_one_is_released_does_not_replace_it(
    store: Store, data: Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R is released, G is clearly better, M is a bit better than R. G is released while M is checked."""
    models = dict(zip("RGM", (publish_candidate(store, data, seed) for seed in range(3)), strict=True))
    distances = {"R": 300.0, "G": 100.0, "M": 280.0}
    evaluations = {
        name: publish_evaluation(store, model, data.reference, distances[name])
        for name, model in models.items()
    }
    store.release(models["R"], data.reference)
    record = gate.record_checks

    def meanwhile(store: Store, model: str, results: Any) -> None:
        monkeypatch.setattr(gate, "record_checks", record)
        assert release_if_passed(store, evaluations["G"], BOUNDS).model == models["G"].version
        record(store, model, results)

    monkeypatch.setattr(gate, "record_checks", meanwhile)
    with pytest.raises(RefusedError, match="not_worse_than_released"):
        release_if_passed(store, evaluations["M"], BOUNDS)
    released = store.released()
    assert released is not None
    assert released.model == models["G"].version
