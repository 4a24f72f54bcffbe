"""The console of `make pipeline`: what the assets log, and the stacks of crashes alone."""

from __future__ import annotations

import logging

import dagster as dg

from palm_assets import errors

TYPED_ERRORS = {
    name for name, value in vars(errors).items() if isinstance(value, type) and issubclass(value, Exception)
}
_SKIPPED_STEP = ("Dependencies for step ", " Not executing.")  # one line for each step after the failed one


def _make(context: dg.InitLoggerContext) -> logging.Logger:
    made: logging.Logger = dg.colored_console_logger.logger_fn(context)
    made.addFilter(is_shown)
    return made


console_logger = dg.LoggerDefinition(
    _make,
    config_schema=dg.colored_console_logger.config_schema,
    description="Dagster's console, without what the last line of the command says.",
)


def is_shown(record: logging.LogRecord) -> bool:
    """Whether a line of the log is shown: not the failure of a step by a typed error, nor skipped steps.

    A typed error, also a refusal by the gate, is the last line of the command. Any other failure is a fault
    of the program or the machine, and is shown with its stack.
    """
    metadata = getattr(record, "dagster_meta", {})
    message, event = metadata.get("orig_message", ""), metadata.get("dagster_event")
    if event is None:
        return not (message.startswith(_SKIPPED_STEP[0]) and message.endswith(_SKIPPED_STEP[1]))
    if event.is_job_failure:
        event = event.job_failure_data.first_step_failure_event
    return event is None or not event.is_step_failure or not _is_typed(event)


def _is_typed(failure: dg.DagsterEvent) -> bool:
    """Whether a step ended by a typed error: see `failures_in_one_line` and `refusal_failure`."""
    data = failure.step_failure_data.user_failure_data
    return data is not None and "error" in data.metadata and data.metadata["error"].value in TYPED_ERRORS
