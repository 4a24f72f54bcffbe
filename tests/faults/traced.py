"""Operations of the store under strace, which makes one system call fail, or kills at it."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

CALLS = {
    "openat": "openat",
    "write": "write",
    "fsync": "fsync",
    "rename": "/^rename",
    "link": "/^link",
    "mkdir": "/^mkdir",
    "unlink": "/^unlink",
    "flock": "flock",
}
"""System calls that change what is on the disk, or open it, as strace names them."""
TRACE = f"trace={','.join(CALLS.values())}"


@dataclass(frozen=True)
class Ended:
    """How an operation ended: its exit status (negative: the signal), and what was injected."""

    status: int
    calls: Counter[str]
    injected: str


class Operations:
    """A process that has imported everything and forks one for each operation."""

    def __enter__(self) -> Self:
        command = [sys.executable, "-m", "tests.faults.operations"]
        self._server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server.stdin is not None
        self._server.stdin.close()
        self._server.wait(timeout=10)

    def run(self, operation: str, home: Path, log: Path, inject: str | None = None) -> Ended:
        """Run an operation under strace, with `inject` (see its manual) if given."""
        self._send(f"{operation} {home}\n".encode())
        process = int(self._receive())
        if operation == "train":
            assert self._receive() == b"trained"
        command = ["strace", "-f", "-qq", "-y", "-o", str(log), "-e", TRACE]
        command += [] if inject is None else ["-e", f"inject={inject}"]
        with subprocess.Popen([*command, "-p", str(process)], stderr=subprocess.PIPE) as strace:
            _wait_until_traced(process, strace)
            self._send(b"\n")
            status = int(self._receive().split()[1])
            strace.wait(timeout=30)
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
        calls = Counter(
            name
            for line in lines
            for name, pattern in CALLS.items()
            if re.match(rf"\d+\s+{pattern.removeprefix('/^')}\w*\(", line)
        )
        return Ended(status, calls, next((line for line in lines if "(INJECTED)" in line), ""))

    def train_untraced(self, home: Path) -> int:
        """Train to the end; its exit status."""
        self._send(f"train {home}\n".encode())
        assert self._receive().isdigit()
        answer = self._receive()
        if answer == b"trained":
            self._send(b"\n")
            answer = self._receive()
        return int(answer.split()[1])

    def _send(self, line: bytes) -> None:
        assert self._server.stdin is not None
        self._server.stdin.write(line)
        self._server.stdin.flush()

    def _receive(self) -> bytes:
        assert self._server.stdout is not None
        return self._server.stdout.readline().strip()


def _wait_until_traced(process: int, strace: subprocess.Popen[bytes]) -> None:
    status = Path(f"/proc/{process}/status")
    while "TracerPid:\t0\n" in status.read_text(encoding="utf-8"):
        assert strace.poll() is None, strace.stderr and strace.stderr.read()
