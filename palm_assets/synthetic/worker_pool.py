"""Processes that render one data set together.

Threads would share one interpreter lock, and `multiprocessing` would import the caller's main script again; a
plain child process does neither. Each child renders every k-th photo and prints one line per photo.
"""

from __future__ import annotations

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
from palm_assets.runtime import usable_cores
from palm_assets.store.os_errors import FREE_SPACE, is_disk_full
from palm_assets.synthetic.jobs import BoxesJob, HandsJob, Row

# For fewer photos the start of a child (numpy and OpenCV, 0.3 s) takes longer than it saves.
MIN_PHOTOS_FOR_WORKERS = 60
_MAX_WORKERS = 16
# One thread per child. glibc keeps freed memory: every plane of an image is just large enough to be mapped
# and unmapped each time, which costs a thousand page faults and a sixth of the time per photo.
_CHILD_ENVIRONMENT = {
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "MALLOC_MMAP_THRESHOLD_": "268435456",
    "MALLOC_TRIM_THRESHOLD_": "268435456",
    "MALLOC_TOP_PAD_": "16777216",
}


def run_job(job: HandsJob | BoxesJob, progress: Progress = no_progress) -> list[Row]:
    """Render all photos of a job, on all cores if there are enough photos.

    Args:
        job: what to render.
        progress: called as ``progress(done, total)`` after each photo.

    Returns:
        The rows of the photos, in order.

    Raises:
        DiskFullError: the disk is full; the photos rendered so far stay on it.
        OSError: a file cannot be written for another reason.
    """
    rows: list[Row] = [[] for _ in range(job.count)]
    rendered = _in_workers(job) if job.count >= MIN_PHOTOS_FOR_WORKERS else _in_this_process(job)
    for done, (i, row) in enumerate(rendered, 1):
        rows[i] = row
        progress(done, job.count)
    return rows


def _in_this_process(job: HandsJob | BoxesJob) -> Iterator[tuple[int, Row]]:
    for i in range(job.count):
        try:
            yield i, job.render(i)
        except OSError as error:
            raise _write_error(error.errno or 0, str(error.filename)) from error


def _in_workers(job: HandsJob | BoxesJob) -> Iterator[tuple[int, Row]]:
    lines: SimpleQueue[str | None] = SimpleQueue()  # None: one of the workers has ended
    with _start_workers(job, min(usable_cores(), _MAX_WORKERS)) as workers:
        for worker in workers:
            Thread(target=_forward_lines, args=(worker, lines), daemon=True).start()
        running = len(workers)
        while running:
            line = lines.get()
            if line is None:
                running -= 1
                continue
            message: dict[str, Any] = json.loads(line)
            if "errno" in message:
                raise _write_error(message["errno"], message["where"])
            yield message["i"], message["row"]
        for worker in workers:
            if worker.wait() != 0:
                raise RuntimeError(f"a rendering process ended with status {worker.returncode}")


@contextmanager
def _start_workers(job: HandsJob | BoxesJob, count: int) -> Iterator[list[subprocess.Popen[str]]]:
    """Start the workers; none of them outlives the block, however it ends."""
    root = str(Path(__file__).resolve().parents[2])
    path = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
    environment = {**os.environ, **_CHILD_ENVIRONMENT, "PYTHONPATH": path}
    workers: list[subprocess.Popen[str]] = []
    try:
        for first in range(count):
            task = {"job": type(job).__name__, "fields": asdict(job), "first": first, "step": count}
            command = [sys.executable, "-m", "palm_assets.synthetic.worker", json.dumps(task)]
            workers.append(
                subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    encoding="utf-8",
                    env=environment,
                )
            )
        yield workers
    finally:
        for worker in workers:
            worker.kill()
            worker.wait()


def _forward_lines(worker: subprocess.Popen[str], lines: SimpleQueue[str | None]) -> None:
    assert worker.stdout is not None
    with worker.stdout as output:
        for line in output:
            lines.put(line)
    lines.put(None)


def _write_error(number: int, where: str) -> Exception:
    error = OSError(number, os.strerror(number), where)
    return DiskFullError("The disk is full", where=where, hint=FREE_SPACE) if is_disk_full(error) else error
