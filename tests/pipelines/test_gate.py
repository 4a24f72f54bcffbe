"""Candidates of all kinds before the real graph: only a better one is released."""

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
from palm_assets.release.decisions import read
from tests.pipelines import crafted
from tests.pipelines.conftest import Graph
from tests.tiny import LENIENT, TINY

SHAPE = {**TINY["dcgan_checkpoint"], "generator_width": 16, "latent": 32}
SCORES = {"count": 48, "sets": 3}
STRICT = LENIENT | {
    "max_blank": 0.02,
    "min_variety": 0.3,
    "min_nearest_other": 0.4,
    "min_authentic": 0.5,
    "max_frechet": 4,
    "spread": 2,
}
FROM_CHECKPOINT_ON = ("dcgan_checkpoint", "fid_reference", "palm_evaluation", "palm_release")


def config(seed: int) -> dict[str, Any]:
    """Each candidate is the config of a seed."""
    return {**SHAPE, "seed": seed}


@pytest.fixture(scope="module")
def graph(made: Graph, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Graph]:
    """A graph of its own behind a strict gate, with a mediocre model released: the first one ever."""
    home = tmp_path_factory.mktemp("gate") / "home"
    shutil.copytree(made.home, home)
    for name in ("released.json", "releases.json"):
        (home / name).unlink()
    with dg.DagsterInstance.ephemeral() as instance:
        graph = Graph(home, instance, dict(STRICT))
        mediocre = crafted.learnt(graph.store, GanConfig(**config(1)), 120)
        crafted.plant(graph.store, GanConfig(**config(1)), mediocre)
        assert candidate(graph, 1).success
        yield graph


@pytest.fixture(scope="module")
def mediocre(graph: Graph) -> crafted.Generator:
    release = graph.store.released()
    assert release is not None
    return load_model(graph.store.open("models", release.model).folder, "").generator


