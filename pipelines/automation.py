"""Retraining without a person: on a schedule, on a new version of a Kaggle set, or on changed data.

All of it is off until a person turns it on, in the UI or with PALM_RETRAIN=on. Every run goes through the
same release gate, and has the config of the active preset, PALM_RETRAIN_PRESET. A run that would train what
another run trains already waits for it and reuses its result.
"""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
from dagster_shared.record import replace

from palm_assets.errors import PalmError
from palm_assets.sources.config import BoxesConfig, PhotosConfig
from pipelines.failures import is_refused

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
    dg.DagsterRunStatus.CANCELING,
]
RETRY_TAGS = {"dagster/max_retries": "1", "dagster/retry_strategy": "FROM_FAILURE"}
KAGGLE_POLL_SECONDS = 3600
KAGGLE_TAG = "palms.kaggle_versions"
MAX_HOURS_BETWEEN_ATTEMPTS = 24


@dataclass(frozen=True)
class RetrainingSettings:
    """When to retrain, and what.

    Attributes:
        preset: name of a preset (PALM_RETRAIN_PRESET).
        cron: five fields, in UTC (PALM_RETRAIN_CRON).
        on: whether schedule and Kaggle sensor are on by default (PALM_RETRAIN=on).
        failure_command: receives each failed run as JSON on standard input (PALM_ON_FAILURE); "" for none.
        keep_run_days: days after which a run is removed from Dagster's history (PALM_KEEP_RUN_DAYS); 0: none.
    """

    preset: str = "sample"
    cron: str = "0 3 * * 0"
    on: bool = False
    failure_command: str = ""
    keep_run_days: float = 365

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> RetrainingSettings:
        """Read the variables."""
        return cls(
            preset=environment.get("PALM_RETRAIN_PRESET") or cls.preset,
            cron=environment.get("PALM_RETRAIN_CRON") or cls.cron,
            on=environment.get("PALM_RETRAIN", "").lower() in ("on", "1", "true", "yes"),
            failure_command=environment.get("PALM_ON_FAILURE", ""),
            keep_run_days=float(environment.get("PALM_KEEP_RUN_DAYS") or cls.keep_run_days),
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
        tags = {**RETRY_TAGS, "seed": seed}
        return dg.RunRequest(run_key=seed, run_config=with_seed(config, int(seed)), tags=tags)

    return retrain


def with_seed(config: dict[str, Any], seed: int) -> dict[str, Any]:
    """The run config of a preset with another seed for the DCGAN."""
    ops = config["ops"]
    gan = ops.get("dcgan_checkpoint", {}).get("config", {})
    return {**config, "ops": {**ops, "dcgan_checkpoint": {"config": {**gan, "seed": seed}}}}


def kaggle_sensor(
    settings: RetrainingSettings, job: dg.UnresolvedAssetJobDefinition, config: dict[str, Any]
) -> dg.SensorDefinition:
    """A run of the preset when one of its Kaggle sets has a new version; the first tick only records them.

    The cursor holds the versions that were dealt with: a run of them succeeded, was refused by the release
    gate, or was canceled by a person. Until then the cursor stays, and after a failure another run is
    requested: 1, 2, 4 ... 24 hours later.
    """
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
        versions = json.dumps(now)
        if not any(name in before and now[name] != before[name] for name in sets):
            return dg.SensorResult(skip_reason=f"no new version: {versions}", cursor=versions)
        runs = context.instance.get_run_records(dg.RunsFilter(tags={KAGGLE_TAG: versions}))  # newest first
        if any(record.dagster_run.status in IN_PROGRESS for record in runs):
            return dg.SkipReason(f"a run of {versions} is in progress")
        if any(_is_dealt_with(context.instance, record.dagster_run) for record in runs):
            return dg.SensorResult(skip_reason=f"dealt with: {versions}", cursor=versions)
        if runs and datetime.now(UTC) < (next_at := _next_attempt(runs)):
            return dg.SkipReason(f"the run of {versions} failed; the next is at {next_at:%Y-%m-%d %H:%M} UTC")
        run_key = versions if not runs else f"{versions}, after {runs[0].dagster_run.run_id}"
        tags = {**RETRY_TAGS, KAGGLE_TAG: versions}
        return dg.SensorResult(run_requests=[dg.RunRequest(run_key=run_key, run_config=config, tags=tags)])

    return new_kaggle_version


def _is_dealt_with(instance: dg.DagsterInstance, run: dg.DagsterRun) -> bool:
    if run.status == dg.DagsterRunStatus.FAILURE:
        return is_refused(instance, run)
    return run.status in (dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.CANCELED)


def _next_attempt(runs: Sequence[dg.RunRecord]) -> datetime:
    """When to try again after failed runs, the newest first."""
    hours = min(2 ** (len(runs) - 1), MAX_HOURS_BETWEEN_ATTEMPTS)
    return runs[0].update_timestamp.replace(tzinfo=UTC) + timedelta(hours=hours)


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


class PresetAutomationSensor(dg.AutomationConditionSensorDefinition):
    """Evaluates automation conditions, and gives the runs on changed data the config of a preset.

    Dagster's own sensor gives them none: each asset would be made by its config's defaults, and a model with
    another recipe than the released one's would be trained. The conditions are evaluated in the code server,
    where requests can still be changed.
    """

    def __init__(self, config: dict[str, Any], **arguments: Any) -> None:
        self._preset = config
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", dg.BetaWarning)
            super().__init__(use_user_code_server=True, **arguments)

    def evaluate_tick(self, context: dg.SensorEvaluationContext) -> Any:
        """The result of Dagster's sensor, its run requests with config."""
        result = super().evaluate_tick(context)
        requests = [
            request._replace(run_config=config_of(self._preset, request.asset_selection or ()))
            for request in result.run_requests or ()
        ]
        return replace(result, run_requests=requests)


def automation_sensor(settings: RetrainingSettings, config: dict[str, Any]) -> dg.SensorDefinition:
    """Runs on changed data with the config of the preset; off until a person turns it on in the UI."""
    return PresetAutomationSensor(
        config,
        name="default_automation_condition_sensor",  # Dagster's name, so that it stays on where it is on
        target=dg.AssetSelection.all(),
        default_status=dg.DefaultSensorStatus.STOPPED,
        description=f"Makes assets again whose inputs changed, by the preset {settings.preset}.",
    )


def config_of(config: dict[str, Any], assets: Iterable[dg.AssetKey]) -> dict[str, Any]:
    """The part of a preset's run config that a run of some assets accepts."""
    names = {key.to_user_string() for key in assets}
    ops = {name: values for name, values in config["ops"].items() if name in names}
    return {**config, "ops": ops}
