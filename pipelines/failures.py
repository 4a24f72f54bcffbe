"""Failed runs: which of them the release gate refused, and a command that each is reported to.

A refusal is an answer, not an accident: the same data and seed are refused again, so the run is not retried.
"""

from __future__ import annotations

import json
import shlex
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import dagster as dg
from pydantic import BaseModel, ConfigDict, ValidationError

from pipelines.run_tags import set_run_tags

MAX_RETRIES_TAG, WILL_RETRY_TAG = "dagster/max_retries", "dagster/will_retry"
REFUSED_TAG, REFUSED, MAX_TAG = "refused", "RefusedError", 200
COMMAND_TIMEOUT_SECONDS = 20
# Dagster gives a tick a minute: this, and a command that hangs, fit into it.
SECONDS_OF_COMMANDS = 20
RUNS_PER_TICK = 100
CHECK_FAILED = "DagsterAssetCheckFailedError"


def refuse_run(instance: dg.DagsterInstance, run_id: str, reason: str) -> None:
    """Mark a run as refused by the gate: it is not retried, and the list of runs says why."""
    shown = reason if len(reason) <= MAX_TAG else f"{reason[: MAX_TAG - 1]}…"
    set_run_tags(instance, run_id, {MAX_RETRIES_TAG: "0", REFUSED_TAG: shown})


def refusal_failure(reason: str) -> dg.Failure:
    """The failure of a step whose checks refuse: it says why, in its first line."""
    return dg.Failure(description=f"Refused: {reason}", metadata={"error": REFUSED}, allow_retries=False)


def describe_failure(instance: dg.DagsterInstance, run: dg.DagsterRun) -> dict[str, Any]:
    """A failed run as JSON: what the command of PALM_ON_FAILURE receives.

    Returns:
        run: its id.
        job: its name.
        outcome: "refused" if nothing but checks of the release gate ended it, else "failed".
        steps: keys of the failed steps.
        error: the first one's, in one line or more; that of the run if no step failed.
        checks: the failed checks: name, values, and reason, which gives each violated value with its bound.
        will_retry: whether Dagster starts the run again.
    """
    failed = [
        entry.dagster_event
        for entry in instance.all_logs(run.run_id, of_type=dg.DagsterEventType.STEP_FAILURE)
        if entry.dagster_event is not None
    ]
    reasons = [
        entry.dagster_event
        for entry in instance.all_logs(run.run_id, of_type=dg.DagsterEventType.RUN_FAILURE)
    ]
    errors = [_error(event) for event in failed] or [event.message or "" for event in reasons if event]
    return {
        "run": run.run_id,
        "job": run.job_name,
        "outcome": "refused" if failed and all(map(_is_refusal, failed)) else "failed",
        "steps": [event.step_key for event in failed],
        "error": next(iter(errors), ""),
        "checks": [*_failed_checks(instance, run.run_id)] or [*_refused_releases(failed)],
        "will_retry": run.tags.get(WILL_RETRY_TAG) == "true",
    }


def is_refused(instance: dg.DagsterInstance, run: dg.DagsterRun) -> bool:
    """Whether nothing but checks of the release gate ended a run."""
    return bool(describe_failure(instance, run)["outcome"] == "refused")


def _error(event: dg.DagsterEvent) -> str:
    """The line that was meant for people if there is one, else Dagster's."""
    data = event.step_failure_data
    if data.user_failure_data is not None and data.user_failure_data.description:
        return data.user_failure_data.description
    return data.error.message.strip() if data.error is not None else event.message or ""


def _is_refusal(event: dg.DagsterEvent) -> bool:
    data = event.step_failure_data
    return _refused(event) or (data.error is not None and data.error.cls_name == CHECK_FAILED)


def _refused(event: dg.DagsterEvent) -> bool:
    """Whether the step raised a `RefusedError`: see `failures_in_one_line`."""
    data = event.step_failure_data.user_failure_data
    return data is not None and "error" in data.metadata and data.metadata["error"].value == REFUSED


def _failed_checks(instance: dg.DagsterInstance, run_id: str) -> Iterator[dict[str, Any]]:
    for entry in instance.all_logs(run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION):
        if entry.dagster_event is None:
            continue
        evaluation = entry.dagster_event.asset_check_evaluation_data
        if not evaluation.passed:
            values = {
                name: value.value
                for name, value in evaluation.metadata.items()
                if isinstance(value, dg.FloatMetadataValue | dg.IntMetadataValue)
            }
            yield {"check": evaluation.check_name, "reason": evaluation.description or "", "values": values}


