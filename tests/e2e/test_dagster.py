"""A real Dagster service on real storage: what a person does in its UI, and what it does by itself.

The short form (in `make test`) does the first three on SQLite; `make test-dagster` does all of it on SQLite
and on PostgreSQL.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from palm_assets.store.artifacts import Store
from tests.e2e.dagster_service import (
    REPOSITORY,
    RUNS,
    SCHEDULE,
    TERMINATE,
    DagsterService,
    dagster_service,
    postgres_storage,
    until,
)

LONG = bool(os.environ.get("PALM_DAGSTER_LONG"))
long_only = pytest.mark.skipif(not LONG, reason="make test-dagster runs it")
LONG_TRAINING = {"kimg": 100_000.0, "save_minutes": 60}


@pytest.fixture(scope="module", params=["sqlite", "postgres"] if LONG else ["sqlite"])
def service(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[DagsterService]:
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "sqlite":
        with dagster_service(folder / "dagster", None) as service:
            yield service
        return
    with postgres_storage() as storage, dagster_service(folder / "dagster", storage) as service:
        yield service


def sample_grids(service: DagsterService) -> set[Path]:
    """Of all trainings under way or cancelled."""
    return set(service.home.glob("work/models-*/progress/*.png"))


def test_the_whole_graph_is_materialized(service: DagsterService) -> None:
    run = service.launch()
    assert service.ended(run) == "SUCCESS", service.log(run)[-5:]
    assert Store(service.home).released("synthetic") is not None


def test_one_asset_is_run_again_and_reuses_what_there_is(service: DagsterService) -> None:
    run = service.launch("fid_reference")
    assert service.ended(run) == "SUCCESS", service.log(run)[-5:]
    assert any("reference" in line and line.endswith(": reused") for line in service.log(run))


def test_a_training_can_start_from_an_earlier_model(service: DagsterService) -> None:
    store = Store(service.home)
    first = store.current("dcgan_checkpoint").version
    run = service.launch("dcgan_checkpoint", dcgan_checkpoint={"kimg": 0.064, "start": first})
    assert service.ended(run) == "SUCCESS", service.log(run)[-5:]
    second = store.current("dcgan_checkpoint").version
    assert second != first
    assert store.manifest("models", second).inputs["start"] == first


def test_cancelling_stops_training_within_ten_seconds_with_its_state_saved(service: DagsterService) -> None:
    run = service.launch("dcgan_checkpoint", dcgan_checkpoint={**LONG_TRAINING, "seed": 21})
    until(lambda: sample_grids(service), 120, "the first sample grid")
    trainer = service.trainer()
    assert trainer is not None
    started = time.monotonic()
    assert service.ask(TERMINATE, id=run)["terminateRun"]["__typename"] == "TerminateRunSuccess"
    until(lambda: not trainer.is_running() or trainer.status() == "zombie", 60, "the trainer's end")
    took = time.monotonic() - started
    assert service.ended(run) == "CANCELED"
    assert len(list(service.home.glob("work/models-*/state.safetensors"))) == 1
    assert took < 10
    print(f"cancelled in {took:.1f} s")


@long_only
def test_a_trainer_that_is_killed_is_tried_again_in_the_same_run(service: DagsterService) -> None:
    of_others = sample_grids(service)  # such as a cancelled training's
    run = service.launch("dcgan_checkpoint", dcgan_checkpoint={"kimg": 3.2, "seed": 22, "snapshot_kimg": 0.8})
    until(lambda: sample_grids(service) - of_others, 120, "the first sample grid")
    trainer = service.trainer()
    assert trainer is not None
    trainer.kill()
    assert service.ended(run) == "SUCCESS", service.log(run)[-5:]
    steps = {step["stepKey"]: step for step in service.run(run)["stepStats"]}
    assert len(steps["dcgan_checkpoint"]["attempts"]) == 2


@long_only
def test_two_runs_at_once_train_the_same_thing_once(service: DagsterService) -> None:
    before = set(Store(service.home).versions("models"))
    runs = [
        service.launch("dcgan_checkpoint", dcgan_checkpoint={"kimg": 3.2, "seed": 23, "snapshot_kimg": 100})
        for _ in range(2)
    ]
    assert [service.ended(run) for run in runs] == ["SUCCESS", "SUCCESS"]
    assert len(set(Store(service.home).versions("models")) - before) == 1
    said = [line for run in runs for line in service.log(run) if line.startswith("models ")]
    assert sorted(line.split(": ")[1] for line in said) == ["made", "reused"]


@long_only
def test_a_tick_of_the_schedule_makes_one_run_that_succeeds(service: DagsterService) -> None:
    selector = {**REPOSITORY, "scheduleName": "retrain"}
    answer = service.ask(SCHEDULE, s=selector)["startSchedule"]
    assert answer["__typename"] == "ScheduleStateResult"
    wanted = {"tags": [{"key": "dagster/schedule_name", "value": "retrain"}]}

    def runs() -> list[dict[str, str]]:
        found: list[dict[str, str]] = service.ask(RUNS, f=wanted)["runsOrError"]["results"]
        return found

    until(runs, 150, "a tick")
    assert service.ended(runs()[-1]["runId"]) == "SUCCESS", service.log(runs()[-1]["runId"])[-5:]


@long_only
def test_a_tick_of_the_failure_sensor_runs_the_command(service: DagsterService) -> None:
    release = Path(service.home, "released.json")
    before = release.read_bytes() if release.is_file() else None
    run = service.launch("dcgan_checkpoint", dcgan_checkpoint={"image_size": 32})
    assert service.ended(run) == "FAILURE"

    def reported() -> bool:  # a failure of another test may come first
        return service.report_file.is_file() and run in service.report_file.read_text(encoding="utf-8")

    until(reported, 120, "the failure sensor's tick")
    report = json.loads(service.report_file.read_text(encoding="utf-8"))
    assert (report["run"], report["outcome"]) == (run, "failed")
    assert (release.read_bytes() if release.is_file() else None) == before
