"""Everything that Dagster loads: `dagster dev -w workspace.yaml` or `-m pipelines.definitions`."""

from __future__ import annotations

import os
from pathlib import Path

import dagster as dg
import yaml

from pipelines import assets
from pipelines.resources import ArtifactIOManager, PalmStore

PRESETS = Path(__file__).parent / "presets"


def preset_job(path: Path) -> dg.UnresolvedAssetJobDefinition:
    """The whole graph with the config of one preset, to be launched from the UI or by a schedule."""
    text = path.read_text()
    comments = [line[1:].strip() for line in text.splitlines() if line.startswith("#")]
    return dg.define_asset_job(
        path.stem.replace("-", "_"),
        selection="*",
        config=yaml.safe_load(text),
        description=" ".join(comments),
    )


def definitions(home: Path) -> dg.Definitions:
    """The graph over the artifact store under `home`."""
    palms = PalmStore(home=str(home))
    return dg.Definitions(
        assets=dg.load_assets_from_modules([assets]),
        jobs=[preset_job(path) for path in sorted(PRESETS.glob("*.yaml"))],
        resources={
            "palms": palms,
            "io_manager": ArtifactIOManager(palms=palms),
        },
        # Steps share one process: importing torch anew for every step costs more than most steps do, and
        # training, the one thing that may crash, has a process of its own anyway.
        executor=dg.in_process_executor,
    )


defs = definitions(Path(os.environ.get("PALM_HOME", "palm_home")))