def _refused_releases(failed: list[dg.DagsterEvent]) -> Iterator[dict[str, Any]]:
    for event in failed:
        if _refused(event):
            yield {"check": event.step_key, "reason": _error(event), "values": {}}


class AlertCursor(BaseModel):
    """What the sensor remembers: nothing of a failed run is lost before the command has succeeded.

    Attributes:
        after: storage id of the last event of a failed run that was taken up.
        pending: runs that were not reported yet, the next one first.
    """

    model_config = ConfigDict(frozen=True)

    after: int
    pending: tuple[str, ...] = ()


def failure_sensor(command: str) -> dg.SensorDefinition:
    """A sensor that runs a command for each failed run of the instance.

    The command receives `describe_failure` as JSON on standard input. If it fails or hangs, the run is kept
    in the cursor, and reported again at the next ticks until the command succeeds; so a run may be reported
    twice. Dagster's own sensor of failed runs would drop it. The first tick only records where the log ends.

    Args:
        command: words as in a shell; "" for none: then the sensor is off, and only logs.
    """
    running = dg.DefaultSensorStatus.RUNNING if command else dg.DefaultSensorStatus.STOPPED

    @dg.sensor(
        name="run_failure_command",
        default_status=running,
        description="Runs the command PALM_ON_FAILURE for each failed run, which it receives as JSON.",
    )
    def run_failure_command(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        instance = context.instance
        try:
            before = AlertCursor.model_validate_json(context.cursor or "")
        except ValidationError:  # the first tick, or a cursor of Dagster's own sensor
            newest = _failed_runs(instance, None)
            after = max((storage_id for storage_id, _ in newest), default=-1)
            return dg.SensorResult(cursor=AlertCursor(after=after).model_dump_json(), skip_reason="started")
        new = _failed_runs(instance, before.after)
        after = max((storage_id for storage_id, _ in new), default=before.after)
        waiting = [*before.pending, *(run_id for _, run_id in new)]
        reported, problem = 0, ""
        deadline = time.monotonic() + SECONDS_OF_COMMANDS
        for run_id in list(waiting):
            run = instance.get_run_by_id(run_id)
            # Else deleted since, or ended by Ctrl-C, which `run_preset` reports as a cancellation.
            if run is not None and run.status != dg.DagsterRunStatus.CANCELED:
                failure = describe_failure(instance, run)
                context.log.info(json.dumps(failure, ensure_ascii=False))
                problem = _report(command, failure)
            waiting.remove(run_id)
            if problem:
                waiting.append(run_id)  # behind the others, which a failure of this one must not hold up
                context.log.error(f"PALM_ON_FAILURE, kept for the next tick: run {run_id}: {problem}")
                break
            reported += 1
            if time.monotonic() > deadline:
                break
        cursor = AlertCursor(after=after, pending=tuple(waiting)).model_dump_json()
        kept = f", {len(waiting)} kept for the next tick" if waiting else ""
        reason = f"{reported} failed runs reported{kept}{': ' if problem else ''}{problem}"
        return dg.SensorResult(cursor=cursor, skip_reason=reason)

    return run_failure_command


def _report(command: str, failure: dict[str, Any]) -> str:
    """Run the command; what went wrong in one line, or ""."""
    if not command:
        return ""
    try:
        subprocess.run(
            shlex.split(command),
            input=json.dumps(failure).encode(),
            timeout=COMMAND_TIMEOUT_SECONDS,
            check=True,
        )
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        return str(error)
    return ""


def _failed_runs(instance: dg.DagsterInstance, after: int | None) -> list[tuple[int, str]]:
    """Storage id and run of each event of a failed run after one, oldest first; of the newest one if None."""
    records = instance.fetch_run_status_changes(
        dg.RunStatusChangeRecordsFilter(dg.DagsterEventType.RUN_FAILURE, after_storage_id=after),
        limit=1 if after is None else RUNS_PER_TICK,
        ascending=after is not None,
    ).records
    return [(record.storage_id, record.event_log_entry.run_id) for record in records]
