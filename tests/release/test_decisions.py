"""The gate's decisions on disk, the history of releases, and releases by hand."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from click.testing import CliRunner, Result

from palm_assets.cli.main import main
from palm_assets.errors import ArtifactCorruptError, ArtifactMissingError
from palm_assets.release.candidates import candidates
from palm_assets.release.checks import CheckResult
from palm_assets.release.decisions import FOLDER, find_decision, read_decision, record_checks
from palm_assets.store.artifacts import Artifact, Store
from palm_assets.store.releases import HISTORY_FILE, RELEASED_FILE, is_withdrawn, read_history
from tests.helpers import below

GOOD = CheckResult(
    "not_blank", True, "share of blank samples 0 (at most 0.02)", {"share of blank samples": 0.0}
)
BAD = CheckResult("not_collapsed", False, "variance relative to real palms 0.1 (at least 0.3)")

Publish = Callable[..., Artifact]
Release = Callable[[Artifact], None]


def palms(store: Store, *arguments: str) -> Result:
    return CliRunner().invoke(main, [*arguments, "--home", str(store.home)])


def test_a_result_replaces_the_earlier_one_of_the_same_check(store: Store) -> None:
    record_checks(store, "abc", [GOOD, BAD])
    decision = read_decision(store, "abc")
    assert decision is not None
    assert not decision.passed
    assert decision.refusal == "not_collapsed: variance relative to real palms 0.1 (at least 0.3)"
    record_checks(store, "abc", [CheckResult("not_collapsed", True, "better now")])
    decision = read_decision(store, "abc")
    assert decision is not None
    assert decision.passed
    assert {result.name for result in decision.checks} == {"not_blank", "not_collapsed"}


@pytest.mark.parametrize("value", [math.nan, math.inf, -0.5])
def test_a_record_keeps_metrics_that_are_not_finite(store: Store, value: float) -> None:
    record_checks(store, "abc", [CheckResult("not_blank", False, "no number", {"share": value})])
    before = below(store.home)
    decision = find_decision(store, "abc")
    assert decision is not None
    assert decision.result("not_blank") is decision.checks[0]
    np.testing.assert_equal(decision.checks[0].metrics["share"], value)
    record_checks(store, "abc", decision.checks)
    assert below(store.home) == before


def test_recording_the_same_results_again_writes_nothing(store: Store) -> None:
    record_checks(store, "abc", [GOOD, BAD])
    before = below(store.home)
    record_checks(store, "abc", [GOOD, BAD])
    assert below(store.home) == before


def test_the_record_of_a_released_model_does_not_change(
    store: Store, publish_model: Publish, release: Release
) -> None:
    model = publish_model()
    record_checks(store, model.version, [BAD])
    release(model)
    record_checks(store, model.version, [CheckResult("not_collapsed", True, "it passes now")])
    decision = read_decision(store, model.version)
    assert decision is not None
    assert decision.refusal


def test_a_damaged_record_is_refused_and_replaced_by_the_next_one(store: Store) -> None:
    record_checks(store, "abc", [GOOD])
    (store.home / FOLDER / "abc.json").write_text("{half")
    with pytest.raises(ArtifactCorruptError, match="palm_release"):
        read_decision(store, "abc")
    assert find_decision(store, "abc") is None
    record_checks(store, "abc", [BAD])
    decision = read_decision(store, "abc")
    assert decision is not None
    assert decision.checks == (BAD,)


def test_every_release_is_in_the_history(store: Store, publish_model: Publish, release: Release) -> None:
    first, second = publish_model(0), publish_model(1)
    for model in (first, second, first):
        release(model)
    history = read_history(store.home)
    assert [entry.model for entry in history] == [first.version, second.version, first.version]
    assert history[-1] == store.released()


def test_a_release_killed_before_it_wrote_the_history_is_in_it_nevertheless(
    store: Store, publish_model: Publish, release: Release
) -> None:
    first, second = publish_model(0), publish_model(1)
    release(first)
    before = (store.home / HISTORY_FILE).read_bytes()
    release(second)
    (store.home / HISTORY_FILE).write_bytes(before)  # as if it was killed between the two files
    assert [entry.model for entry in read_history(store.home)] == [first.version, second.version]
    release(first)
    models = [entry.model for entry in read_history(store.home)]
    assert models == [first.version, second.version, first.version]


def test_a_damaged_history_is_refused_and_replaced_by_the_next_release(
    store: Store, publish_model: Publish, release: Release
) -> None:
    first, second = publish_model(0), publish_model(1)
    release(first)
    (store.home / HISTORY_FILE).write_text("[")
    with pytest.raises(ArtifactCorruptError):
        read_history(store.home)
    release(second)
    assert [entry.model for entry in read_history(store.home)] == [second.version]


def test_a_model_is_withdrawn_while_another_is_released_in_its_place_by_hand(
    store: Store, publish_model: Publish, release: Release
) -> None:
    first, second = publish_model(0), publish_model(1)
    release(first)
    release(second)
    assert not is_withdrawn(first.version, read_history(store.home))  # it was replaced by the gate
    assert palms(store, "release", first.version).exit_code == 0
    assert is_withdrawn(second.version, read_history(store.home))
    assert palms(store, "release", second.version).exit_code == 0
    assert not is_withdrawn(second.version, read_history(store.home))


def test_a_release_by_hand_shows_the_refusal_of_the_gate(
    store: Store, publish_model: Publish, release: Release
) -> None:
    first, second = publish_model(0), publish_model(1)
    release(first)
    record_checks(store, second.version, [BAD])
    result = palms(store, "release", second.version)
    assert result.exit_code == 0, result.output
    assert f"released model {second.version} (learned from photographs) by hand" in result.output
    assert "the gate had refused it: not_collapsed" in result.output
    current = store.released()
    assert current is not None
    assert (current.model, current.by) == (second.version, "hand")


def test_a_model_that_cannot_be_run_is_not_released_by_hand_either(
    store: Store, publish_model: Publish, release: Release
) -> None:
    first, second = publish_model(0), publish_model(1)
    release(first)
    before = (store.home / RELEASED_FILE).read_bytes()
    weights = second.folder / "generator.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    result = palms(store, "release", second.version)
    assert result.exit_code == 1
    assert len(result.output.strip().splitlines()) == 1
    assert (store.home / RELEASED_FILE).read_bytes() == before


def test_an_unknown_version_is_reported_in_one_line(store: Store) -> None:
    result = palms(store, "release", "0123456789ab")
    assert result.exit_code == 1
    assert "No model named 0123456789ab" in result.output
    with pytest.raises(ArtifactMissingError):
        store.open("models", "0123456789ab")


def test_releases_lists_every_model_with_its_state(
    store: Store, publish_model: Publish, release: Release
) -> None:
    old, refused, now, fresh = (publish_model(seed) for seed in range(4))
    release(old)
    record_checks(store, refused.version, [BAD])
    release(now)
    states = {row.model: row.state for row in candidates(store)}
    assert states == {
        old.version: "released before",
        refused.version: "refused",
        now.version: "released",
        fresh.version: "not checked",
    }
    output = palms(store, "releases").output
    assert "not_collapsed: variance relative to real palms 0.1 (at least 0.3)" in output
    assert output.index(old.version) < output.index(fresh.version)
    status = palms(store, "status").output
    assert "refused: not_collapsed" in status


def test_releases_of_an_empty_store_suggests_a_command(store: Store) -> None:
    assert "make pipeline" in palms(store, "releases").output
