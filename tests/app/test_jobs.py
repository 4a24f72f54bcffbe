from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from app.work import jobs
from app.work.jobs import Job, JobFunction, JobQueue, QueueFullError, Steps
from palm_assets.errors import RequestError


def counting(total: int, log: list[str] | None = None, name: str = "") -> JobFunction[int]:
    """Work of `total` steps, or fewer if it is cancelled; its result is their number."""

    def work(job: Job[int]) -> Steps[int]:
        done = 0
        while done < total and not job.cancelled:
            done += 1
            if log is not None:
                log.append(name)
            yield done, total
        return done

    return work


class Gate:
    """Work that keeps the worker busy until it is opened."""

    def __init__(self) -> None:
        self.opened = threading.Event()
        self.reached = threading.Event()

    def __call__(self, job: Job[int]) -> Steps[int]:
        self.reached.set()
        self.opened.wait(10)
        yield 1, 1
        return 1


def finished(job: Job[int], seconds: float = 10) -> Job[int]:
    until = time.monotonic() + seconds
    while not job.is_over:
        assert time.monotonic() < until, "the job does not end"
        time.sleep(0.001)
    return job


@pytest.fixture
def queue() -> JobQueue:
    return JobQueue(slice_seconds=0)  # see also `one_step_per_slice`


@pytest.fixture
def one_step_per_slice(monkeypatch: pytest.MonkeyPatch) -> None:
    def run_slice(self: Job[int], seconds: float, whole: Callable[..., None] = Job._run_slice) -> None:
        ticks = iter([0.0, 0.0, 0.0])  # the start, one step, then time is up
        clock, self._clock = self._clock, lambda: next(ticks, 1.0)
        self._started = self._started or 1e-9
        try:
            whole(self, 0.5)
        finally:
            self._clock = clock

    monkeypatch.setattr(Job, "_run_slice", run_slice)


def test_a_job_runs_in_the_background_and_keeps_its_result() -> None:
    job = finished(JobQueue().submit("a", counting(5)))
    assert (job.state, job.result, job.done, job.total) == ("finished", 5, 5, 5)


def test_jobs_run_in_turn_so_a_small_one_overtakes_a_large_one(
    queue: JobQueue, one_step_per_slice: None
) -> None:
    gate, log = Gate(), []
    queue.submit("gate", gate)
    gate.reached.wait(10)
    large = queue.submit("large", counting(1000, log, "L"))
    small = queue.submit("small", counting(3, log, "s"))
    gate.opened.set()
    finished(small)
    finished(large)
    last_small = max(i for i, name in enumerate(log) if name == "s")
    assert last_small < 20
    assert log.count("L") == 1000


def test_jobs_ahead_counts_those_that_run_before() -> None:
    queue, gate = JobQueue(), Gate()
    first = queue.submit("gate", gate)
    gate.reached.wait(10)
    waiting = [queue.submit(name, counting(1)) for name in "abc"]
    assert [queue.jobs_ahead(job) for job in (first, *waiting)] == [0, 1, 2, 3]
    gate.opened.set()
    finished(waiting[2])
    assert queue.jobs_ahead(waiting[2]) == 0


def test_a_cancelled_job_that_has_not_begun_leaves_the_queue_at_once() -> None:
    queue, gate = JobQueue(), Gate()
    queue.submit("gate", gate)
    gate.reached.wait(10)
    job = queue.submit("a", counting(1))
    queue.cancel(job)
    assert (job.state, job.result) == ("cancelled", None)
    gate.opened.set()


def test_a_cancelled_job_that_has_begun_keeps_what_is_done() -> None:
    queue = JobQueue(slice_seconds=0.01)
    job = queue.submit("a", counting(10**9))
    while job.done < 10:
        time.sleep(0.001)
    queue.cancel(job)
    finished(job)
    assert job.state == "cancelled"
    assert job.result is not None
    assert job.result >= 10


def test_a_new_job_of_the_same_visitor_replaces_the_old_one() -> None:
    queue = JobQueue(slice_seconds=0.01)
    old = queue.submit("a", counting(10**9))
    other = queue.submit("b", counting(10**9))
    new = queue.submit("a", counting(1))
    assert finished(old).state == "cancelled"
    assert finished(new).state == "finished"
    assert not other.is_over
    queue.cancel(other)


def test_a_full_queue_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "MAX_JOBS", 3)
    queue, gate = JobQueue(), Gate()
    queue.submit("gate", gate)
    gate.reached.wait(10)
    for name in "ab":
        queue.submit(name, counting(1))
    with pytest.raises(QueueFullError):
        queue.submit("c", counting(1))
    queue.submit("a", counting(1))  # a visitor who waits already may change the request
    gate.opened.set()


def test_a_full_queue_leaves_the_running_job_of_its_visitor_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    queue = JobQueue(slice_seconds=0.01)
    mine = queue.submit("me", counting(10**9))
    others = [queue.submit(name, counting(10**9)) for name in "abc"]
    monkeypatch.setattr(jobs, "MAX_JOBS", 3)
    with pytest.raises(QueueFullError):
        queue.submit("me", counting(1))
    done = mine.done
    until = time.monotonic() + 10
    while mine.done == done and time.monotonic() < until:
        time.sleep(0.005)
    assert mine.done > done
    assert not mine.cancelled
    for job in (mine, *others):
        queue.cancel(job)


def test_an_abandoned_job_is_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "ABANDONED_SECONDS", 0.05)
    queue = JobQueue(slice_seconds=0.01)
    left = queue.submit("gone", counting(10**9))
    stayed = queue.submit("here", counting(10**9))
    until = time.monotonic() + 10
    while not left.is_over and time.monotonic() < until:
        stayed.keep_alive()
        time.sleep(0.005)
    assert left.state == "cancelled"
    assert not stayed.is_over
    queue.cancel(stayed)


def test_an_error_ends_its_job_and_not_the_worker() -> None:
    def breaks(job: Job[int]) -> Steps[int]:
        yield 1, 2
        raise ValueError("inside")

    def refuses(job: Job[int]) -> Steps[int]:
        yield 1, 2
        raise RequestError("No", hint="Do not.")

    queue = JobQueue()
    broken, refused, fine = (
        queue.submit(n, w) for n, w in (("a", breaks), ("b", refuses), ("c", counting(3)))
    )
    assert finished(broken).state == "failed"
    assert broken.error is None
    assert isinstance(finished(refused).error, RequestError)
    assert finished(fine).state == "finished"


def test_the_time_left_follows_from_the_speed_so_far() -> None:
    now = [100.0]
    job = Job("a", counting(1), lambda: now[0])
    assert job.seconds_left is None
    job._started, job.done, job.total = 100.0, 25, 100
    now[0] = 110.0
    assert job.seconds_left == pytest.approx(30.0)


def test_a_finished_job_is_not_kept_in_memory_by_the_worker() -> None:
    import gc
    import weakref

    class Result:
        pass

    def work(job: Job[Result]) -> Steps[Result]:
        yield 1, 1
        return Result()

    job = finished(JobQueue().submit("a", work))
    held = weakref.ref(job.result)
    until = time.monotonic() + 5
    del job
    while held() is not None and time.monotonic() < until:
        gc.collect()
        time.sleep(0.01)
    assert held() is None
