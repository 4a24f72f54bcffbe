"""The process in which networks are trained: `python -m palm_assets.worker`.

It is started through Dagster Pipes, which hands over the job and streams what it says back. A crash here
takes nothing else down.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from palm_assets.errors import PalmError
from palm_assets.training_jobs import Job, perform

EXIT_REFUSED = 3


def _watch_for_the_end() -> Callable[[], bool]:
    """True once this process was asked to stop, or its parent is gone: nobody would publish what it makes."""
    asked = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: asked.set())
    parent = os.getppid()
    return lambda: asked.is_set() or os.getppid() != parent


def main() -> int:
    """Run the job that Dagster Pipes hands over; facts or the error go to the file that the job names."""
    from dagster_pipes import open_dagster_pipes

    stopped = _watch_for_the_end()
    with open_dagster_pipes() as pipes:
        job: Job = pipes.get_extra("job")
        answer = Path(job["answer"])
        try:
            facts = perform(job, say=pipes.log.info, stopped=stopped)
        except PalmError as error:
            answer.write_text(json.dumps({"error": vars(error), "type": type(error).__name__}))
            return EXIT_REFUSED
        answer.write_text(json.dumps({"facts": facts}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
