"""Runs one function on the shards of a set, each in a process of one core of a Ray cluster.

Ray places the tasks on free cores, and starts those again that failed or whose node was lost. This process
submits as many as the cores are soon ready for, takes the results, and cancels what runs if it is
interrupted.
"""

from __future__ import annotations

import contextlib
import socket
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from palm_assets import __version__
from palm_assets.cluster.connection import connected, import_ray
from palm_assets.errors import ClusterError
from palm_assets.progress import Progress, no_progress
from palm_assets.runtime import limit_cores

CPUS = 1
"""Of one shard: many processes with a thread each do more than one process with many threads."""
RETRIES = 3
"""Of a shard whose node or process died, or which could not be read."""
SHARDS_PER_CPU = 2
"""Submitted at once: one is worked on, one waits for its turn."""
WAIT_SECONDS = 0.5


class Sharded(Protocol):
    """A shard: a number of photographs or crops."""

    def __len__(self) -> int:
        """Number of items."""
        ...


ShardType = TypeVar("ShardType", bound=Sharded)


@dataclass(frozen=True)
class Work(Generic[ShardType]):
    """What is done with each shard.

    Attributes:
        function: called on a node as `function(shard, *arguments, progress=progress)`; of a module that the
            nodes can import. What it returns is sent back.
        arguments: the same for all shards; sent to a node once.
        note_of: what is added to the error that ends the run in a shard.
        retry_on: errors after which a shard is tried again.
        in_order: whether results are taken in the order of the shards, or as they are finished.
    """

    function: Callable[..., Any]
    arguments: tuple[Any, ...]
    note_of: Callable[[ShardType], str]
    retry_on: tuple[type[Exception], ...] = (OSError, RuntimeError)
    in_order: bool = False


def run_on_cluster(
    work: Work[ShardType],
    shards: Sequence[ShardType],
    address: str | None,
    *,
    progress: Progress = no_progress,
) -> Generator[tuple[ShardType, Any], None, None]:
    """Results of all shards.

    If the generator is closed, or a callback raises, what the nodes do is cancelled.

    Args:
        work: what is done.
        shards: to do it with.
        address: see `EngineConfig.ray_address`.
        progress: called with items done and items in all, while the work goes on.

    Raises:
        PackageMissingError: Ray is not installed.
        ClusterError: the cluster cannot be reached, gives up, or lacks what a node needs.
        Exception: of the function, after the retries.
    """
    total = sum(len(shard) for shard in shards)
    kept = import_ray().is_initialized()  # a connection that goes on
    with connected(address) as ray:
        tasks = _Tasks(ray, work, shards)
        try:
            while tasks.unfinished:
                yield from tasks.finished()
                progress(tasks.done(), total)
        finally:
            if kept:  # else Ray ends all tasks with the connection
                tasks.cancel()


class _Tally:
    """How many items of each shard are done: an actor that the nodes tell and this process asks."""

    def __init__(self) -> None:
        self._done: dict[int, int] = {}

    def update(self, number: int, done: int) -> None:
        """Take over how far a shard is."""
        self._done[number] = done

    def done(self) -> dict[int, int]:
        """Items done by the shard's number."""
        return self._done


