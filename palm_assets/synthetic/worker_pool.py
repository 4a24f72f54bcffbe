"""Several processes that draw one set together.

Threads would share one interpreter lock, and a process pool would import the caller's main script again; a
plain child process does neither. Each child draws every k-th photo and prints one line a photo.
"""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import Any

from palm_assets.errors import DiskFullError
from palm_assets.progress import Progress, no_progress
from palm_assets.synthetic.jobs import BoxesJob, HandsJob, Row

"""Called as ``progress(done, total)`` after each photo."""

# Below this a child's start (numpy and OpenCV, 0.3 s) costs more than it saves.
_WORTH_CHILDREN = 60
_MOST_CHILDREN = 16
# One thread a child. And glibc is told to keep freed memory: every plane of a picture is just large enough
# to be mapped and unmapped anew each time, a thousand page faults and a sixth of the time a photo.
_THRIFT = {
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "MALLOC_MMAP_THRESHOLD_": "268435456",
    "MALLOC_TRIM_THRESHOLD_": "268435456",
    "MALLOC_TOP_PAD_": "16777216",
}


def run_job(job: HandsJob | BoxesJob, progress: Progress = no_progress) -> list[Row]:
    """Draw all photos of a job, on all cores where that pays.

    Args:
        job: what to draw.
        progress: called after each photo.

    Returns:
        The rows of the photos, in order.

    Raises:
        DiskFullError: no room left; what was drawn so far stays on disk.
        OSError: a file cannot be written for another reason.
    """
    rows: list[Row] = [[] for _ in range(job.count)]
    drawing = _with_children(job) if job.count >= _WORTH_CHILDREN else _alone(job)
    for done, (i, row) in enumerate(drawing, 1):
        rows[i] = row
        progress(done, job.count)
    return rows


def _alone(job: HandsJob | BoxesJob) -> Iterator[tuple[int, Row]]:
    for i in range(job.count):
        try:
            yield i, job.draw(i)
        except OSError as error:
            raise _refused(error.errno or 0, str(error.filename)) from error


def _with_children(job: HandsJob | BoxesJob) -> Iterator[tuple[int, Row]]:
    crew = min(len(os.sched_getaffinity(0)), _MOST_CHILDREN)
    said: SimpleQueue[str | None] = SimpleQueue()
    with _children(job, crew) as children:
        for child in children:
            Thread(target=_listen, args=(child, said), daemon=True).start()
        at_work = crew
        while at_work:
            line = said.get()
            if line is None:
                at_work -= 1
                continue
            told: dict[str, Any] = json.loads(line)
            if "errno" in told:
                raise _refused(told["errno"], told["where"])
            yield told["i"], told["row"]
        for child in children:
            if child.wait() != 0:
                raise RuntimeError(f"a drawing process ended with status {child.returncode}")


@contextmanager
def _children(job: HandsJob | BoxesJob, crew: int) -> Iterator[list[subprocess.Popen[str]]]:
    """Start the children; however the block ends, none of them outlives it."""
    root = str(Path(__file__).resolve().parents[2])
    path = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
    environment = {**os.environ, **_THRIFT, "PYTHONPATH": path}
    children: list[subprocess.Popen[str]] = []
    try:
        for first in range(crew):
            order = {"job": type(job).__name__, "fields": asdict(job), "first": first, "step": crew}
            command = [sys.executable, "-m", "palm_assets.synthetic.worker", json.dumps(order)]
            children.append(
                subprocess.Popen(
                    command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, env=environment
                )
            )
        yield children
    finally:
        for child in children:
            child.kill()
            child.wait()


def _listen(child: subprocess.Popen[str], said: SimpleQueue[str | None]) -> None:
    assert child.stdout is not None
    with child.stdout as lines:
        for line in lines:
            said.put(line)
    said.put(None)


def _refused(number: int, where: str) -> Exception:
    if number in (errno.ENOSPC, errno.EDQUOT):
        hint = "Free some space and try again."
        return DiskFullError("No room for the drawn photos", where=where, hint=hint)
    return OSError(number, os.strerror(number), where)
