"""Everything that Dagster loads: `dagster dev -w workspace.yaml`, or `-m pipelines.definitions`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import dagster as dg
import yaml

from pipelines import assets, checks
from pipelines.automation import RetrainingSettings, automation_sensor, kaggle_sensor, retrain_schedule
from pipelines.failures import failure_sensor
from pipelines.resources import ArtifactIOManager, GateResource, RetentionResource, StoreResource

PRESETS = Path(__file__).parent / "presets"
os.environ.setdefault("PALM_LOOSE_PHOTOS", "refuse")  # of the preset `own`; Dagster has no default of its own


def preset_job(path: Path) -> dg.UnresolvedAssetJobDefinition:
    """A job that materializes all assets with the config of one preset; its comments are the description."""
    text = path.read_text(encoding="utf-8")
    comments = [line[1:].strip() for line in text.splitlines() if line.startswith("#")]
    return dg.define_asset_job(
        path.stem.replace("-", "_"),
        selection="*",
        config=yaml.safe_load(text),
        description=" ".join(comments),
    )


def definitions(
    home: Path, retraining: RetrainingSettings | None = None, presets: Path = PRESETS
) -> dg.Definitions:
    """The assets over the artifact store in `home`, with a job for each preset in a folder.

    Raises:
        ValueError: there is no preset of the name that retraining asks for.
    """
    store = StoreResource(home=str(home))
    settings = retraining or RetrainingSettings()
    jobs = {path.stem: preset_job(path) for path in sorted(presets.glob("*.yaml"))}
    if settings.preset not in jobs:
        raise ValueError(f"PALM_RETRAIN_PRESET must be one of {', '.join(jobs)}, not {settings.preset}")
    job = jobs[settings.preset]
    config: dict[str, Any] = yaml.safe_load((presets / f"{settings.preset}.yaml").read_text(encoding="utf-8"))
    return dg.Definitions(
        assets=dg.load_assets_from_modules([assets]),
        asset_checks=dg.load_asset_checks_from_modules([checks]),
        jobs=list(jobs.values()),
        schedules=[retrain_schedule(settings, job, config)],
        sensors=[
            kaggle_sensor(settings, job, config),
            automation_sensor(settings, config),
            failure_sensor(settings.failure_command),
        ],
        resources={
            "store": store,
            "gate": GateResource(),
            "retention": RetentionResource(),
            "io_manager": ArtifactIOManager(store=store),
        },
        # All steps in one process: importing torch for each step takes longer than most steps, and training,
        # the one thing that may crash, has a process of its own.
        executor=dg.in_process_executor,
    )


defs = definitions(
    Path(os.environ.get("PALM_HOME", "palm_home")),
    RetrainingSettings.from_environment(),
    Path(os.environ.get("PALM_PRESETS", PRESETS)),
)
