"""Old runs are removed from Dagster's history, but none that made what an asset shows now."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest

from pipelines import history
from pipelines.history import history_sensor, remove_runs


@dg.asset
def something() -> None: ...


def materialize(instance: dg.DagsterInstance) -> str:
    return dg.materialize([something], instance=instance).run_id


def test_runs_that_ended_before_a_moment_are_removed_and_the_newest_of_an_asset_stays(
    instance: dg.DagsterInstance,
) -> None:
    runs = [materialize(instance) for _ in range(3)]
    assert remove_runs(instance, datetime.now(UTC) - timedelta(days=1)) == 0
    assert remove_runs(instance, datetime.now(UTC) + timedelta(days=1)) == 2
    assert [run.run_id for run in instance.get_runs()] == [runs[2]]
    assert instance.get_latest_materialization_event(dg.AssetKey("something")) is not None
    assert instance.all_logs(runs[0]) == []


def test_more_runs_than_one_query_finds_are_removed_at_once(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "RUNS_PER_QUERY", 2)
    newest = [materialize(instance) for _ in range(8)][-1]
    later = datetime.now(UTC) + timedelta(days=1)
    assert remove_runs(instance, later, seconds=0) == 0
    assert instance.get_runs_count() == 8
    assert remove_runs(instance, later) == 7
    assert [run.run_id for run in instance.get_runs()] == [newest]


def test_what_a_tick_leaves_the_next_hour_removes() -> None:
    assert history_sensor(365).minimum_interval_seconds == 3600


def test_zero_days_keep_everything(instance: dg.DagsterInstance) -> None:
    assert history_sensor(365).default_status == dg.DefaultSensorStatus.RUNNING
    sensor = history_sensor(0)
    assert sensor.default_status == dg.DefaultSensorStatus.STOPPED
    materialize(instance)
    sensor.evaluate_tick(dg.build_sensor_context(instance=instance))
    assert instance.get_runs_count() == 1
