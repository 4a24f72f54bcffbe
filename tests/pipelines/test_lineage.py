"""A run works with one set of artifacts, whatever other runs make meanwhile; what does not fit is refused."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from palm_assets.crops.config import CropConfig
from palm_assets.errors import ArtifactMissingError, LineageError
from palm_assets.release.run_config import CONFIGS
from palm_assets.store.artifacts import Artifact, Store
from pipelines import assets
from pipelines.run_inputs import KIND_OF_ASSET, RunInputs
from tests.pipelines.conftest import Graph, failures

ONE_RUN = ("cropped_palms", "fid_reference", "palm_evaluation", "palm_release")


@dg.job
def some_run() -> None:
    """Only its runs are needed, which hold tags."""


@pytest.fixture(scope="module")
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as found:
        yield found


def crops(store: Store, seed: int) -> Artifact:
    return store.make("crops", lambda folder: {}, inputs={}, config=CropConfig(seed=seed), code_version="1")


def inputs_of_run(
    store: Store, instance: dg.DagsterInstance, tags: dict[str, str] | None = None
) -> RunInputs:
    return RunInputs(store, instance, instance.create_run_for_job(some_run, tags=tags).run_id)


def test_a_run_keeps_to_what_it_found_first(store: Store, instance: dg.DagsterInstance) -> None:
    store.set_current("cropped_palms", crops(store, 1))
    run = inputs_of_run(store, instance)
    assert run.resolve("cropped_palms").version == crops(store, 1).version
    store.set_current("cropped_palms", crops(store, 2))
    assert run.resolve("cropped_palms").version == crops(store, 1).version
    assert inputs_of_run(store, instance).resolve("cropped_palms").version == crops(store, 2).version


def test_a_run_works_with_what_it_made_though_another_run_made_something_later(
    store: Store, instance: dg.DagsterInstance
) -> None:
    one, other = inputs_of_run(store, instance), inputs_of_run(store, instance)
    one.hand_over("cropped_palms", crops(store, 1))
    other.hand_over("cropped_palms", crops(store, 2))
    assert one.resolve("cropped_palms").version == crops(store, 1).version
    assert store.current("cropped_palms").version == crops(store, 2).version


def test_a_retry_of_a_run_has_its_inputs(store: Store, instance: dg.DagsterInstance) -> None:
    first = inputs_of_run(store, instance)
    first.hand_over("cropped_palms", crops(store, 1))
    store.set_current("cropped_palms", crops(store, 2))
    failed = instance.get_run_by_id(first.run_id)
    assert failed is not None
    assert failed.tags["dagster/palms/cropped_palms"] == f"crops/{crops(store, 1).version}"
    retry = inputs_of_run(store, instance, dict(failed.tags))
    assert retry.resolve("cropped_palms").version == crops(store, 1).version


def test_a_run_whose_artifact_is_gone_takes_no_other(store: Store, instance: dg.DagsterInstance) -> None:
    run = inputs_of_run(store, instance)
    run.hand_over("cropped_palms", crops(store, 1))
    store.set_current("cropped_palms", crops(store, 2))
    shutil.rmtree(crops(store, 1).folder)
    with pytest.raises(ArtifactMissingError):
        run.resolve("cropped_palms")


def test_a_retry_of_a_run_with_tags_of_the_earlier_name_has_its_inputs(
    store: Store, instance: dg.DagsterInstance
) -> None:
    store.set_current("cropped_palms", crops(store, 2))
    retry = inputs_of_run(store, instance, {"palms/cropped_palms": f"crops/{crops(store, 1).version}"})
    assert retry.resolve("cropped_palms").version == crops(store, 1).version
    retry.hand_over("cropped_palms", crops(store, 3))
    assert retry.resolve("cropped_palms").version == crops(store, 3).version


@pytest.mark.parametrize("prefix", ["dagster/palms/", "palms/"])
@pytest.mark.parametrize("tag", ["", "crops", "surprise/abc", "../secrets/1", "models/1"])
def test_a_tag_that_names_no_artifact_is_refused(
    store: Store, instance: dg.DagsterInstance, tag: str, prefix: str
) -> None:
    run = inputs_of_run(store, instance, {f"{prefix}cropped_palms": tag})
    with pytest.raises((LineageError, ArtifactMissingError)):
        run.resolve("cropped_palms")


def test_a_pointer_to_another_kind_of_artifact_is_refused(store: Store, instance: dg.DagsterInstance) -> None:
    store.set_current("cropped_palms", crops(store, 1))
    (store.home / "current" / "fid_reference.json").write_bytes(
        (store.home / "current" / "cropped_palms.json").read_bytes()
    )
    with pytest.raises(LineageError, match="pointer of fid_reference names crops"):
        inputs_of_run(store, instance).resolve("fid_reference")


def test_every_asset_with_an_artifact_has_a_kind() -> None:
    assert list(KIND_OF_ASSET) == list(CONFIGS)


def test_a_tag_that_another_process_overwrites_is_written_again(
    store: Store, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, add, lost = inputs_of_run(store, instance), instance.add_run_tags, [True, True]

    def add_and_lose(run_id: str, tags: dict[str, str]) -> None:
        if lost:
            lost.pop()
        else:
            add(run_id, tags)

    monkeypatch.setattr(instance, "add_run_tags", add_and_lose)
    run.hand_over("cropped_palms", crops(store, 1))
    assert not lost
    assert run.resolve("cropped_palms").version == crops(store, 1).version


@pytest.fixture
def graph(made: Graph, tmp_path: Path) -> Iterator[Graph]:
    """A graph of its own, with all artifacts and a release."""
    shutil.copytree(made.home, tmp_path / "home")
    with dg.DagsterInstance.ephemeral() as own:
        yield Graph(tmp_path / "home", own)


def history(graph: Graph) -> bytes:
    return (graph.home / "releases.json").read_bytes()


def test_one_run_cannot_release_a_model_against_a_reference_of_other_crops(graph: Graph) -> None:
    """The people held out by the new crops were trained on by the model, which this run does not make."""
    before = history(graph)
    result = graph.materialize(*ONE_RUN, cropped_palms={"seed": 1})
    assert not result.success
    assert "of crops" in failures(result)[0]
    assert history(graph) == before


def test_a_run_in_whose_training_another_run_takes_place_releases_its_own_reference(
    graph: Graph, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two presets at once: the other one crops differently, and ends while the first one trains."""
    make_model, others = assets.make_model, []

    def make_while_another_run_takes_place(*args: Any, **options: Any) -> Artifact:
        if not others:
            others.append("started")
            result = graph.materialize(cropped_palms={"margin": 0.5}, dcgan_checkpoint={"seed": 5})
            assert result.success, failures(result)
        return make_model(*args, **options)

    monkeypatch.setattr(assets, "make_model", make_while_another_run_takes_place)
    result = graph.materialize(dcgan_checkpoint={"seed": 6})
    assert others
    assert result.success, failures(result)
    release = graph.store.released("synthetic")
    assert release is not None or history(graph)
    made_here = {
        event.asset_key.to_user_string(): event.materialization.metadata["version"].value
        for event in result.get_asset_materialization_events()
        if event.asset_key is not None and "version" in event.materialization.metadata
    }
    store = graph.store
    assert (
        store.manifest("models", str(made_here["dcgan_checkpoint"])).inputs["crops"]
        == (made_here["cropped_palms"])
    )
    assert (
        store.manifest("reference", str(made_here["fid_reference"])).inputs["crops"]
        == (made_here["cropped_palms"])
    )
    inputs = store.manifest("evaluations", str(made_here["palm_evaluation"])).inputs
    assert (inputs["model"], inputs["reference"]) == (
        made_here["dcgan_checkpoint"],
        made_here["fid_reference"],
    )
