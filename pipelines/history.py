"""Retention of Dagster's history: a full run leaves about 2 MB of events, which Dagster never removes."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import dagster as dg

TICK_SECONDS = 3600
TICK_BUDGET = 20  # seconds of removing; a tick has a minute
RUNS_PER_QUERY = 100
ENDED = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]


def history_sensor(days: float) -> dg.SensorDefinition:
    """A sensor that every hour removes runs which ended longer ago, with their logs and pictures.

    Args:
        days: age at which a run is removed; 0 keeps all, and the sensor is off.
    """

    @dg.sensor(
        name="remove_old_runs",
        minimum_interval_seconds=TICK_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING if days > 0 else dg.DefaultSensorStatus.STOPPED,
        description=f"Removes runs that ended more than {days:g} days ago (PALM_KEEP_RUN_DAYS), but no run "
        "that made what an asset shows now. Artifacts and releases are not touched.",
    )
    def remove_old_runs(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        if days <= 0:
            return dg.SkipReason("PALM_KEEP_RUN_DAYS is 0: nothing is removed")
        removed = remove_runs(context.instance, datetime.now(UTC) - timedelta(days=days))
        return dg.SkipReason(f"{removed} runs removed")

    return remove_old_runs


def remove_runs(instance: dg.DagsterInstance, before: datetime, *, seconds: float = TICK_BUDGET) -> int:
    """Remove runs that ended before a moment; the newest of each asset stay.

    Args:
        instance: with the history.
        before: when they ended at the latest.
        seconds: after which no further run is removed; the next call goes on.

    Returns:
        The number of removed runs.
    """
    newest = instance.get_latest_materialization_events(instance.all_asset_keys())
    kept = {event.run_id for event in newest.values() if event is not None}
    ended = dg.RunsFilter(statuses=ENDED, updated_before=before)
    deadline, removed = time.monotonic() + seconds, 0
    while True:
        old = instance.get_run_records(ended, limit=RUNS_PER_QUERY + len(kept), ascending=True)
        chosen = [record.dagster_run.run_id for record in old if record.dagster_run.run_id not in kept]
        for run_id in chosen:
            if time.monotonic() >= deadline:
                return removed
            instance.delete_run(run_id)
            removed += 1
        if not chosen:
            return removed
