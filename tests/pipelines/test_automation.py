"""Automatic retraining: off by default; on a schedule, on a new Kaggle version, on changed data."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml
from dagster._core.test_utils import create_run_for_test

from pipelines import automation
from pipelines.automation import (
    KAGGLE_TAG,
    ON_CHANGED_DATA,
    RetrainingSettings,
    watched_kaggle_sets,
)
from pipelines.definitions import PRESETS, definitions
from tests.sources.kaggle_server import KaggleServer, the_port

HANDS, BOXES = "shyambhu/hands-and-palm-images-dataset", "korff16/hands-and-palms-yolo-dataset"
KAGGLE = RetrainingSettings(preset="kaggle")


def retrain(settings: RetrainingSettings = KAGGLE) -> dg.ScheduleDefinition:
    return definitions(Path("unused"), settings).get_schedule_def("retrain")


def tick(instance: dg.DagsterInstance, when: datetime) -> Any:
    context = dg.build_schedule_context(instance=instance, scheduled_execution_time=when)
    return retrain().evaluate_tick(context)


# Settings


def test_everything_is_off_by_default() -> None:
    repository = definitions(Path("unused"), RetrainingSettings.from_environment({})).get_repository_def()
    schedules, sensors = repository.schedule_defs, repository.sensor_defs
    assert {s.default_status for s in schedules} == {dg.DefaultScheduleStatus.STOPPED}
    running = {s.name for s in sensors if s.default_status == dg.DefaultSensorStatus.RUNNING}
    assert running == {"remove_old_runs"}  # it starts nothing
    assert {s.name for s in sensors} == {
        "new_kaggle_version",
        "run_failure_command",
        "default_automation_condition_sensor",
        "remove_old_runs",
    }


def test_environment_variables_turn_retraining_on_and_set_schedule_and_preset() -> None:
    environment = {
        "PALM_RETRAIN": "on",
        "PALM_RETRAIN_CRON": "30 4 * * *",
        "PALM_RETRAIN_PRESET": "local-256",
    }
    schedule = retrain(RetrainingSettings.from_environment(environment))
    assert schedule.default_status == dg.DefaultScheduleStatus.RUNNING
    assert schedule.cron_schedule == "30 4 * * *"
    assert schedule.job_name == "local_256"


def test_an_unknown_preset_is_refused_with_the_names_of_all() -> None:
    with pytest.raises(ValueError, match=r"kaggle, .*sample, not samples"):
        definitions(Path("unused"), RetrainingSettings(preset="samples"))


# Schedule


def test_each_tick_requests_a_run_of_the_preset_with_a_new_seed(instance: dg.DagsterInstance) -> None:
    first = tick(instance, datetime(2026, 11, 1, 3, tzinfo=UTC)).run_requests[0]
    second = tick(instance, datetime(2026, 11, 8, 3, tzinfo=UTC)).run_requests[0]
    assert first.run_config["ops"]["dcgan_checkpoint"]["config"]["seed"] == 202611010300
    assert second.run_config["ops"]["dcgan_checkpoint"]["config"]["seed"] == 202611080300
    preset = yaml.safe_load((PRESETS / "kaggle.yaml").read_text(encoding="utf-8"))
    for request in (first, second):
        without = {**request.run_config["ops"]["dcgan_checkpoint"]["config"]}
        del without["seed"]
        assert without == preset["ops"]["dcgan_checkpoint"]["config"]
        job = definitions(Path("unused"), KAGGLE).resolve_job_def("kaggle")
        assert dg.validate_run_config(job, request.run_config)
    assert first.run_key != second.run_key


def test_a_tick_while_the_same_job_runs_is_skipped(instance: dg.DagsterInstance) -> None:
    create_run_for_test(instance, job_name="kaggle", status=dg.DagsterRunStatus.STARTED)
    result = tick(instance, datetime(2026, 11, 1, 3, tzinfo=UTC))
    assert not result.run_requests
    assert "is in progress" in result.skip_message


# Kaggle


@pytest.fixture
def kaggle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[KaggleServer]:
    """The real client asks a server on loopback; see tests/sources."""
    for name in list(os.environ):
        if name.upper().startswith(("KAGGLE", "COLAB")) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("KAGGLE_API_ENVIRONMENT", "TEST")
    archives = {HANDS: {1: b"", 2: b""}, BOXES: {5: b""}}
    with the_port(7777), KaggleServer(port=7777, archives=archives) as server:
        yield server


def kaggle_tick(instance: dg.DagsterInstance, cursor: str | None) -> Any:
    sensor = definitions(Path("unused"), KAGGLE).get_sensor_def("new_kaggle_version")
    return sensor.evaluate_tick(dg.build_sensor_context(instance=instance, cursor=cursor))


def test_a_new_version_on_kaggle_requests_one_run_of_the_preset(
    instance: dg.DagsterInstance, kaggle: KaggleServer
) -> None:
    first = kaggle_tick(instance, None)
    assert not first.run_requests  # the first tick only records the versions
    assert json.loads(first.cursor) == {HANDS: 2, BOXES: 5}
    assert not kaggle_tick(instance, first.cursor).run_requests
    kaggle.archives[BOXES][6] = b""
    third = kaggle_tick(instance, first.cursor)
    assert len(third.run_requests) == 1
    assert third.run_requests[0].run_config == yaml.safe_load(
        (PRESETS / "kaggle.yaml").read_text(encoding="utf-8")
    )
    start(instance, third.run_requests[0], dg.DagsterRunStatus.STARTED)
    fourth = kaggle_tick(instance, third.cursor)
    assert not fourth.run_requests
    assert "in progress" in fourth.skip_message
    assert kaggle.downloads == 0


def start(instance: dg.DagsterInstance, request: dg.RunRequest, status: dg.DagsterRunStatus) -> dg.DagsterRun:
    return create_run_for_test(instance, job_name="kaggle", status=status, tags=dict(request.tags))


@pytest.fixture
def requested(instance: dg.DagsterInstance, kaggle: KaggleServer) -> Any:
    """The tick that requests a run of a new version."""
    before = kaggle_tick(instance, None).cursor
    kaggle.archives[BOXES][6] = b""
    return kaggle_tick(instance, before)


def later(monkeypatch: pytest.MonkeyPatch, hours: float) -> None:
    class Later(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:
            return datetime.now(tz) + timedelta(hours=hours)

    monkeypatch.setattr(automation, "datetime", Later)


def test_the_cursor_stays_until_a_run_of_the_new_version_succeeded(
    instance: dg.DagsterInstance, requested: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    (request,) = requested.run_requests
    assert json.loads(requested.cursor)[BOXES] == 5
    start(instance, request, dg.DagsterRunStatus.FAILURE)
    waits = kaggle_tick(instance, requested.cursor)
    assert not waits.run_requests
    assert "failed" in waits.skip_message
    assert json.loads(waits.cursor)[BOXES] == 5
    later(monkeypatch, 1.1)
    (again,) = kaggle_tick(instance, waits.cursor).run_requests
    assert again.run_key != request.run_key
    start(instance, again, dg.DagsterRunStatus.FAILURE)
    assert not kaggle_tick(instance, waits.cursor).run_requests  # two hours, the second time
    later(monkeypatch, 2.1)
    (third,) = kaggle_tick(instance, waits.cursor).run_requests
    assert len({request.run_key, again.run_key, third.run_key}) == 3
    start(instance, third, dg.DagsterRunStatus.SUCCESS)
    done = kaggle_tick(instance, waits.cursor)
    assert not done.run_requests
    assert json.loads(done.cursor)[BOXES] == 6


@pytest.mark.parametrize("status", [dg.DagsterRunStatus.CANCELED, dg.DagsterRunStatus.FAILURE])
def test_a_canceled_or_refused_run_of_a_new_version_is_not_repeated(
    instance: dg.DagsterInstance, requested: Any, monkeypatch: pytest.MonkeyPatch, status: dg.DagsterRunStatus
) -> None:
    monkeypatch.setattr(automation, "is_refused", lambda *_: True)
    start(instance, requested.run_requests[0], status)
    done = kaggle_tick(instance, requested.cursor)
    assert not done.run_requests
    assert json.loads(done.cursor)[BOXES] == 6


def test_a_run_of_other_versions_does_not_count(instance: dg.DagsterInstance, requested: Any) -> None:
    create_run_for_test(
        instance, job_name="kaggle", status=dg.DagsterRunStatus.SUCCESS, tags={KAGGLE_TAG: "other"}
    )
    assert kaggle_tick(instance, requested.cursor).run_requests


def test_an_error_of_kaggle_skips_the_tick_and_keeps_the_cursor(
    instance: dg.DagsterInstance, kaggle: KaggleServer
) -> None:
    before = kaggle_tick(instance, None).cursor
    kaggle.faults.status = 503
    result = kaggle_tick(instance, before)
    assert not result.run_requests
    assert "503" in result.skip_message
    assert result.cursor in (None, before)


def test_a_pinned_set_and_other_sources_are_not_watched() -> None:
    pinned = {"ops": {"raw_hands": {"config": {"source": "kaggle", "kaggle_version": 3}}}}
    other = {"ops": {"raw_hands": {"config": {"source": "kaggle", "kaggle_set": "me/mine"}}}}
    assert watched_kaggle_sets(pinned) == []
    assert watched_kaggle_sets({"ops": {"raw_hands": {"config": {"source": "synthetic"}}}}) == []
    assert watched_kaggle_sets(other) == ["me/mine"]


# Changed data


def test_only_a_changed_data_version_starts_a_run() -> None:
    version = "1"

    @dg.asset
    def upstream() -> dg.MaterializeResult[None]:
        return dg.MaterializeResult(data_version=dg.DataVersion(version))

    @dg.asset(deps=[upstream], automation_condition=ON_CHANGED_DATA)
    def downstream() -> None: ...

    defs = dg.Definitions([upstream, downstream])
    with dg.DagsterInstance.ephemeral() as instance:
        dg.materialize([upstream, downstream], instance=instance)
        first = dg.evaluate_automation_conditions(defs, instance=instance)
        dg.materialize([upstream], instance=instance)
        same = dg.evaluate_automation_conditions(defs, instance=instance, cursor=first.cursor)
        assert same.total_requested == 0
        version = "2"
        dg.materialize([upstream], instance=instance)
        assert (
            dg.evaluate_automation_conditions(defs, instance=instance, cursor=same.cursor).total_requested
            == 1
        )


def test_every_asset_below_the_sources_is_automated_and_the_release_has_a_freshness_policy() -> None:
    specs = {
        spec.key.to_user_string(): spec for spec in definitions(Path("unused")).resolve_all_asset_specs()
    }
    automated = {name for name, spec in specs.items() if spec.automation_condition is not None}
    assert automated == set(specs) - {"raw_hands", "raw_palm_boxes", "page"}
    assert specs["palm_release"].freshness_policy is not None


def test_a_run_on_changed_data_has_the_config_of_the_preset_in_force(tmp_path: Path) -> None:
    defs = definitions(tmp_path / "home", RetrainingSettings(preset="local-256"))
    sensor = defs.get_sensor_def("default_automation_condition_sensor")
    preset = yaml.safe_load((PRESETS / "local-256.yaml").read_text(encoding="utf-8"))
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        repository = defs.get_repository_def()

        def evaluate(cursor: str | None) -> Any:
            context = dg.build_sensor_context(instance=instance, cursor=cursor, repository_def=repository)
            return sensor.evaluate_tick(context)

        first = evaluate(None)
        for name in ("raw_hands", "raw_palm_boxes"):
            instance.report_runless_asset_event(
                dg.AssetMaterialization(name, tags={"dagster/data_version": "1"})
            )
        requests = evaluate(first.cursor).run_requests
    assert requests
    job = defs.resolve_implicit_global_asset_job_def()
    for request in requests:
        names = {key.to_user_string() for key in request.asset_selection}
        assert request.run_config["ops"] == {n: v for n, v in preset["ops"].items() if n in names}
        assert "palm_detector" in names
        subset = job.get_subset(asset_selection=set(request.asset_selection))
        assert dg.validate_run_config(subset, request.run_config)
