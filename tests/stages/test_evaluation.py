"""The evaluations that a store holds."""

from __future__ import annotations

from collections.abc import Callable

from palm_assets.evaluation.config import EvaluationConfig
from palm_assets.stages.evaluation import evaluation_manifests, newest_evaluation
from palm_assets.store.artifacts import Artifact, Store

Publish = Callable[..., Artifact]


def evaluate(store: Store, model: str, reference: str) -> Artifact:
    """Publish an empty evaluation."""
    inputs = {"model": model, "reference": reference}

    def build(folder: object) -> dict[str, object]:
        return {}

    return store.make("evaluations", build, inputs=inputs, config=EvaluationConfig(), code_version="1")


def test_the_newest_evaluation_of_a_model(store: Store) -> None:
    evaluations = [evaluate(store, model, reference) for reference in ("r", "s") for model in ("a", "b")]
    assert [m.version for m in evaluation_manifests(store)] == [e.version for e in reversed(evaluations)]
    newest = newest_evaluation(store, "a")
    assert newest is not None
    assert newest.version == evaluations[2].version
    assert newest_evaluation(store, "c") is None


def test_a_damaged_evaluation_is_passed_over_for_an_older_one(store: Store) -> None:
    older, newer = evaluate(store, "a", "r"), evaluate(store, "a", "s")
    manifest = newer.folder / "manifest.json"
    manifest.write_text(
        manifest.read_text().replace('"files": {}', '"files": {"x": {"bytes": 1, "sha256": ""}}')
    )
    found = newest_evaluation(store, "a")
    assert found is not None
    assert found.version == older.version
    manifest.write_text("{")
    found = newest_evaluation(store, "a")
    assert found is not None
    assert found.version == older.version
