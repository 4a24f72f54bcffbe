"""Training in a process of its own, which streams its log lines and metrics to Dagster while it runs."""

import json
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dagster as dg
import dagster_pipes as dg_pipes

from palm_assets.stages.training import Runner
from palm_assets.stages.training_job import JobOutcome, TrainingJob
from pipelines.reporting import metrics_metadata

MAX_RETRIES = 2
SECONDS_BEFORE_RETRY = 2
POLL_SECONDS = 0.01
SECONDS_TO_SAVE = 9  # from a cancellation until the process is killed; it gives itself a second less


def subprocess_runner(context: dg.AssetExecutionContext) -> Runner:
    """A runner that trains in a process of its own.

    Log lines appear in the run as they are written; each report becomes an observation of the asset, with
    metrics and a sample grid. On a cancellation the process saves its state before it ends. If it crashes,
    the step is retried and resumes from the saved state.
    """
    client = dg.PipesSubprocessClient(
        forward_termination=True,
        termination_timeout_seconds=SECONDS_TO_SAVE,
        message_reader=_MessageFileReader(context),
    )

    def run(job: TrainingJob) -> dict[str, Any]:
        with tempfile.TemporaryDirectory() as folder:
            outcome_file = Path(folder) / "outcome.json"
            extras = {"job": job.model_dump(mode="json"), "outcome_file": str(outcome_file)}
            command = [sys.executable, "-m", "palm_assets.stages.worker"]
            try:
                client.run(context=context, command=command, extras=extras)
            except Exception as error:
                # Without an outcome the process crashed. A retry policy of the asset would also retry after a
                # cancellation.
                if not outcome_file.is_file():
                    if context.retry_number >= MAX_RETRIES:
                        raise _crashed(error) from error
                    raise dg.RetryRequested(
                        max_retries=MAX_RETRIES, seconds_to_wait=SECONDS_BEFORE_RETRY
                    ) from error
            return JobOutcome.model_validate_json(outcome_file.read_bytes()).facts_or_raise()

    return run


def _crashed(error: Exception) -> dg.Failure:
    """The failure after the last retry, which says what ended the process."""
    what = " ".join(str(error).split()) or type(error).__name__
    return dg.Failure(
        description=f"The training process ended {MAX_RETRIES + 1} times without a result: {what}. Start the "
        "run again to go on from the saved state. If it was killed (signal 9), the machine may lack memory.",
        metadata={"error": type(error).__name__},
        allow_retries=False,
    )


class _MessageFileReader(dg.PipesMessageReader):
    """Reads the messages that the trainer appends to a file, and records its reports while it runs.

    Dagster's own file reader takes half a line for a whole one if it reads while a grid is being written, and
    then stops. It also delivers custom messages only at the end.
    """

    def __init__(self, context: dg.AssetExecutionContext) -> None:
        self._context = context

    @contextmanager
    def read_messages(self, handler: dg.PipesMessageHandler) -> Iterator[dict[str, Any]]:
        with tempfile.TemporaryDirectory() as folder:
            path, ended = Path(folder) / "messages", threading.Event()
            path.touch()
            thread = threading.Thread(target=self._read, args=(path, handler, ended), daemon=True)
            thread.start()
            try:
                yield {dg_pipes.PipesDefaultMessageWriter.FILE_PATH_KEY: str(path)}
            finally:
                ended.set()
                thread.join()

    def _read(self, path: Path, handler: dg.PipesMessageHandler, ended: threading.Event) -> None:
        try:
            for line in complete_lines(path, ended.is_set):
                message = json.loads(line)
                if message["method"] == "report_custom_message":
                    record_observation(self._context, **message["params"]["payload"])
                else:
                    handler.handle_message(message)
        except Exception:
            handler.report_pipes_framework_exception(type(self).__name__, sys.exc_info())
            raise

    def no_messages_debug_text(self) -> str:
        return "The trainer should have written messages to a file."


def complete_lines(path: Path, ended: Callable[[], bool]) -> Iterator[str]:
    """The complete lines of a file that another process appends to, until `ended()` is true."""
    with path.open(encoding="utf-8") as file:
        line = ""
        while True:
            last_read = ended()  # before reading: whatever was written until then is read
            part = file.readline()
            line += part
            if line.endswith("\n"):
                yield line
                line = ""
            elif not part:
                if last_read:
                    return
                time.sleep(POLL_SECONDS)


def record_observation(
    context: dg.AssetExecutionContext, metrics: dict[str, float], image: str | None = None
) -> None:
    """Record the state of a training: metrics, which the UI plots, and a sample grid (a JPEG in base64)."""
    metadata: dict[str, Any] = {**metrics_metadata(metrics)}
    if image is not None:
        metadata["samples"] = dg.MetadataValue.md(f"![samples](data:image/jpeg;base64,{image})")
    context.log_event(dg.AssetObservation(context.asset_key, metadata=metadata))