def candidate(graph: Graph, seed: int, **changes: dict[str, Any]) -> dg.ExecuteInProcessResult:
    """Send the candidate of a seed through the graph."""
    return graph.materialize(
        *(["cropped_palms"] if "cropped_palms" in changes else []),
        *FROM_CHECKPOINT_ON,
        dcgan_checkpoint=config(seed),
        palm_evaluation=SCORES,
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


def test_the_first_release_has_nothing_to_be_compared_with_and_passes_by_the_bounds(graph: Graph) -> None:
    release = graph.store.released()
    assert release is not None
    assert release.by == "gate"
    judgement = read(graph.store, release.model)
    assert judgement is not None
    assert judgement.passed
    assert judgement.verdicts["not_worse_than_released"]["figures"] == {}
    assert set(judgement.verdicts) == {
        "loads_and_draws",
        "not_blank",
        "not_collapsed",
        "not_memorised",
        "resembles_palms",
        "not_worse_than_released",
        "not_withdrawn",
    }


@pytest.mark.parametrize(
    ("seed", "fault", "check", "says"),
    [
        (10, crafted.not_a_number, "loads_and_draws", "finite"),
        (11, crafted.collapsed, "not_collapsed", "variety, of real palms 0"),
        (
            12,
            functools.partial(crafted.worn, share=0.7),
            "not_worse_than_released",
            "beside the released model's",
        ),
    ],
    ids=["a weight that is not a number", "a collapsed one", "a slightly worse one"],
)
def test_a_candidate_with_a_fault_is_refused_and_the_released_model_stays(
    graph: Graph, mediocre: crafted.Generator, seed: int, fault: Any, check: str, says: str
) -> None:
    before = graph.store.released()
    planted = crafted.plant(graph.store, GanConfig(**config(seed)), fault(mediocre))
    result = candidate(graph, seed)
    assert not result.success
    assert check in failed_checks(result)
    assert "palm_release" not in materialized(result)
    assert graph.store.released() == before
    row = next(row for row in candidates(graph.store) if row.model == planted.version)
    assert row.state == "refused"
    assert says in row.refusal
    assert planted.folder.is_dir()  # it stays on disk, with its reason


def test_a_slightly_worse_one_fails_no_other_check(graph: Graph) -> None:
    """So it is the comparison that refuses it: without a released model it would have passed."""
    judgements = [read(graph.store, row.model) for row in candidates(graph.store) if row.state == "refused"]
    failed = [[name for name, said in j.verdicts.items() if not said["passed"]] for j in judgements if j]
    assert ["not_worse_than_released"] in failed


def test_a_model_that_draws_the_photographs_it_was_trained_on_is_refused(
    graph: Graph, mediocre: crafted.Generator
) -> None:
    before, crops = graph.store.released(), graph.store.current("cropped_palms")
    assert before is not None
    model = load_model(graph.store.open("models", before.model).folder, "")
    learnt_by_heart = model.generate(model.latents(SEED, range(SCORES["count"])))
    changed = TINY["cropped_palms"] | {"margin": 0.5}
    planted = crafted.plant_crops(graph.store, CropConfig(**changed), learnt_by_heart)
    graph.store.set_current("cropped_palms", planted)
    crafted.plant(graph.store, GanConfig(**config(13)), mediocre)
    result = candidate(graph, 13, cropped_palms=changed)
    graph.store.set_current("cropped_palms", crops)
    assert graph.store.current("palm_evaluation").facts["auth_pct"] == 0
    assert not result.success
    assert "not_memorised" in failed_checks(result)
    assert graph.store.released() == before
    assert planted.version != crops.version


def test_the_released_model_is_measured_again_against_another_reference(graph: Graph) -> None:
    """The test before changed the reference; the comparison there was by figures against the new one."""
    release = graph.store.released()
    assert release is not None
    measured = [
        graph.store.manifest("evaluations", version) for version in graph.store.versions("evaluations")
    ]
    references = {m.inputs["reference"] for m in measured if m.inputs["model"] == release.model}
    assert len(references) == 2


def test_a_blocked_candidate_ends_the_command_with_1_and_one_line_that_says_why(
    graph: Graph, tmp_path: Path
) -> None:
    """The same collapsed model again, by the command that a cron job would use."""
    (tmp_path / "dagster").mkdir()
    shutil.copy("dagster_home/dagster.yaml", tmp_path / "dagster")
    preset = {
        "ops": {"dcgan_checkpoint": {"config": config(11)}, "palm_evaluation": {"config": SCORES}},
        "resources": {"gate": {"config": STRICT}},
    }
    (tmp_path / "preset.yaml").write_text(yaml.safe_dump(preset))
    command = ["-m", "dagster", "asset", "materialize", "-m", "pipelines.definitions"]
    chosen = ["--select", ",".join(FROM_CHECKPOINT_ON), "-c", str(tmp_path / "preset.yaml")]
    environment = os.environ | {"PALM_HOME": str(graph.home), "DAGSTER_HOME": str(tmp_path / "dagster")}
    run = subprocess.run(
        [sys.executable, *command, *chosen], env=environment, capture_output=True, text=True, check=False
    )
    assert run.returncode == 1, run.stderr[-3000:]
    told = [line for line in run.stderr.splitlines() if "is refused, what is released stays" in line]
    assert len(told) == 1
    assert "not_collapsed: variety, of real palms 0" in told[0]


def test_the_release_asset_alone_is_no_way_around_the_gate(graph: Graph) -> None:
    before = graph.store.released()
    result = graph.materialize("palm_release")  # the collapsed candidate is what the assets are now
    assert not result.success
    assert graph.store.released() == before


def test_a_better_one_is_released(graph: Graph) -> None:
    before = graph.store.released()
    better = crafted.learnt(graph.store, GanConfig(**config(14)), 400)
    planted = crafted.plant(graph.store, GanConfig(**config(14)), better)
    result = candidate(graph, 14)
    assert result.success, failed_checks(result)
    after = graph.store.released()
    assert before is not None
    assert after is not None
    assert after.model == planted.version != before.model
    states = {row.model: row.state for row in candidates(graph.store)}
    assert states[before.model] == "released before"
    assert list(states.values()).count("released") == 1


def test_what_was_rolled_back_by_hand_is_not_released_again_by_itself(graph: Graph) -> None:
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
    assert candidate(graph, 14).success  # a person has put it back
