"""Crafted candidates in the real graph: only a better one is released."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml

from palm_assets.crops.config import CropConfig
from palm_assets.evaluation.model_evaluation import SEED
from palm_assets.gan.config import GanConfig
from palm_assets.gan.sampler import load_model
from palm_assets.release.candidates import candidates, release_by_hand
from palm_assets.release.decisions import read_decision
from palm_assets.store.releases import Release
from tests.pipelines import crafted_models
from tests.pipelines.conftest import Graph, failures
from tests.tiny import LENIENT, TINY

SHAPE = {**TINY["dcgan_checkpoint"], "generator_width": 16, "latent": 32}
EVALUATION = {"count": 48, "sets": 3}
STRICT = LENIENT | {
    "max_blank": 0.02,
    "min_variety": 0.3,
    "min_nearest_other": 0.4,
    "min_authentic": 0.5,
    "max_frechet": 4,
    "min_count": 48,
    "min_sets": 3,
    "standard_errors": 1,
    "max_worse": 0.02,
}
"""As by default, but for what 48 images of 16 px and a few seconds of training cannot meet."""
FROM_CHECKPOINT_ON = ("dcgan_checkpoint", "fid_reference", "palm_evaluation", "palm_release")


def config(seed: int) -> dict[str, Any]:
    """The config of a candidate: each has a seed of its own."""
    return {**SHAPE, "seed": seed}


@pytest.fixture(scope="module")
def prepared(made: Graph, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with a mediocre model as its first release."""
    home = tmp_path_factory.mktemp("gate") / "home"
    shutil.copytree(made.home, home)
    for name in ("released.json", "releases.json"):
        (home / name).unlink()
    with dg.DagsterInstance.ephemeral() as instance:
        graph = Graph(home, instance, dict(STRICT))
        mediocre = crafted_models.train_by_energy_distance(graph.store, GanConfig(**config(1)), 120)
        crafted_models.publish_model(graph.store, GanConfig(**config(1)), mediocre)
        result = candidate(graph, 1)
        assert result.success, failures(result)
    return home


@pytest.fixture
def graph(prepared: Path, tmp_path: Path) -> Iterator[Graph]:
    """A graph of its own for each test, with a strict gate and a mediocre model released."""
    shutil.copytree(prepared, tmp_path / "home")
    with dg.DagsterInstance.ephemeral() as instance:
        yield Graph(tmp_path / "home", instance, dict(STRICT))


@pytest.fixture
def mediocre(graph: Graph) -> crafted_models.Generator:
    return load_model(graph.store.open("models", released(graph).model).folder, "").generator


def released(graph: Graph) -> Release:
    release = graph.store.released("synthetic")
    assert release is not None
    return release


def candidate(graph: Graph, seed: int, **changes: dict[str, Any]) -> dg.ExecuteInProcessResult:
    """Materialize the graph with the candidate of a seed."""
    return graph.materialize(
        *(["cropped_palms"] if "cropped_palms" in changes else []),
        *FROM_CHECKPOINT_ON,
        dcgan_checkpoint=config(seed),
        palm_evaluation=EVALUATION,
        **changes,
    )


def failed_checks(result: dg.ExecuteInProcessResult) -> set[str]:
    return {e.check_name for e in result.get_asset_check_evaluations() if not e.passed}


def materialized(result: dg.ExecuteInProcessResult) -> set[str]:
    return {
        e.asset_key.to_user_string()
        for e in result.get_asset_materialization_events()
        if e.asset_key is not None
    }


def test_the_first_release_is_not_compared_with_another_model(graph: Graph) -> None:
    release = released(graph)
    assert (release.by, release.origin, release.champion) == ("gate", "synthetic", release.model)
    decision = read_decision(graph.store, release.model)
    assert decision is not None
    assert decision.passed
    comparison = decision.result("not_worse_than_released")
    assert comparison is not None
    assert comparison.metrics == {}
    assert {result.name for result in decision.checks} == {
        "photos_are_usable",
        "detector_finds_palms",
        "crops_are_usable",
        "loads_and_generates",
        "not_blank",
        "not_collapsed",
        "not_trained_on_held_out",
        "not_memorized",
        "resembles_palms",
        "not_worse_than_released",
        "not_withdrawn",
    }


def test_a_model_of_synthetic_hands_does_not_take_the_place_of_photographs(graph: Graph) -> None:
    assert graph.store.released("photographs") is None


@pytest.mark.parametrize(
    ("seed", "fault", "check", "reason"),
    [
        (10, crafted_models.with_nan, "loads_and_generates", "finite"),
        (11, crafted_models.collapsed, "not_collapsed", "variance relative to real palms 0"),
        (
            12,
            functools.partial(crafted_models.with_noise, share=0.7),
            "not_worse_than_released",
            "the released model has",
        ),
    ],
    ids=["NaN weight", "collapsed", "slightly worse"],
)
def test_a_candidate_with_a_fault_is_refused_and_the_released_model_stays(
    graph: Graph, mediocre: crafted_models.Generator, seed: int, fault: Any, check: str, reason: str
) -> None:
    before = released(graph)
    published = crafted_models.publish_model(graph.store, GanConfig(**config(seed)), fault(mediocre))
    result = candidate(graph, seed)
    assert not result.success
    assert check in failed_checks(result)
    assert "palm_release" not in materialized(result)
    assert released(graph) == before
    row = next(row for row in candidates(graph.store) if row.model == published.version)
    assert row.state == "refused"
    assert reason in row.refusal
    assert published.folder.is_dir()  # it stays on disk


