"""`python -m pipelines PRESET`, as `make pipeline` runs it: a preset's job, and at the end what came of it.

Exit codes: 0 released; 1 failed or refused; 2 there is no such preset, or several are named;
130 interrupted.
"""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from dagster import BetaWarning, DagsterExecutionInterruptedError, PreviewWarning

from palm_assets.crops.config import CropConfig
from palm_assets.errors import ConfigError, PalmError
from palm_assets.release.config import GateConfig
from palm_assets.release.own_photographs import BOUNDS, CROPS, are_cropped
from palm_assets.release.run_config import GATE, parse_config
from palm_assets.sources.config import BoxesConfig, PhotosConfig
from palm_assets.store.artifacts import Store
from pipelines.jobs import Preset, presets_folder, read_presets
from pipelines.summary import (
    command,
    failure_summary,
    interruption_summary,
    refusal_summary,
    success_summary,
    unknown_preset,
)

if TYPE_CHECKING:
    from pipelines.run import Outcome

USAGE, INTERRUPTED = 2, 130


def main(arguments: list[str]) -> int:
    """Run the preset that is named; `sample` if none is."""
    for kind in (BetaWarning, PreviewWarning):  # about Dagster's own use of them
        warnings.simplefilter("ignore", kind)
    if len(arguments) > 1:
        return _say(f"Name one preset, not {len(arguments)}: {' '.join(arguments)}", USAGE)
    name, folder = (arguments or ["sample"])[0], presets_folder()
    try:
        presets = read_presets(folder)
    except PalmError as error:
        return _say(failure_summary(str(error), command(name)), 1)
    if name not in presets:
        about = {preset.name: preset.description for preset in presets.values()}
        return _say(unknown_preset(name, about, folder), USAGE)
    store, started, again = Store(), datetime.now(UTC), command(name, presets[name].variables)
    try:
        if arguments_of_check := _photographs_to_check(presets[name], store):
            check = [sys.executable, "-m", "palm_assets", "check", *arguments_of_check]
            if code := subprocess.run(check, check=False).returncode:
                return code
        outcome = _run(name)
        if outcome.success:
            print(success_summary(store, outcome.model))
            return 0
        if outcome.interrupted:
            return _say(interruption_summary(store, again, started), INTERRUPTED)
        if outcome.refused and outcome.model:
            return _say(refusal_summary(store, outcome.model, again, outcome.checks), 1)
        return _say(failure_summary(outcome.error, again, outcome.checks), 1)
    except (KeyboardInterrupt, DagsterExecutionInterruptedError):
        return _say(interruption_summary(store, again, started), INTERRUPTED)
    except PalmError as error:
        return _say(failure_summary(str(error), again), 1)


def _run(name: str) -> Outcome:
    """Run a preset, also if its folder lacks the active preset of the UI."""
    variable = "PALM_RETRAIN_PRESET"
    before = os.environ.get(variable)
    os.environ[variable] = name  # read when the definitions are imported
    try:
        from pipelines.run import run_preset
    finally:
        os.environ.pop(variable)
        if before is not None:
            os.environ[variable] = before
    return run_preset(name)


def _photographs_to_check(preset: Preset, store: Store) -> list[str]:
    """Arguments of `palms check` for a preset that does with a folder what the preset `own` does, else none.

    What it finds is said before hours of work: who is on the photographs, and whether they are enough. With
    other bounds or crops it would say something else than the run, and what it cannot read the run reports.
    What an earlier run has cropped was checked then.
    """
    try:
        photos = parse_config("raw_hands", PhotosConfig, preset.assets.get("raw_hands", {}))
        boxes = parse_config("raw_palm_boxes", BoxesConfig, preset.assets.get("raw_palm_boxes", {}))
        crops = parse_config("cropped_palms", CropConfig, preset.assets.get("cropped_palms", {}))
        bounds = parse_config(GATE, GateConfig, preset.resources.get(GATE, {}))
    except ConfigError:
        return []
    checked = PhotosConfig(source="folder", folder=photos.folder or ".", loose_photos=photos.loose_photos)
    if (photos, boxes.source, crops, bounds) != (checked, "none", CROPS, BOUNDS):
        return []
    folder = Path(photos.folder or "").expanduser()
    if not folder.is_dir() or are_cropped(store, photos):
        return []
    return [str(folder.absolute()), "--loose-photos", photos.loose_photos, "--before-training"]


def _say(text: str, code: int) -> int:
    print(text, file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
