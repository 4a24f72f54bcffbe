"""Training in a process of its own, which streams its log lines and metrics while it runs."""

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

import palm_assets.errors
from palm_assets.errors import PalmError
from palm_assets.stages.make import Runner
from palm_assets.stages.training_job import TrainingJob

RETRIES = 2
SECONDS_TO_LOOK = 0.01
SECONDS_TO_SAVE = 9  # from a cancellation until the trainer must be gone; it gives itself a second less


def in_another_process(context: dg.AssetExecutionContext) -> Runner:
    """A runner that trains in a process of its own, and survives its crash.

    Log lines arrive as they are written; each report becomes an observation of the asset, with metrics and a
    sample grid. A cancellation is passed on, and the trainer saves its state before it goes.
    """
    client = dg.PipesSubprocessClient(
        forward_termination=True,
        termination_timeout_seconds=SECONDS_TO_SAVE,
        message_reader=_Observing(context),
    )

    def run(job: TrainingJob) -> dict[str, Any]:
        with tempfile.TemporaryDirectory() as folder:
            answer = Path(folder) / "answer.json"
            command = [sys.executable, "-m", "palm_assets.stages.worker"]
            try:
                extras = {"job": job.model_dump(mode="json"), "answer": str(answer)}
                client.run(context=context, command=command, extras=extras)
            except Exception as error:
                # A refusal is told by its own error; anything else is the crash that Pipes reports, after
                # which the trainer goes on where it last saved. A retry policy would do so after a
                # cancellation, too.
                if answer.is_file():
                    raise _refusal(json.loads(answer.read_text())) from None
                raise dg.RetryRequested(max_retries=RETRIES, seconds_to_wait=2) from error
            facts: dict[str, Any] = json.loads(answer.read_text())["facts"]
            return facts

    return run


class _Observing(dg.PipesMessageReader):
    """Reads what the trainer writes into a file, and turns its own messages into observations at once.

    Dagster's reader of such a file takes half a line for a whole one if it looks while a grid is being
    written, and reads no further. It also hands over custom messages at the end only.
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
            for line in whole_lines(path, ended.is_set):
                message = json.loads(line)
                if message["method"] == "report_custom_message":
                    observe(self._context, **message["params"]["payload"])
                else:
                    handler.handle_message(message)
        except Exception:
            handler.report_pipes_framework_exception(type(self).__name__, sys.exc_info())
            raise

    def no_messages_debug_text(self) -> str:
        return "The trainer should have written them into a file."


def whole_lines(path: Path, ended: Callable[[], bool]) -> Iterator[str]:
    """The lines of a file that another process appends to, until it has ended; never a part of one."""
    with path.open(encoding="utf-8") as file:
        line = ""
        while True:
            complete = ended()  # asked before: whatever was written until then is read
            piece = file.readline()
            line += piece
            if line.endswith("\n"):
                yield line
                line = ""
            elif not piece:
                if complete:
                    return
                time.sleep(SECONDS_TO_LOOK)


def observe(context: dg.AssetExecutionContext, metrics: dict[str, float], image: str | None = None) -> None:
    """Record how training is doing: metrics, which the UI plots, and a JPEG in base64."""
    metadata: dict[str, Any] = dict(metrics)
    if image is not None:
        metadata["samples"] = dg.MetadataValue.md(f"![samples](data:image/jpeg;base64,{image})")
    context.log_event(dg.AssetObservation(context.asset_key, metadata=metadata))


def _refusal(answer: dict[str, Any]) -> PalmError:
    details = answer["error"]
    kind: type[PalmError] = getattr(palm_assets.errors, answer["type"], PalmError)
    return kind(details["what"], where=details["where"], hint=details["hint"])
