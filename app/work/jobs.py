"""Background jobs: one worker thread that runs all visitors' jobs in turn, a time slice each.

A small request waits for slices of large ones, never for all of them. One worker is enough, because the
networks use every core by themselves.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Generator
from typing import Any, Generic, Literal, TypeAlias, TypeVar

from palm_assets.errors import PalmError

log = logging.getLogger(__name__)

Result = TypeVar("Result")
State = Literal["waiting", "running", "finished", "cancelled", "failed"]

SLICE_SECONDS = 1.0
MAX_JOBS = 40
ABANDONED_SECONDS = 180.0  # browsers let a tab in the background poll once a minute


class QueueFullError(Exception):
    """Too many jobs are waiting."""


class Job(Generic[Result]):
    """One piece of work for one visitor.

    Attributes:
        visitor: who waits for it.
        kind: module that the work comes from, for the log.
        state: "finished" has a `result`; "cancelled" has one if some of the work was done.
        done: steps done.
        total: steps in all; 0 before the first is done.
        error: why it failed, if the library refused.
    """

    def __init__(self, visitor: str, work: JobFunction[Result], clock: Callable[[], float]) -> None:
        self.visitor = visitor
        self.kind = work.__module__.rpartition(".")[2]
        self.state: State = "waiting"
        self.done = 0
        self.total = 0
        self.result: Result | None = None
        self.error: PalmError | None = None
        self._clock = clock
        self._steps = work(self)
        self._started: float | None = None
        self._ended: float | None = None
        self._last_polled = clock()
        self._cancel = threading.Event()

    @property
    def is_over(self) -> bool:
        """Whether it has ended, in whatever way."""
        return self.state in ("finished", "cancelled", "failed")

    @property
    def cancelled(self) -> bool:
        """Whether it should stop; the work checks this, and ends with what is done."""
        return self._cancel.is_set()

    @property
    def seconds(self) -> float:
        """Time since its first slice."""
        if self._started is None:
            return 0.0
        return (self._ended or self._clock()) - self._started

    @property
    def seconds_left(self) -> float | None:
        """Estimate from the speed so far, other visitors' slices included; None before the first step."""
        if self.done == 0 or self.total == 0 or self.is_over:
            return None
        return self.seconds / self.done * (self.total - self.done)

    def keep_alive(self) -> None:
        """Record that its visitor still polls: an abandoned job is cancelled."""
        self._last_polled = self._clock()

    def _is_abandoned(self) -> bool:
        return self._clock() - self._last_polled > ABANDONED_SECONDS

    def _run_slice(self, seconds: float) -> None:
        """Advance for a while. No exception of the work reaches the worker."""
        self.state = "running"
        self._started = self._started or self._clock()
        until = self._clock() + seconds
        try:
            self.done, self.total = next(self._steps)  # at least one step, however late the slice begins
            while self._clock() < until:
                self.done, self.total = next(self._steps)
        except StopIteration as end:
            self.result = end.value
            self._end("cancelled" if self.cancelled else "finished")
        except PalmError as error:
            log.warning("job refused", extra={"reason": str(error)})
            self.error = error
            self._end("failed")
        except Exception:
            log.exception("job crashed")
            self._end("failed")

    def _end(self, state: State) -> None:
        self._ended = self._clock()
        self._steps.close()
        fields = {"job": self.kind, "visitor": self.visitor[:8], "done": self.done, "total": self.total}
        log.info(state, extra={**fields, "seconds": round(self.seconds, 2)})
        self.state = state  # last: other threads that read it find all the rest in place


Steps: TypeAlias = Generator[tuple[int, int], None, Result | None]
"""Yields (done, total) after every step, and returns the result; None if what is done is of no use."""

JobFunction: TypeAlias = Callable[[Job[Result]], Steps[Result]]
"""The work of a job, as `JobQueue.submit` takes it."""


class JobQueue:
    """All jobs, and the thread that runs them."""

    def __init__(
        self, *, slice_seconds: float = SLICE_SECONDS, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._slice = slice_seconds
        self._clock = clock
        self._waiting: deque[Job[Any]] = deque()
        self._current: Job[Any] | None = None
        self._changed = threading.Condition()
        self._worker: threading.Thread | None = None

    def submit(self, visitor: str, work: JobFunction[Result]) -> Job[Result]:
        """Append a job to the queue; an unfinished job of the same visitor is cancelled.

        Raises:
            QueueFullError: `MAX_JOBS` of other visitors are waiting already. Nothing is cancelled.
        """
        job = Job(visitor, work, self._clock)
        with self._changed:
            unfinished = [*self._waiting, *([self._current] if self._current else [])]
            if sum(other.visitor != visitor for other in unfinished) >= MAX_JOBS:
                raise QueueFullError
            for other in unfinished:
                if other.visitor == visitor:
                    self._cancel(other)
            self._waiting.append(job)
            if self._worker is None:
                self._worker = threading.Thread(target=self._run, name="palms-worker", daemon=True)
                self._worker.start()
            self._changed.notify()
        return job

    def cancel(self, job: Job[Result]) -> None:
        """Stop a job soon: a waiting one leaves the queue at once, a started one ends with what is done."""
        with self._changed:
            self._cancel(job)

    def jobs_ahead(self, job: Job[Result]) -> int:
        """How many jobs run before this one; 0 if it runs or has ended."""
        with self._changed:
            if job not in self._waiting:
                return 0
            return self._waiting.index(job) + (self._current is not None)

    def _cancel(self, job: Job[Any]) -> None:
        job._cancel.set()
        if job in self._waiting:
            self._waiting.remove(job)
            if job.state == "waiting":
                job._end("cancelled")
            else:
                self._waiting.appendleft(job)  # it only has to finish what is done

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._waiting:
                    self._changed.wait()
                job = self._waiting.popleft()
                self._current = job
                if job._is_abandoned():
                    job._cancel.set()
            job._run_slice(self._slice)
            with self._changed:
                self._current = None
                if not job.is_over:
                    (self._waiting.appendleft if job.cancelled else self._waiting.append)(job)
            del job  # or its result would stay in memory until the next job
