"""Everything that Dagster loads: `dagster dev -w workspace.yaml`, or `-m pipelines.definitions`."""

from __future__ import annotations

import os
from pathlib import Path

import dagster as dg

from palm_assets.release.config import GateConfig
from palm_assets.release.retention import RetentionConfig
from pipelines import checks
from pipelines.assets import page_asset, pipeline_assets
from pipelines.automation import RetrainingSettings, automation_sensor, kaggle_sensor, retrain_schedule
from pipelines.code_references import with_code_references
from pipelines.console import console_logger
from pipelines.failures import failure_sensor
from pipelines.history import history_sensor
from pipelines.jobs import PRESETS, preset_job, presets_folder, read_presets
from pipelines.reporting import page_url
from pipelines.resources import artifact_io_manager, config_resource, store_resource


def definitions(
    home: Path, retraining: RetrainingSettings | None = None, presets: Path = PRESETS
) -> dg.Definitions:
    """The assets over the artifact store in `home`, with a job for each preset in a folder.

    The values of the active preset are the defaults of all configs, so that what the UI materializes
    without a config is made by it.

    Raises:
        ValueError: there is no preset of the name that retraining asks for.
    """
    settings = retraining or RetrainingSettings()
    found = read_presets(presets)
    if settings.preset not in found:
        raise ValueError(f"PALM_RETRAIN_PRESET must be one of {', '.join(found)}, not {settings.preset}")
    in_force = found[settings.preset]
    jobs = {name: preset_job(preset, in_force) for name, preset in found.items()}
    job, config = jobs[settings.preset], in_force.config
    store = store_resource(home, {**in_force.assets, **in_force.resources})
    gate = config_resource("gate", GateConfig, in_force.resources.get("gate", {}))
    retention = config_resource("retention", RetentionConfig, in_force.resources.get("retention", {}))
    return dg.Definitions(
        assets=[
            *with_code_references(pipeline_assets(in_force.assets)),
            page_asset(page_url()),
        ],
        asset_checks=dg.load_asset_checks_from_modules([checks]),
        jobs=list(jobs.values()),
        schedules=[retrain_schedule(settings, job, config)],
        sensors=[
            kaggle_sensor(settings, job, config),
            automation_sensor(settings, config),
            failure_sensor(settings.failure_command),
            history_sensor(settings.keep_run_days),
        ],
        resources={
            "store": store,
            "gate": gate,
            "retention": retention,
            "io_manager": artifact_io_manager,
        },
        loggers={"console": console_logger},
        # All steps in one process: importing torch for each step takes longer than most steps, and training,
        # the one thing that may crash, has a process of its own.
        executor=dg.in_process_executor,
    )


defs = definitions(
    Path(os.environ.get("PALM_HOME") or "palm_home"),
    RetrainingSettings.from_environment(),
    presets_folder(),
)
