"""The process in which networks are trained: `python -m palm_assets.stages.worker`.

It is started through Dagster Pipes, which hands over the job and streams what it says back. A crash here
takes nothing else down.
"""

from __future__ import annotations

import base64
import json
import os
import signal
import sys
import threading
from pathlib import Path

from PIL import Image

from palm_assets.errors import PalmError
from palm_assets.image_grid import jpeg
from palm_assets.progress import ShouldStop
from palm_assets.runtime import configure, keep_freed_memory
from palm_assets.stages.training_job import TRAINING_JOB, run_job

EXIT_REFUSED = 3
EXIT_TOO_SLOW = 4
SECONDS_TO_SAVE = 8.0
GRID_PIXELS = 512  # side of a grid in the event log, which keeps all of them


def _stop_signal() -> ShouldStop:
    """True once this process was asked to stop, or its parent is gone: nobody would publish what it makes.

    Whoever asked does not wait long: what does not end by itself is ended, and the last saved state counts.
    """
    asked = threading.Event()

    def end(*_: object) -> None:
        asked.set()
        last_moment = threading.Timer(SECONDS_TO_SAVE, os._exit, [EXIT_TOO_SLOW])
        last_moment.daemon = True
        last_moment.start()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    parent = os.getppid()
    return lambda: asked.is_set() or os.getppid() != parent


def main() -> int:
    """Run the job that Dagster Pipes hands over; facts or the error go to the file that the job names."""
    from dagster_pipes import open_dagster_pipes

    configure()
    keep_freed_memory()
    should_stop = _stop_signal()
    with open_dagster_pipes() as pipes:
        job = TRAINING_JOB.validate_python(pipes.get_extra("job"))
        answer = Path(pipes.get_extra("answer"))

        def report(metrics: dict[str, float], image: Image.Image | None = None) -> None:
            encoded = None if image is None else base64.b64encode(jpeg(image, GRID_PIXELS)).decode()
            pipes.report_custom_message({"metrics": metrics, "image": encoded})

        try:
            facts = run_job(job, log=pipes.log.info, report=report, should_stop=should_stop)
        except PalmError as error:
            answer.write_text(json.dumps({"error": vars(error), "type": type(error).__name__}))
            return EXIT_REFUSED
        answer.write_text(json.dumps({"facts": facts}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
