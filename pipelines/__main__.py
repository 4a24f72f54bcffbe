"""`python -m pipelines PRESET`, as `make pipeline` runs it: a preset's job, and at the end what came of it.

Exit codes: 0 released; 1 failed or refused; 2 there is no such preset; 130 interrupted.
"""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from dagster import BetaWarning, DagsterExecutionInterruptedError, PreviewWarning

from palm_assets.errors import PalmError
from palm_assets.store.artifacts import Store
from pipelines.jobs import presets_folder, read_presets
from pipelines.summary import failure_summary, interruption_summary, success_summary, unknown_preset

if TYPE_CHECKING:
    from pipelines.run import Outcome

INTERRUPTED = 130


def main(arguments: list[str]) -> int:
    """Run the preset that is named; `sample` if none is."""
    for kind in (BetaWarning, PreviewWarning):  # about Dagster's own use of them
        warnings.simplefilter("ignore", kind)
    name, folder = (arguments or ["sample"])[0], presets_folder()
    config = read_presets(folder)
    presets = {preset.name: preset.description for preset in config.values()}
    if name not in presets:
        return _say(unknown_preset(name, presets, folder), 2)
    if folder_to_check := _photographs_without_boxes(config[name].config):
        checked = subprocess.run(
            [sys.executable, "-m", "palm_assets", "check", *folder_to_check], check=False
        )
        if checked.returncode:
            return checked.returncode
    store, started = Store(), datetime.now(UTC)
    try:
        outcome = _run(name)
        if outcome.success:
            print(success_summary(store, outcome.model))
            return 0
        if outcome.interrupted:
            return _say(interruption_summary(store, name, started), INTERRUPTED)
        return _say(failure_summary(outcome.error, name, outcome.checks), 1)
    except (KeyboardInterrupt, DagsterExecutionInterruptedError):
        return _say(interruption_summary(store, name, started), INTERRUPTED)
    except PalmError as error:
        return _say(failure_summary(str(error), name), 1)


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


def _photographs_without_boxes(config: Mapping[str, Any]) -> list[str]:
    """Arguments of `palms check` for a preset of photographs without labeled palms, else none.

    What it finds is said before hours of work: who is on the photographs, and whether they are enough.
    """
    ops = config.get("ops", {})
    photos, boxes = (ops.get(name, {}).get("config", {}) for name in ("raw_hands", "raw_palm_boxes"))
    folder, loose = _value(photos.get("folder")), _value(photos.get("loose_photos"))
    if photos.get("source") != "folder" or boxes.get("source") != "none" or not folder:
        return []
    return [folder, *(["--loose-photos", loose] if loose else [])]


def _value(setting: Any) -> str:
    """A setting of a preset, or of the environment variable that it names; "" if there is none."""
    if isinstance(setting, dict):
        return os.environ.get(str(setting.get("env")), "")
    return "" if setting is None else str(setting)


def _say(text: str, code: int) -> int:
    print(text, file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