def test_a_slightly_worse_candidate_fails_no_other_check(
    graph: Graph, mediocre: crafted_models.Generator
) -> None:
    """It is refused by the comparison: as a first release it would have passed."""
    worse = crafted_models.with_noise(mediocre, share=0.7)
    published = crafted_models.publish_model(graph.store, GanConfig(**config(12)), worse)
    assert failed_checks(candidate(graph, 12)) == {"not_worse_than_released"}
    decision = read_decision(graph.store, published.version)
    assert decision is not None
    assert [r.name for r in decision.checks if not r.passed] == ["not_worse_than_released"]


def test_a_model_that_reproduces_its_training_images_is_refused(
    graph: Graph, mediocre: crafted_models.Generator
) -> None:
    before, crops = released(graph), graph.store.current("cropped_palms")
    model = load_model(graph.store.open("models", before.model).folder, "")
    memorized = model.generate(model.latents(SEED, range(EVALUATION["count"])))
    changed = TINY["cropped_palms"] | {"margin": 0.5}
    published = crafted_models.publish_crops(graph.store, CropConfig(**changed), memorized)
    graph.store.set_current("cropped_palms", published)
    crafted_models.publish_model(graph.store, GanConfig(**config(13)), mediocre)
    result = candidate(graph, 13, cropped_palms=changed)
    graph.store.set_current("cropped_palms", crops)
    assert graph.store.current("palm_evaluation").facts["auth_pct"] == 0
    assert not result.success
    assert "not_memorized" in failed_checks(result)
    assert released(graph) == before
    assert published.version != crops.version
    evaluations = graph.store.manifests("evaluations")  # the released model was measured again, too
    assert len({m.inputs["reference"] for m in evaluations if m.inputs["model"] == before.model}) == 2


def test_a_refused_candidate_ends_the_command_with_1_and_one_line_with_the_reason(
    graph: Graph, mediocre: crafted_models.Generator, tmp_path: Path
) -> None:
    """A collapsed model, by the command that a cron job would run."""
    collapsed = crafted_models.collapsed(mediocre)
    crafted_models.publish_model(graph.store, GanConfig(**config(11)), collapsed)
    (tmp_path / "dagster").mkdir()
    shutil.copy("dagster_home/dagster.yaml", tmp_path / "dagster")
    preset = {
        "ops": {"dcgan_checkpoint": {"config": config(11)}, "palm_evaluation": {"config": EVALUATION}},
        "resources": {"gate": {"config": STRICT}},
    }
    (tmp_path / "preset.yaml").write_text(yaml.safe_dump(preset))
    command = ["-m", "dagster", "asset", "materialize", "-m", "pipelines.definitions"]
    options = ["--select", ",".join(FROM_CHECKPOINT_ON), "-c", str(tmp_path / "preset.yaml")]
    environment = os.environ | {"PALM_HOME": str(graph.home), "DAGSTER_HOME": str(tmp_path / "dagster")}
    run = subprocess.run(
        [sys.executable, *command, *options], env=environment, capture_output=True, text=True, check=False
    )
    assert run.returncode == 1, run.stderr[-3000:]
    lines = [line for line in run.stderr.splitlines() if "is refused, the page keeps its model" in line]
    assert len(lines) == 1
    assert "not_collapsed: variance relative to real palms 0" in lines[0]


def test_the_release_asset_alone_does_not_bypass_the_gate(
    graph: Graph, mediocre: crafted_models.Generator
) -> None:
    before = released(graph)
    collapsed = crafted_models.collapsed(mediocre)
    crafted_models.publish_model(graph.store, GanConfig(**config(11)), collapsed)
    candidate(graph, 11)
    result = graph.materialize("palm_release")  # the assets point to the collapsed candidate
    assert not result.success
    assert released(graph) == before


def test_assets_one_by_one_do_not_release_what_failed_a_check_of_the_data(
    made: Graph, tmp_path: Path
) -> None:
    """Materialized alone, an asset is made although the one before failed its check; a release is not."""
    shutil.copytree(made.home, tmp_path / "home")
    for name in ("released.json", "releases.json"):
        (tmp_path / "home" / name).unlink()
    bounds = LENIENT | {"min_people_held_out": 50, "min_ap50": 0.999, "min_photos": 10_000}
    with dg.DagsterInstance.ephemeral() as instance:
        graph = Graph(tmp_path / "home", instance, bounds)
        for asset in ("raw_hands", "raw_palm_boxes", "palm_detector", "cropped_palms"):
            graph.materialize(asset)
        result = graph.materialize(*FROM_CHECKPOINT_ON)
        assert not result.success
        assert graph.store.released("synthetic") is None
        message = failures(graph.materialize("palm_release"))[0]
    for check in ("photos_are_usable", "detector_finds_palms", "crops_are_usable"):
        assert check in message


def better(graph: Graph) -> Release:
    """Release a better model than the mediocre one."""
    trained = crafted_models.train_by_energy_distance(graph.store, GanConfig(**config(14)), 400)
    published = crafted_models.publish_model(graph.store, GanConfig(**config(14)), trained)
    result = candidate(graph, 14)
    assert result.success, failed_checks(result)
    after = released(graph)
    assert after.model == published.version
    return after


def test_a_better_candidate_is_released(graph: Graph) -> None:
    before = released(graph)
    after = better(graph)
    assert after.model == after.champion != before.model
    states = {row.model: row.state for row in candidates(graph.store)}
    assert states[before.model] == "released before"
    assert list(states.values()).count("released") == 1


def test_a_model_rolled_back_by_hand_is_not_released_again_by_the_gate(graph: Graph) -> None:
    first, newest = released(graph), better(graph)
    release_by_hand(graph.store, first.model)
    result = candidate(graph, 14)
    assert not result.success
    assert failed_checks(result) == {"not_withdrawn"}
    now = released(graph)
    assert (now.model, now.by) == (first.model, "hand")
    release_by_hand(graph.store, newest.model)
    assert candidate(graph, 14).success  # a person has released it again
