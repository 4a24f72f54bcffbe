"""Runs the job of a preset in this process, as `make pipeline` does: `python -m pipelines PRESET`.

The run is that of the UI's job: it has its name, config and tags.
"""

from __future__ import annotations

import functools
import os
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dagster as dg
from dagster._core.remote_origin import (
    ManagedGrpcPythonEnvCodeLocationOrigin,
    RemoteJobOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin

from palm_assets.errors import TrainingStoppedError
from pipelines.automation import RetrainingSettings
from pipelines.definitions import definitions
from pipelines.failures import describe_failure
from pipelines.jobs import presets_folder
from pipelines.run_inputs import TAG_PREFIX
from pipelines.run_tags import run_tags

_UNSET = re.compile('environment variable "([^"]+)" which is not set')
_INTERRUPTIONS = {dg.DagsterExecutionInterruptedError.__name__, TrainingStoppedError.__name__}
LOCATION, MODULE, REPOSITORY = "palms", "pipelines.definitions", "__repository__"  # as in workspace.yaml
CONSOLE = {"console": {"config": {"log_level": "INFO"}}}


@dataclass(frozen=True)
class Outcome:
    """How a run ended.

    Attributes:
        run_id: of the run; "" if its config is not usable, so that there was none.
        success: whether it made everything and released the model.
        refused: whether nothing but a check of the gate ended it.
        error: what ended it, in one line; "" after a success.
        checks: the failed checks: name, values, and reason, which gives each violated value with its bound.
        model: version of the model that was released or refused; "" if there is none.
        interrupted: whether a person ended it (Ctrl-C).
    """

    run_id: str
    success: bool
    refused: bool = False
    error: str = ""
    checks: list[dict[str, object]] = field(default_factory=list)
    model: str = ""
    interrupted: bool = False


def run_preset(name: str) -> Outcome:
    """Run the job of a preset of PALM_PRESETS on PALM_HOME, in this process.

    Raises:
        ValueError: there is no preset of this name; the message lists all.
    """
    home, settings = Path(os.environ.get("PALM_HOME") or "palm_home"), RetrainingSettings(preset=name)
    job = definitions(home, settings, presets_folder()).resolve_job_def(name.replace("-", "_"))
    with dg.DagsterInstance.get() as instance:
        try:
            # Dagster's own events are in the UI; the console shows what the assets log.
            config = {**(job.run_config or {}), "loggers": CONSOLE}
            _record_origin(instance, job)
            tags = {".dagster/repository": f"{REPOSITORY}@{LOCATION}"}  # Dagster's launchers set it
            result = job.execute_in_process(config, instance=instance, raise_on_error=False, tags=tags)
        except dg.DagsterInvalidConfigError as error:
            return Outcome("", False, error="; ".join(map(_problem, error.errors)))
        model = run_tags(instance, result.run_id).get(f"{TAG_PREFIX}dcgan_checkpoint", "").partition("/")[2]
        if result.success:
            return Outcome(result.run_id, True, model=model)
        run = instance.get_run_by_id(result.run_id)
        assert run is not None
        report = describe_failure(instance, run)
        first = next(iter(str(report["error"]).splitlines()), "")
        interrupted = any(
            map(
                _is_interruption,
                result.filter_events(lambda event: event.is_step_failure or event.is_run_failure),
            )
        )
        if interrupted:  # Dagster knows a cancellation only from its UI, and calls this a failure
            instance.report_run_canceled(run, "Canceled with Ctrl-C. The same command goes on from here.")
        refused = report["outcome"] == "refused"
        return Outcome(result.run_id, False, refused, first, report["checks"], model, interrupted)


def _record_origin(instance: dg.DagsterInstance, job: dg.JobDefinition) -> None:
    """Record with each run that `instance` creates that its job is that of the code location.

    Without, a run is missing in the timeline, the first page of the UI. `execute_in_process` has no
    parameter for it.
    """
    location = ManagedGrpcPythonEnvCodeLocationOrigin(
        LoadableTargetOrigin(executable_path=sys.executable, module_name=MODULE), LOCATION
    )
    origin = RemoteJobOrigin(RemoteRepositoryOrigin(location, REPOSITORY), job.name)
    create = functools.partial(instance.create_run_for_job, remote_job_origin=origin)
    instance.create_run_for_job = create  # type: ignore[method-assign]


def _is_interruption(failure: dg.DagsterEvent) -> bool:
    """Whether Ctrl-C ended a step, or the run between two; Dagster or the training process notices it."""
    if failure.is_run_failure:
        error, report = failure.job_failure_data.error, None
    else:
        error, report = failure.step_failure_data.error, failure.step_failure_data.user_failure_data
    names = [error.cls_name] if error is not None else []
    names += (
        [str(report.metadata["error"].value)] if report is not None and "error" in report.metadata else []
    )
    return not {*names}.isdisjoint(_INTERRUPTIONS)


def _problem(error: Any) -> str:
    """A wrong value of the config, in one line."""
    found = error.message if error.error_data is None else error.error_data.message
    if unset := _UNSET.search(str(found)):
        return f"The preset reads {unset[1]}, which is not set"
    return str(found).strip().split("PostProcessingError: ")[-1]
