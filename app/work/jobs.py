"""Work in the background that no click can kill: one worker, which takes turns among visitors.

A job runs for a slice of time, then the next in line has its turn: a small wish waits for slices of large
ones, never for the whole of them. One worker is enough, because the networks use every core by themselves.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Generator
from typing import Generic, Literal, TypeVar

from palm_assets.errors import PalmError

log = logging.getLogger(__name__)

Result = TypeVar("Result")
Steps = Generator[tuple[int, int], None, Result]
State = Literal["waiting", "running", "finished", "cancelled", "failed"]

SLICE_SECONDS = 1.0
MOST_JOBS = 40
FORGOTTEN_SECONDS = 180.0  # a browser tab in the background asks once a minute


class TooBusyError(Exception):
    """The line is full."""


class Job(Generic[Result]):
    """One piece of work.

    Attributes:
        visitor: who waits for it.
        kind: which module's work it is, for the log.
        state: "finished" has a `result`; so may "cancelled", with what was done until then.
        done: steps done.
        total: steps in all, 0 before the first is done.
        error: why it failed, if that is something to tell a visitor.
    """

    def __init__(
        self, visitor: str, work: Callable[[Job[Result]], Steps[Result]], clock: Callable[[], float]
    ) -> None:
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
        self._looked = clock()
        self._cancel = threading.Event()

    @property
    def over(self) -> bool:
        """Whether nothing more will happen."""
        return self.state in ("finished", "cancelled", "failed")

    @property
    def cancelled(self) -> bool:
        """Whether it was told to stop; its work asks, and ends with what is done."""
        return self._cancel.is_set()

    @property
    def seconds(self) -> float:
        """Time since its first turn."""
        if self._started is None:
            return 0.0
        return (self._ended or self._clock()) - self._started

    @property
    def seconds_left(self) -> float | None:
        """Estimate from the speed so far, the turns of others included; None while nothing is known."""
        if self.done == 0 or self.total == 0 or self.over:
            return None
        return self.seconds / self.done * (self.total - self.done)

    def look(self) -> None:
        """Tell that somebody still waits for it."""
        self._looked = self._clock()

    def _forgotten(self) -> bool:
        return self._clock() - self._looked > FORGOTTEN_SECONDS

    def _take_turn(self, seconds: float) -> None:
        """Advance for a while. Nothing that goes wrong in it reaches the worker."""
        self.state = "running"
        self._started = self._started or self._clock()
        until = self._clock() + seconds
        try:
            self.done, self.total = next(self._steps)  # one step at least, however late the turn comes
            while self._clock() < until:
                self.done, self.total = next(self._steps)
        except StopIteration as end:
            self.result = end.value
            self._end("cancelled" if self.cancelled else "finished")
        except PalmError as error:
            log.warning("a job was refused", extra={"why": str(error)})
            self.error = error
            self._end("failed")
        except Exception:
            log.exception("a job broke")
            self._end("failed")

    def _end(self, state: State) -> None:
        self._ended = self._clock()
        self._steps.close()
        told = {"job": self.kind, "visitor": self.visitor[:8], "done": self.done, "total": self.total}
        log.info(state, extra={**told, "seconds": round(self.seconds, 2)})
        self.state = state  # last: whoever sees it finds all the rest in place


class JobQueue:
    """The line of all jobs, and the thread that works on it."""

    def __init__(
        self, *, slice_seconds: float = SLICE_SECONDS, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._slice = slice_seconds
        self._clock = clock
        self._line: deque[Job[object]] = deque()
        self._current: Job[object] | None = None
        self._changed = threading.Condition()
        self._worker: threading.Thread | None = None

    def submit(self, visitor: str, work: Callable[[Job[Result]], Steps[Result]]) -> Job[Result]:
        """Join the end of the line; an unfinished job of the same visitor is cancelled.

        Args:
            visitor: who waits for it.
            work: given the job, a generator of (done, total) that returns the result.

        Raises:
            TooBusyError: too many are waiting already.
        """
        job = Job(visitor, work, self._clock)
        with self._changed:
            for other in [*self._line, *([self._current] if self._current else [])]:
                if other.visitor == visitor:
                    self._stop(other)
            if len(self._line) + (self._current is not None) >= MOST_JOBS:
                raise TooBusyError
            self._line.append(job)  # type: ignore[arg-type]  # it only ever gives its own result
            if self._worker is None:
                self._worker = threading.Thread(target=self._work, name="palms-worker", daemon=True)
                self._worker.start()
            self._changed.notify()
        return job

    def cancel(self, job: Job[Result]) -> None:
        """Stop it soon: one that has not begun leaves the line at once, another ends with what is done."""
        with self._changed:
            self._stop(job)  # type: ignore[arg-type]

    def ahead(self, job: Job[Result]) -> int:
        """How many have their turn before it; 0 for the one at work and for one that is over."""
        with self._changed:
            if job not in self._line:
                return 0
            return self._line.index(job) + (self._current is not None)  # type: ignore[arg-type]

    def _stop(self, job: Job[object]) -> None:
        job._cancel.set()
        if job in self._line:
            self._line.remove(job)
            if job.state == "waiting":
                job._end("cancelled")
            else:
                self._line.appendleft(job)  # it only has to put away what is done

    def _work(self) -> None:
        while True:
            with self._changed:
                while not self._line:
                    self._changed.wait()
                job = self._line.popleft()
                self._current = job
                if job._forgotten():
                    job._cancel.set()
            job._take_turn(self._slice)
            with self._changed:
                self._current = None
                if not job.over:
                    (self._line.appendleft if job.cancelled else self._line.append)(job)
            del job  # or its result would stay in memory until the next one comes
