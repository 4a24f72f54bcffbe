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
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil

ROOT = Path(__file__).parent.parent.parent
START_SECONDS = 120.0
SETTINGS = ["--num-cpus=1", "--object-store-memory=100000000", "--disable-usage-stats", "--block"]


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

    def start_head(self) -> None:
        head = ["--head", f"--port={self.port}", "--include-dashboard=false", f"--temp-dir={self.folder}"]
        self._start([], head, self.addresses[0])

    def start_second(self) -> None:
        self._start(self.inside, [f"--address={self.address}"], self.addresses[1])

    def _start(self, inside: list[str], options: list[str], address: str) -> None:
        ray = str(Path(sys.executable).parent / "ray")
        command = [*inside, ray, "start", *options, f"--node-ip-address={address}", *SETTINGS]
        with (self.folder / f"node-{len(self.processes)}.log").open("wb") as log:
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
                    "RAY_health_check_period_ms": "500",
                    "RAY_health_check_timeout_ms": "1000",
                    "RAY_health_check_failure_threshold": "3",
                },
            )
        self.processes.append(process)
        started, name = time.monotonic(), Path(log.name)
        while "Ray runtime started" not in name.read_text(errors="replace"):
            if process.poll() is not None or time.monotonic() - started > START_SECONDS:
                raise RuntimeError(f"a node did not start: {name.read_text(errors='replace')[-2000:]}")
            time.sleep(0.1)

    def kill(self, node: int) -> None:
        """End a node with all of its processes at once."""
        end_tree(self.processes[node])

    def cropping(self, *some: int) -> list[psutil.Process]:
        """Processes that crop a shard now, on all nodes or some."""
        found = []
        for leader in [self.processes[node] for node in some or range(len(self.processes))]:
            with contextlib.suppress(psutil.NoSuchProcess):
                for process in leader.children(recursive=True):
                    with contextlib.suppress(psutil.NoSuchProcess):
                        if "ray::crop_on_node" in " ".join(process.cmdline()):
                            found.append(process)
        return found


def end_tree(leader: psutil.Popen) -> None:
    """Kill a process with all of its descendants."""
    with contextlib.suppress(psutil.NoSuchProcess):
        family = [*leader.children(recursive=True), leader]
        for process in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGKILL)
        psutil.wait_procs(family, timeout=10)


@contextlib.contextmanager
def two_nodes() -> Iterator[Nodes]:
    """Both nodes, started; they are killed in the end."""
    with _addresses() as (addresses, inside):
        folder = Path(tempfile.mkdtemp(prefix="ray-", dir="/tmp"))
        nodes = Nodes(folder, addresses, inside)
        try:
            nodes.start_head()
            nodes.start_second()
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
