"""Runs the job of a preset in this process, as `make pipeline` does: `python -m pipelines.run PRESET`.

The run is that of the UI's job: it has its name, config and tags. Exits 1 if the run fails or is refused.
"""

from __future__ import annotations

import argparse
import os
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dagster as dg

from pipelines.automation import RetrainingSettings
from pipelines.definitions import definitions
from pipelines.failures import describe_failure
from pipelines.jobs import presets_folder, read_presets


@dataclass(frozen=True)
class Outcome:
    """How a run ended.

    Attributes:
        run_id: of the run; "" if its config is not usable, so that there was none.
        success: whether it made everything and released the model.
        refused: whether nothing but a check of the gate ended it.
        error: what ended it, in one line; "" after a success.
        checks: the failed checks: name, values, and reason, which gives each violated value with its bound.
    """

    run_id: str
    success: bool
    refused: bool = False
    error: str = ""
    checks: list[dict[str, object]] = field(default_factory=list)


def run_preset(name: str) -> Outcome:
    """Run the job of a preset of PALM_PRESETS on PALM_HOME, in this process.

    Raises:
        ValueError: there is no preset of this name; the message lists all.
    """
    home, settings = Path(os.environ.get("PALM_HOME") or "palm_home"), RetrainingSettings(preset=name)
    job = definitions(home, settings, presets_folder()).resolve_job_def(name.replace("-", "_"))
    with dg.DagsterInstance.get() as instance:
        try:
            result = job.execute_in_process(instance=instance, raise_on_error=False)
        except dg.DagsterInvalidConfigError as error:
            return Outcome("", False, error="; ".join(map(_problem, error.errors)))
        if result.success:
            return Outcome(result.run_id, True)
        run = instance.get_run_by_id(result.run_id)
        assert run is not None
        told = describe_failure(instance, run)
        first = next(iter(str(told["error"]).splitlines()), "")
        return Outcome(result.run_id, False, told["outcome"] == "refused", first, told["checks"])


def _problem(error: Any) -> str:
    """A wrong value of the config, in one line."""
    found = error.message if error.error_data is None else error.error_data.message
    return str(found).strip().split("PostProcessingError: ")[-1]


def main() -> None:
    """Run the preset that is named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("preset", choices=sorted(read_presets(presets_folder())))
    outcome = run_preset(parser.parse_args().preset)
    if not outcome.success:
        sys.exit(outcome.error)


if __name__ == "__main__":
    main()