class _Tasks(Generic[ShardType]):
    """Shards of which as many are submitted to Ray as its cores are soon ready for."""

    def __init__(self, ray: Any, work: Work[ShardType], shards: Sequence[ShardType]) -> None:
        self._ray, self._work = ray, work
        self._waiting = deque(enumerate(shards))
        self._running: dict[Any, tuple[int, ShardType]] = {}
        self._finished = self._shown = 0
        tally = ray.remote(num_cpus=0, max_restarts=-1)(_Tally)
        self._tally = tally.remote()
        self._asked = self._tally.done.remote()
        self._task = ray.remote(num_cpus=CPUS, max_retries=RETRIES, retry_exceptions=list(work.retry_on))(
            on_node
        ).options(name=work.function.__name__)
        self._arguments = [ray.put(argument) for argument in work.arguments]

    @property
    def unfinished(self) -> bool:
        """Whether there are shards that `finished` has not returned."""
        return bool(self._waiting or self._running)

    def finished(self) -> Iterator[tuple[ShardType, Any]]:
        """Shards that were finished now, each with its result; waits for one for a moment."""
        cpus = self._ray.cluster_resources().get("CPU", 0)  # nodes come and go
        while self._waiting and len(self._running) < max(1, SHARDS_PER_CPU * int(cpus / CPUS)):
            number, shard = self._waiting.popleft()
            task = self._task.remote(
                __version__, self._work.function, self._tally, number, shard, *self._arguments
            )
            self._running[task] = number, shard
        running = list(self._running)  # in the order in which they were submitted
        awaited = running[:1] if self._work.in_order else running
        ready, _ = self._ray.wait(awaited, num_returns=1, timeout=WAIT_SECONDS)
        for task in ready:
            _, shard = self._running.pop(task)
            result = self._result(task, shard)
            self._finished += len(shard)
            yield shard, result

    def done(self) -> int:
        """Items of finished shards, and of running ones as far as is known; never less than before."""
        if self._ray.wait([self._asked], timeout=0)[0]:
            with contextlib.suppress(self._ray.exceptions.RayError):  # its node was lost: it starts again
                running = {number for number, _ in self._running.values()}
                counts = self._ray.get(self._asked)
                of_running = sum(done for number, done in counts.items() if number in running)
                self._shown = max(self._shown, self._finished + of_running)
            self._asked = self._tally.done.remote()
        self._shown = max(self._shown, self._finished)
        return self._shown

    def cancel(self) -> None:
        """End what is running at once: the processes are killed, as they write nothing.

        Ray 2.60 aborts this process if a task is cancelled while its end is handled ("Tried to complete task
        that was not pending", ray-project/ray#54260): one that is finished is not cancelled.
        """
        running = list(self._running)
        if running:
            _, running = self._ray.wait(running, num_returns=len(running), timeout=0)
        for task in running:
            with contextlib.suppress(Exception):
                self._ray.cancel(task, force=True)
        with contextlib.suppress(Exception):
            self._ray.kill(self._tally)
        self._running, self._waiting = {}, deque()

    def _result(self, task: Any, shard: ShardType) -> Any:
        try:
            return self._ray.get(task)
        except self._ray.exceptions.RayError as error:
            cause = getattr(error, "cause", None)  # of an exception of ours, which was raised on a node
            if not isinstance(cause, Exception):
                cause = ClusterError(
                    f"Ray gave up on a shard: {_first_line(error)}",
                    hint="See `ray status` and the nodes' logs, then run again.",
                )
            cause.add_note(self._work.note_of(shard))
            raise cause from error


def on_node(
    version: str, function: Callable[..., Any], tally: Any, number: int, shard: Any, *arguments: Any
) -> Any:
    """Call a function in a process of a node.

    Args:
        version: of the program that submits the shard.
        function: see `Work.function`.
        tally: handle of the actor.
        number: of the shard, for the tally.
        shard: to work on.
        arguments: see `Work.arguments`.

    Raises:
        ClusterError: the node has another version of the program.
    """
    if __version__ != version:
        raise ClusterError(
            f"A node runs Palms {__version__}, this machine {version}",
            where=socket.gethostname(),
            hint="Install the same version on all nodes.",
        )
    limit_cores(CPUS)

    def report(done: int, _: int) -> None:
        tally.update.remote(number, done)

    return function(shard, *arguments, progress=report)


def require_on_node(folder: Path, what: str) -> None:
    """Refuse to work on a node that lacks a folder which all nodes need under the same path.

    Raises:
        ClusterError: it is not there.
    """
    if not folder.is_dir():
        raise ClusterError(
            f"The {what} are not on the node {socket.gethostname()}",
            where=folder,
            hint="Mount their folder under the same path on all nodes, or use `engine: local`.",
        )


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
