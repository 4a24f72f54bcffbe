"""Retraining without a person: on a schedule, on a new version of a Kaggle set, or on changed data.

All of it is off until a person turns it on, in the UI or with PALM_RETRAIN=on. Every run goes through the
same release gate. A run that would train what another run trains already waits for it and reuses its result.
Runs on changed data ignore presets: they use each asset's default config.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import dagster as dg

from palm_assets.errors import PalmError
from palm_assets.sources.config import BoxesConfig, PhotosConfig

FRESHNESS_POLICY = dg.FreshnessPolicy.time_window(
    fail_window=timedelta(days=60), warn_window=timedelta(days=30)
)
# By data versions: an upstream asset that is materialized again, but has not changed, starts nothing.
ON_CHANGED_DATA = dg.AutomationCondition.eager().replace(
    "newly_updated", dg.AutomationCondition.data_version_changed()
)
IN_PROGRESS = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
]
RETRY_TAGS = {"dagster/max_retries": "1", "dagster/retry_strategy": "FROM_FAILURE"}
KAGGLE_POLL_SECONDS = 3600
FAILURE_COMMAND_TIMEOUT_SECONDS = 60


@dataclass(frozen=True)
class RetrainingSettings:
    """When to retrain, and what.

    Attributes:
        preset: name of a preset (PALM_RETRAIN_PRESET).
        cron: five fields, in UTC (PALM_RETRAIN_CRON).
        on: whether schedule and Kaggle sensor are on by default (PALM_RETRAIN=on).
        failure_command: receives each failed run as JSON on standard input (PALM_ON_FAILURE); "" for none.
    """

    preset: str = "sample"
    cron: str = "0 3 * * 0"
    on: bool = False
    failure_command: str = ""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> RetrainingSettings:
        """Read the four variables."""
        return cls(
            preset=environment.get("PALM_RETRAIN_PRESET") or cls.preset,
            cron=environment.get("PALM_RETRAIN_CRON") or cls.cron,
            on=environment.get("PALM_RETRAIN", "").lower() in ("on", "1", "true", "yes"),
            failure_command=environment.get("PALM_ON_FAILURE", ""),
        )


def retrain_schedule(
    settings: RetrainingSettings, job: dg.UnresolvedAssetJobDefinition, config: dict[str, Any]
) -> dg.ScheduleDefinition:
    """A run of the preset at each tick, with the tick's time as the DCGAN's seed."""

    @dg.schedule(
        job=job,
        name="retrain",
        cron_schedule=settings.cron,
        default_status=dg.DefaultScheduleStatus.RUNNING if settings.on else dg.DefaultScheduleStatus.STOPPED,
        description=f"Retrains the preset {settings.preset} with a new seed.",
    )
    def retrain(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        running = context.instance.get_runs(dg.RunsFilter(job_name=job.name, statuses=IN_PROGRESS), limit=1)
        if running:
            return dg.SkipReason(f"run {running[0].run_id} of the same job is in progress")
        seed = context.scheduled_execution_time.strftime("%Y%m%d%H%M")
        return dg.RunRequest(run_key=seed, run_config=with_seed(config, int(seed)), tags=RETRY_TAGS)

    return retrain


def with_seed(config: dict[str, Any], seed: int) -> dict[str, Any]:
    """The run config of a preset with another seed for the DCGAN."""
    ops = config["ops"]
    gan = ops.get("dcgan_checkpoint", {}).get("config", {})
    return {**config, "ops": {**ops, "dcgan_checkpoint": {"config": {**gan, "seed": seed}}}}


def kaggle_sensor(
    settings: RetrainingSettings, job: dg.UnresolvedAssetJobDefinition, config: dict[str, Any]
) -> dg.SensorDefinition:
    """A run of the preset when one of its Kaggle sets has a new version; the first tick only records them."""
    sets = watched_kaggle_sets(config)

    @dg.sensor(
        job=job,
        name="new_kaggle_version",
        minimum_interval_seconds=KAGGLE_POLL_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING if settings.on else dg.DefaultSensorStatus.STOPPED,
        description=f"Watches {', '.join(sets) or 'nothing: the preset uses no Kaggle set'}.",
    )
    def new_kaggle_version(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        from palm_assets.sources.kaggle import newest_version

        before: dict[str, int] = json.loads(context.cursor or "{}")
        try:
            now = {name: newest_version(name) for name in sets}
        except PalmError as error:
            return dg.SkipReason(str(error))
        changed = any(name in before and now[name] != before[name] for name in sets)
        request = dg.RunRequest(run_key=json.dumps(now), run_config=config, tags=RETRY_TAGS)
        return dg.SensorResult(
            run_requests=[request] if changed else [],
            skip_reason=None if changed else f"no new version: {json.dumps(now)}",
            cursor=json.dumps(now),
        )

    return new_kaggle_version


def watched_kaggle_sets(config: dict[str, Any]) -> list[str]:
    """The Kaggle sets of a preset whose newest version is used."""
    return list(_unpinned(config, {"raw_hands": PhotosConfig, "raw_palm_boxes": BoxesConfig}))


def _unpinned(
    config: dict[str, Any], config_types: Mapping[str, type[PhotosConfig | BoxesConfig]]
) -> Iterator[str]:
    for asset, config_type in config_types.items():
        values = config["ops"].get(asset, {}).get("config", {})
        if values.get("source") == "kaggle" and values.get("kaggle_version") is None:
            yield values.get("kaggle_set") or config_type.model_fields["kaggle_set"].default


def failure_sensor(settings: RetrainingSettings) -> dg.SensorDefinition:
    """Runs a command for each failed run, which it receives as JSON: the run, its failed steps, the error."""

    @dg.run_failure_sensor(
        name="run_failure_command",
        default_status=dg.DefaultSensorStatus.RUNNING
        if settings.failure_command
        else dg.DefaultSensorStatus.STOPPED,
        description="Runs the command PALM_ON_FAILURE for each failed run, which it receives as JSON.",
    )
    def run_failure_command(context: dg.RunFailureSensorContext) -> None:
        failed_run = {
            "run": context.dagster_run.run_id,
            "job": context.dagster_run.job_name,
            "steps": [event.step_key for event in context.get_step_failure_events()],
            "error": context.failure_event.message,
        }
        context.log.info(json.dumps(failed_run))
        if settings.failure_command:
            subprocess.run(
                shlex.split(settings.failure_command),
                input=json.dumps(failed_run),
                text=True,
                timeout=FAILURE_COMMAND_TIMEOUT_SECONDS,
                check=True,
            )

    return run_failure_command
