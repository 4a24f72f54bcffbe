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
from tests.pipelines import crafted_models
from tests.pipelines.conftest import Graph
from tests.tiny import LENIENT, TINY

SHAPE = {**TINY["dcgan_checkpoint"], "generator_width": 16, "latent": 32}
EVALUATION = {"count": 48, "sets": 3}
STRICT = LENIENT | {
    "max_blank": 0.02,
    "min_variety": 0.3,
    "min_nearest_other": 0.4,
    "min_authentic": 0.5,
    "max_frechet": 4,
    "standard_errors": 2,
}
FROM_CHECKPOINT_ON = ("dcgan_checkpoint", "fid_reference", "palm_evaluation", "palm_release")


def config(seed: int) -> dict[str, Any]:
    """The config of a candidate: each has a seed of its own."""
    return {**SHAPE, "seed": seed}


@pytest.fixture(scope="module")
def graph(made: Graph, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Graph]:
    """A graph of its own with a strict gate, and a mediocre model as its first release."""
    home = tmp_path_factory.mktemp("gate") / "home"
    shutil.copytree(made.home, home)
    for name in ("released.json", "releases.json"):
        (home / name).unlink()
    with dg.DagsterInstance.ephemeral() as instance:
        graph = Graph(home, instance, dict(STRICT))
        mediocre = crafted_models.train_by_energy_distance(graph.store, GanConfig(**config(1)), 120)
        crafted_models.publish_model(graph.store, GanConfig(**config(1)), mediocre)
        assert candidate(graph, 1).success
        yield graph


@pytest.fixture(scope="module")
def mediocre(graph: Graph) -> crafted_models.Generator:
    release = graph.store.released()
    assert release is not None
    return load_model(graph.store.open("models", release.model).folder, "").generator


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
    release = graph.store.released()
    assert release is not None
    assert release.by == "gate"
    decision = read_decision(graph.store, release.model)
    assert decision is not None
    assert decision.passed
    comparison = decision.result("not_worse_than_released")
    assert comparison is not None
    assert comparison.metrics == {}
    assert {result.name for result in decision.checks} == {
        "loads_and_generates",
        "not_blank",
        "not_collapsed",
        "not_memorized",
        "resembles_palms",
        "not_worse_than_released",
        "not_withdrawn",
    }


@pytest.mark.parametrize(
    ("seed", "fault", "check", "reason"),
    [
        (10, crafted_models.with_nan, "loads_and_generates", "finite"),
        (11, crafted_models.collapsed, "not_collapsed", "variance relative to real palms 0"),
        (
            12,
            functools.partial(crafted_models.with_noise, share=0.7),
            "not_worse_than_released",
            "the released model's is",
        ),
    ],
    ids=["NaN weight", "collapsed", "slightly worse"],
)
def test_a_candidate_with_a_fault_is_refused_and_the_released_model_stays(
    graph: Graph, mediocre: crafted_models.Generator, seed: int, fault: Any, check: str, reason: str
) -> None:
    before = graph.store.released()
    published = crafted_models.publish_model(graph.store, GanConfig(**config(seed)), fault(mediocre))
    result = candidate(graph, seed)
    assert not result.success
    assert check in failed_checks(result)
    assert "palm_release" not in materialized(result)
    assert graph.store.released() == before
    row = next(row for row in candidates(graph.store) if row.model == published.version)
    assert row.state == "refused"
    assert reason in row.refusal
    assert published.folder.is_dir()  # it stays on disk


def test_the_slightly_worse_candidate_fails_no_other_check(graph: Graph) -> None:
    """It is refused by the comparison: as a first release it would have passed."""
    refused = [row.model for row in candidates(graph.store) if row.state == "refused"]
    decisions = [read_decision(graph.store, model) for model in refused]
    failed = [[result.name for result in d.checks if not result.passed] for d in decisions if d]
    assert ["not_worse_than_released"] in failed


def test_a_model_that_reproduces_its_training_images_is_refused(
    graph: Graph, mediocre: crafted_models.Generator
) -> None:
    before, crops = graph.store.released(), graph.store.current("cropped_palms")
    assert before is not None
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
    assert graph.store.released() == before
    assert published.version != crops.version


def test_the_released_model_is_evaluated_again_against_another_reference(graph: Graph) -> None:
    """The test before changed the reference, so both models were evaluated against the new one."""
    release = graph.store.released()
    assert release is not None
    evaluations = [
        graph.store.manifest("evaluations", version) for version in graph.store.versions("evaluations")
    ]
    references = {m.inputs["reference"] for m in evaluations if m.inputs["model"] == release.model}
    assert len(references) == 2


def test_a_refused_candidate_ends_the_command_with_1_and_one_line_with_the_reason(
    graph: Graph, tmp_path: Path
) -> None:
    """The same collapsed model again, by the command that a cron job would run."""
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
    lines = [line for line in run.stderr.splitlines() if "is refused, the released model stays" in line]
    assert len(lines) == 1
    assert "not_collapsed: variance relative to real palms 0" in lines[0]


def test_the_release_asset_alone_does_not_bypass_the_gate(graph: Graph) -> None:
    before = graph.store.released()
    result = graph.materialize("palm_release")  # the assets point to the collapsed candidate
    assert not result.success
    assert graph.store.released() == before


def test_a_better_candidate_is_released(graph: Graph) -> None:
    before = graph.store.released()
    better = crafted_models.train_by_energy_distance(graph.store, GanConfig(**config(14)), 400)
    published = crafted_models.publish_model(graph.store, GanConfig(**config(14)), better)
    result = candidate(graph, 14)
    assert result.success, failed_checks(result)
    after = graph.store.released()
    assert before is not None
    assert after is not None
    assert after.model == published.version != before.model
    states = {row.model: row.state for row in candidates(graph.store)}
    assert states[before.model] == "released before"
    assert list(states.values()).count("released") == 1


def test_a_model_rolled_back_by_hand_is_not_released_again_by_the_gate(graph: Graph) -> None:
    newest = graph.store.released()
    first = next(row for row in candidates(graph.store) if row.state == "released before")
    release_by_hand(graph.store, first.model)
    result = candidate(graph, 14)
    assert not result.success
    assert failed_checks(result) == {"not_withdrawn"}
    now = graph.store.released()
    assert now is not None
    assert newest is not None
    assert (now.model, now.by) == (first.model, "hand")
    release_by_hand(graph.store, newest.model)
    assert candidate(graph, 14).success  # a person has released it again
