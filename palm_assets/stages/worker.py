"""The process of a training, started by Dagster Pipes: `python -m palm_assets.stages.worker`.

Dagster hands over the job and receives log lines and metrics while it runs. A crash ends this process alone.
"""

from __future__ import annotations

import base64
import os
import signal
import sys
import threading
from pathlib import Path

from PIL import Image

from palm_assets.errors import DiskFullError, PalmError
from palm_assets.image_grid import jpeg
from palm_assets.progress import ShouldStop
from palm_assets.runtime import configure, keep_freed_memory
from palm_assets.stages.training_job import TRAINING_JOB, JobOutcome, run_job
from palm_assets.store.atomic import write_atomically
from palm_assets.store.os_errors import FREE_SPACE, is_disk_full

EXIT_PALM_ERROR = 3
EXIT_TOO_SLOW = 4
SECONDS_TO_SAVE = 8.0
GRID_PIXELS = 512  # side of a sample grid; Dagster's event log keeps all of them


def _stop_on_signal() -> ShouldStop:
    """True after SIGTERM or SIGINT, or once the parent process is gone, which would publish the result.

    After a signal the process has `SECONDS_TO_SAVE` to end by itself; then it exits, and the state that was
    saved last counts.
    """
    stop = threading.Event()

    def on_signal(*_: object) -> None:
        stop.set()
        exit_timer = threading.Timer(SECONDS_TO_SAVE, os._exit, [EXIT_TOO_SLOW])
        exit_timer.daemon = True
        exit_timer.start()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, on_signal)
    parent = os.getppid()
    return lambda: stop.is_set() or os.getppid() != parent


def main() -> int:
    """Run the job from Dagster Pipes, and write its outcome to the file that Dagster names."""
    from dagster_pipes import open_dagster_pipes

    configure()
    keep_freed_memory()
    should_stop = _stop_on_signal()
    with open_dagster_pipes() as pipes:
        job = TRAINING_JOB.validate_python(pipes.get_extra("job"))
        outcome_file = Path(pipes.get_extra("outcome_file"))

        def report(metrics: dict[str, float], image: Image.Image | None = None) -> None:
            encoded = None if image is None else base64.b64encode(jpeg(image, GRID_PIXELS)).decode()
            pipes.report_custom_message({"metrics": metrics, "image": encoded})

        try:
            facts = run_job(job, log=pipes.log.info, report=report, should_stop=should_stop)
        except PalmError as error:
            _write(outcome_file, JobOutcome.of_error(error))
            return EXIT_PALM_ERROR
        except Exception as error:
            if not is_disk_full(error, job.home):  # anything else may pass, and the training is resumed
                raise
            full = DiskFullError("The disk is full", where=job.home, hint=FREE_SPACE)
            _write(outcome_file, JobOutcome.of_error(full))
            return EXIT_PALM_ERROR
        _write(outcome_file, JobOutcome(facts=facts))
    return 0


def _write(path: Path, outcome: JobOutcome) -> None:
    write_atomically(path, outcome.model_dump_json().encode())


if __name__ == "__main__":
    sys.exit(main())
