"""What the gate said, kept; what is released, and the way back by hand."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from click.testing import CliRunner, Result

from palm_assets.cli import main
from palm_assets.errors import ArtifactCorruptError, ArtifactMissingError
from palm_assets.release.candidates import candidates
from palm_assets.release.checks import CheckResult
from palm_assets.release.decisions import read, record
from palm_assets.store.artifacts import Artifact, Store
from palm_assets.store.release_pointer import HISTORY, POINTER, read_history, withdrawn_by_hand
from tests.helpers import below

GOOD = CheckResult("not_blank", True, "share of blank palms 0 (at most 0.02)", {"share of blank palms": 0.0})
BAD = CheckResult("not_collapsed", False, "variety, of real palms 0.1 (at least 0.3)")

Publish = Callable[..., Artifact]
Release = Callable[[Artifact], None]


def palms(store: Store, *arguments: str) -> Result:
    return CliRunner().invoke(main, [*arguments, "--home", str(store.home)])


def test_verdicts_are_kept_by_check_and_a_new_one_takes_the_place_of_the_old(store: Store) -> None:
    record(store, "abc", [GOOD, BAD])
    judgement = read(store, "abc")
    assert judgement is not None
    assert not judgement.passed
    assert judgement.refusal == "not_collapsed: variety, of real palms 0.1 (at least 0.3)"
    record(store, "abc", [CheckResult("not_collapsed", True, "better now")])
    judgement = read(store, "abc")
    assert judgement is not None
    assert judgement.passed
    assert set(judgement.verdicts) == {"not_blank", "not_collapsed"}


def test_the_same_verdicts_again_write_nothing(store: Store) -> None:
    record(store, "abc", [GOOD, BAD])
    before = below(store.home)
    record(store, "abc", [GOOD, BAD])
    assert below(store.home) == before


def test_the_record_of_a_released_model_is_that_of_before_its_release(
    store: Store, publish_model: Publish, release: Release
) -> None:
    model = publish_model()
    record(store, model.version, [BAD])
    release(model)
    record(store, model.version, [CheckResult("not_collapsed", True, "it is released")])
    judgement = read(store, model.version)
    assert judgement is not None
    assert judgement.refusal


def test_a_damaged_record_says_what_to_do_and_the_next_one_replaces_it(store: Store) -> None:
    record(store, "abc", [GOOD])
    (store.home / "verdicts" / "abc.json").write_text("{half")
    with pytest.raises(ArtifactCorruptError, match="palm_release"):
        read(store, "abc")
    record(store, "abc", [BAD])
    judgement = read(store, "abc")
    assert judgement is not None
    assert set(judgement.verdicts) == {"not_collapsed"}


def test_every_release_is_in_the_history(store: Store, publish_model: Publish, release: Release) -> None:
    first, second = publish_model(0), publish_model(1)
    for model in (first, second, first):
        release(model)
    history = read_history(store.home)
    assert [entry.model for entry in history] == [first.version, second.version, first.version]
    assert history[-1] == store.released()


def test_a_release_that_died_before_it_wrote_the_history_is_in_it_all_the_same(
    store: Store, publish_model: Publish, release: Release
) -> None:
    first, second = publish_model(0), publish_model(1)
    release(first)
    before = (store.home / HISTORY).read_bytes()
    release(second)
    (store.home / HISTORY).write_bytes(before)  # as if it had been killed between the two files
    assert [entry.model for entry in read_history(store.home)] == [first.version, second.version]
    release(first)
    models = [entry.model for entry in read_history(store.home)]
    assert models == [first.version, second.version, first.version]


def test_a_damaged_history_is_told_and_begun_anew(
    store: Store, publish_model: Publish, release: Release
) -> None:
    first, second = publish_model(0), publish_model(1)
    release(first)
    (store.home / HISTORY).write_text("[")
    with pytest.raises(ArtifactCorruptError):
        read_history(store.home)
    release(second)
    assert [entry.model for entry in read_history(store.home)] == [second.version]


def test_a_model_is_withdrawn_while_another_stands_in_its_place_by_hand(
    store: Store, publish_model: Publish, release: Release
) -> None:
    first, second = publish_model(0), publish_model(1)
    release(first)
    release(second)
    assert not withdrawn_by_hand(first.version, read_history(store.home))  # it was replaced by the gate
    assert palms(store, "release", first.version).exit_code == 0
    assert withdrawn_by_hand(second.version, read_history(store.home))
    assert palms(store, "release", second.version).exit_code == 0
    assert not withdrawn_by_hand(second.version, read_history(store.home))


def test_release_by_hand_says_what_the_gate_had_against_it(
    store: Store, publish_model: Publish, release: Release
) -> None:
    first, second = publish_model(0), publish_model(1)
    release(first)
    record(store, second.version, [BAD])
    result = palms(store, "release", second.version)
    assert result.exit_code == 0, result.output
    assert f"released model {second.version}" in result.output
    assert "the gate had refused it: not_collapsed" in result.output
    now = store.released()
    assert now is not None
    assert (now.model, now.by) == (second.version, "hand")


def test_a_model_that_cannot_be_run_is_not_released_by_hand_either(
    store: Store, publish_model: Publish, release: Release
) -> None:
    first, second = publish_model(0), publish_model(1)
    release(first)
    before = (store.home / POINTER).read_bytes()
    weights = second.folder / "generator.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    result = palms(store, "release", second.version)
    assert result.exit_code == 1
    assert len(result.output.strip().splitlines()) == 1
    assert (store.home / POINTER).read_bytes() == before


def test_an_unknown_version_is_told_in_a_line(store: Store) -> None:
    result = palms(store, "release", "0123456789ab")
    assert result.exit_code == 1
    assert "There is no models 0123456789ab" in result.output
    with pytest.raises(ArtifactMissingError):
        store.open("models", "0123456789ab")


def test_releases_lists_every_model_with_its_state(
    store: Store, publish_model: Publish, release: Release
) -> None:
    old, refused, now, fresh = (publish_model(seed) for seed in range(4))
    release(old)
    record(store, refused.version, [BAD])
    release(now)
    states = {row.model: row.state for row in candidates(store)}
    assert states == {
        old.version: "released before",
        refused.version: "refused",
        now.version: "released",
        fresh.version: "not judged",
    }
    output = palms(store, "releases").output
    assert "not_collapsed: variety, of real palms 0.1 (at least 0.3)" in output
    assert output.index(old.version) < output.index(fresh.version)
    status = palms(store, "status").output
    assert "refused: not_collapsed" in status


def test_releases_of_an_empty_store_say_what_to_run(store: Store) -> None:
    assert "make pipeline" in palms(store, "releases").output
