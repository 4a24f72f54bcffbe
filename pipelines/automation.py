"""Retraining by itself: by the clock, by a new version of a Kaggle set, or by changed data.

All of it is off until a person turns it on, in the UI or with PALM_RETRAIN=on. Whatever starts a run, it goes
through the same gate; a run that would train what another one trains already waits for it and
then reuses its result. Runs by changed data know no preset: they use each form's defaults.
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

FRESH = dg.FreshnessPolicy.time_window(fail_window=timedelta(days=60), warn_window=timedelta(days=30))
# By data versions: an upstream asset that was materialized again and is the same starts nothing.
FOLLOWS_DATA = dg.AutomationCondition.eager().replace(
    "newly_updated", dg.AutomationCondition.data_version_changed()
)
IN_PROGRESS = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
]
RETRIED = {"dagster/max_retries": "1", "dagster/retry_strategy": "FROM_FAILURE"}
SECONDS_BETWEEN_LOOKS = 3600


@dataclass(frozen=True)
class Retraining:
    """When to retrain and what.

    Attributes:
        preset: name of a preset (PALM_RETRAIN_PRESET).
        cron: five fields, in UTC (PALM_RETRAIN_CRON).
        on: whether schedule and sensor run from the start (PALM_RETRAIN=on).
        on_failure: a command that is given a failed run's story on its standard input (PALM_ON_FAILURE).
    """

    preset: str = "sample"
    cron: str = "0 3 * * 0"
    on: bool = False
    on_failure: str = ""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Retraining:
        """Read the four variables."""
        return cls(
            environment.get("PALM_RETRAIN_PRESET") or cls.preset,
            environment.get("PALM_RETRAIN_CRON") or cls.cron,
            environment.get("PALM_RETRAIN", "").lower() in ("on", "1", "true", "yes"),
            environment.get("PALM_ON_FAILURE", ""),
        )


def retrain_schedule(
    settings: Retraining, job: dg.UnresolvedAssetJobDefinition, config: dict[str, Any]
) -> dg.ScheduleDefinition:
    """A run of the preset at each tick, from another seed each time: the gate lets only good ones through."""

    @dg.schedule(
        job=job,
        name="retrain",
        cron_schedule=settings.cron,
        default_status=dg.DefaultScheduleStatus.RUNNING if settings.on else dg.DefaultScheduleStatus.STOPPED,
        description=f"Trains the preset {settings.preset} again, from the tick's date as the seed.",
    )
    def retrain(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        busy = context.instance.get_runs(dg.RunsFilter(job_name=job.name, statuses=IN_PROGRESS), limit=1)
        if busy:
            return dg.SkipReason(f"run {busy[0].run_id} of the same job is not done yet")
        day = context.scheduled_execution_time.strftime("%Y%m%d%H%M")
        return dg.RunRequest(run_key=day, run_config=with_seed(config, int(day)), tags=RETRIED)

    return retrain


def with_seed(config: dict[str, Any], seed: int) -> dict[str, Any]:
    """A preset whose DCGAN starts from another seed."""
    ops = config["ops"]
    gan = ops.get("dcgan_checkpoint", {}).get("config", {})
    return {**config, "ops": {**ops, "dcgan_checkpoint": {"config": {**gan, "seed": seed}}}}


def kaggle_sensor(
    settings: Retraining, job: dg.UnresolvedAssetJobDefinition, config: dict[str, Any]
) -> dg.SensorDefinition:
    """A run of the preset when one of its Kaggle sets has a new version; the first look only notes them."""
    sets = kaggle_sets(config)

    @dg.sensor(
        job=job,
        name="new_kaggle_version",
        minimum_interval_seconds=SECONDS_BETWEEN_LOOKS,
        default_status=dg.DefaultSensorStatus.RUNNING if settings.on else dg.DefaultSensorStatus.STOPPED,
        description=f"Watches {', '.join(sets) or 'nothing: the preset uses no Kaggle set'}.",
    )
    def new_kaggle_version(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        from palm_assets.sources.kaggle import newest_version

        known: dict[str, int] = json.loads(context.cursor or "{}")
        try:
            now = {name: newest_version(name) for name in sets}
        except PalmError as error:
            return dg.SkipReason(str(error))
        changed = [
            f"{name} version {now[name]}" for name in sets if name in known and now[name] != known[name]
        ]
        requests = [dg.RunRequest(run_key=json.dumps(now), run_config=config, tags=RETRIED)]
        return dg.SensorResult(
            run_requests=requests if changed else [],
            skip_reason=None if changed else "nothing new: " + json.dumps(now),
            cursor=json.dumps(now),
        )

    return new_kaggle_version


def kaggle_sets(config: dict[str, Any]) -> list[str]:
    """The Kaggle sets of a preset that are not pinned to a version."""
    forms = {"raw_hands": PhotosConfig, "raw_palm_boxes": BoxesConfig}
    return list(_unpinned(config, forms))


def _unpinned(config: dict[str, Any], forms: Mapping[str, type[PhotosConfig | BoxesConfig]]) -> Iterator[str]:
    for asset, form in forms.items():
        given = config["ops"].get(asset, {}).get("config", {})
        if given.get("source") == "kaggle" and given.get("kaggle_version") is None:
            yield given.get("kaggle_set") or form.model_fields["kaggle_set"].default


def failure_sensor(settings: Retraining) -> dg.SensorDefinition:
    """Tells a command of failed runs: what failed and why, as JSON on its standard input."""

    @dg.run_failure_sensor(
        name="tell_of_failures",
        default_status=dg.DefaultSensorStatus.RUNNING
        if settings.on_failure
        else dg.DefaultSensorStatus.STOPPED,
        description="Runs the command PALM_ON_FAILURE with each failed run's story on its standard input.",
    )
    def tell_of_failures(context: dg.RunFailureSensorContext) -> None:
        steps = [event.step_key for event in context.get_step_failure_events()]
        why = context.failure_event.message
        story = {
            "run": context.dagster_run.run_id,
            "job": context.dagster_run.job_name,
            "steps": steps,
            "why": why,
        }
        context.log.info(json.dumps(story))
        if settings.on_failure:
            subprocess.run(
                shlex.split(settings.on_failure), input=json.dumps(story), text=True, timeout=60, check=True
            )

    return tell_of_failures
