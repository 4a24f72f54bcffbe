"""A Ray cluster of two nodes on this machine, each of one core.

As root the second node has a network namespace, and so an address and ports, of its own.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil

ROOT = Path(__file__).parent.parent.parent
START_SECONDS = 300.0
SETTINGS = [
    *("--num-cpus=1", "--object-store-memory=100000000", "--disable-usage-stats", "--block"),
    "--include-log-monitor=false",  # each process that is not needed makes the start quicker
]
HEAD_SETTINGS = ["--include-dashboard=false", "--no-monitor"]


@dataclass
class Nodes:
    """A cluster.

    Attributes:
        folder: of Ray's sockets and logs; Ray needs a short path.
        addresses: of the head and of the second node.
        inside: words before a command that runs on the second node.
        processes: leader of each node that was started.
    """

    folder: Path
    addresses: tuple[str, str]
    inside: list[str]
    processes: list[psutil.Popen] = field(default_factory=list)
    port: int = 6399

    @property
    def address(self) -> str:
        return f"{self.addresses[0]}:{self.port}"

    def start_lost(self) -> None:
        """Start the nodes that do not run."""
        head = ["--head", f"--port={self.port}", f"--temp-dir={self.folder}", *HEAD_SETTINGS]
        starts: list[tuple[list[str], list[str]]] = [([], head), (self.inside, [f"--address={self.address}"])]
        for node, (inside, options) in enumerate(starts):
            if node < len(self.processes) and self.processes[node].poll() is None:
                continue
            for process in self.processes[node:]:  # those of a lost head are lost, too
                end_tree(process)
            self.processes[node:] = [self._started(node, inside, options)]

    def _started(self, node: int, inside: list[str], options: list[str]) -> psutil.Popen:
        ray = str(Path(sys.executable).parent / "ray")
        command = [*inside, ray, "start", *options, f"--node-ip-address={self.addresses[node]}", *SETTINGS]
        with (self.folder / f"node-{node}.log").open("wb") as log:
            process = psutil.Popen(
                command,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env={
                    **os.environ,
                    "PYTHONPATH": str(ROOT),
                    "RAY_AUTH_MODE": "disabled",  # a head on the loopback would ask for a token
                    "RAY_worker_niceness": "0",  # else it waits for whatever else this machine does
                    "RAY_raylet_start_wait_time_s": "200",  # instead of 30, for a busy machine
                    "RAY_health_check_period_ms": "500",
                    "RAY_health_check_timeout_ms": "10000",  # a killed one refuses at once
                    "RAY_health_check_failure_threshold": "3",
                },
            )
        started, name = time.monotonic(), Path(log.name)
        while "Ray runtime started" not in name.read_text(errors="replace"):
            if process.poll() is not None or time.monotonic() - started > START_SECONDS:
                end_tree(process)
                raise RuntimeError(f"a node did not start: {name.read_text(errors='replace')[-2000:]}")
            time.sleep(0.1)
        return process

    def kill(self, node: int) -> None:
        """End a node with all of its processes at once."""
        end_tree(self.processes[node])

    def running(self, function: Callable[..., object], *some: int) -> list[psutil.Process]:
        """Processes that work on a shard with this function now, on all nodes or some."""
        found = []
        for leader in [self.processes[node] for node in some or range(len(self.processes))]:
            with contextlib.suppress(psutil.NoSuchProcess):
                for process in leader.children(recursive=True):
                    with contextlib.suppress(psutil.NoSuchProcess):
                        if f"ray::{function.__name__}" in " ".join(process.cmdline()):
                            found.append(process)
        return found


@dataclass
class Loss:
    """A callback of progress that kills the second node once, in the middle of its work.

    Attributes:
        nodes: the cluster.
        function: of the work.
        ready: asked with items done and items in all whether to kill.
        happened: whether the node was killed.
    """

    nodes: Nodes
    function: Callable[..., object]
    ready: Callable[[int, int], bool]
    happened: bool = False
    _waiting: list[psutil.Process] = field(default_factory=list)

    def __call__(self, done: int, total: int) -> None:
        if self.happened or not self.ready(done, total):
            return
        if self.nodes.running(self.function, 1):
            self.nodes.kill(1)
            self.happened = True
            for process in self._waiting:
                process.resume()
        else:  # the head does not finish everything while the second node starts
            for process in self.nodes.running(self.function, 0):
                process.suspend()
                self._waiting.append(process)


def end_tree(leader: psutil.Popen) -> None:
    """Kill a process with all of its descendants."""
    with contextlib.suppress(psutil.NoSuchProcess):
        family = [*leader.children(recursive=True), leader]
        for process in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGKILL)
        psutil.wait_procs(family, timeout=10)


def until(condition: Callable[[], object], seconds: float) -> bool:
    """Wait for a condition; whether it came true in time."""
    started = time.monotonic()
    while time.monotonic() - started < seconds:
        if condition():
            return True
        time.sleep(0.1)
    return False


@contextlib.contextmanager
def two_nodes() -> Iterator[Nodes]:
    """Both nodes, started; they are killed in the end."""
    with _addresses() as (addresses, inside):
        folder = Path(tempfile.mkdtemp(prefix="ray-", dir="/tmp"))
        nodes = Nodes(folder, addresses, inside)
        try:
            nodes.start_lost()
            yield nodes
        finally:
            for process in reversed(nodes.processes):
                end_tree(process)
            shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _addresses() -> Iterator[tuple[tuple[str, str], list[str]]]:
    """Addresses of two nodes, and what enters the second one's network namespace."""
    number = os.getpid() % 250
    name, outer = f"palms{os.getpid()}", f"palm{os.getpid()}"
    here, there = f"10.213.{number}.1", f"10.213.{number}.2"
    commands = [
        f"ip netns add {name}",
        f"ip link add {outer} type veth peer name eth0 netns {name}",
        f"ip addr add {here}/24 dev {outer}",
        f"ip link set {outer} up",
        f"ip -n {name} addr add {there}/24 dev eth0",
        f"ip -n {name} link set eth0 up",
        f"ip -n {name} link set lo up",
    ]
    permitted = os.geteuid() == 0 and shutil.which("ip") is not None
    try:
        if permitted and all(
            subprocess.run(command.split(), capture_output=True).returncode == 0 for command in commands
        ):
            yield (here, there), ["ip", "netns", "exec", name]
        else:
            yield ("127.0.0.2", "127.0.0.3"), []
    finally:
        if permitted:
            subprocess.run(["ip", "netns", "del", name], capture_output=True)  # and with it both ends
