"""Counts the instructions of a workload by Valgrind's tool Callgrind.

Valgrind simulates a processor with AVX2, whatever this machine has: the counts do not depend on the load, and
hardly on the machine.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]
_CLIENT_REQUEST = bytes.fromhex(
    "4889f8"  # mov rax, rdi: the request and its five arguments
    "31d2"  # xor edx, edx: the answer outside of Valgrind
    "48c1c703" "48c1c70d" "48c1c73d" "48c1c733"  # rol rdi by 128 bits in all: Valgrind's mark
    "4887db"  # xchg rbx, rbx
    "4889d0"  # mov rax, rdx
    "c3"  # ret
)  # fmt: skip
"""See "The client request mechanism" in Valgrind's manual, and `valgrind.h`."""
_RUNNING_ON_VALGRIND = 0x1001
_CALLGRIND = ord("C") << 24 | ord("T") << 16
_ZERO, _DUMP, _START, _STOP = (_CALLGRIND + number for number in (1, 3, 4, 5))


def missing() -> str | None:
    """Why instructions cannot be counted here; None if they can."""
    if platform.machine() != "x86_64" or not sys.platform.startswith("linux"):
        return "instructions are counted on Linux on x86-64 alone"
    if " avx2 " not in Path("/proc/cpuinfo").read_text():
        return "the processor has no AVX2"
    return None if shutil.which("valgrind") else "Valgrind is not installed"


class Callgrind:
    """Starts and stops the counting, inside a process that runs in Callgrind."""

    def __init__(self) -> None:
        self._code = mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
        self._code.write(_CLIENT_REQUEST)
        address = ctypes.addressof(ctypes.c_char.from_buffer(self._code))
        self._function = ctypes.CFUNCTYPE(ctypes.c_size_t, ctypes.c_void_p)(address)
        if not self._request(_RUNNING_ON_VALGRIND):
            raise RuntimeError("This process does not run in Valgrind")

    def _request(self, number: int, argument: int = 0) -> int:
        arguments = (ctypes.c_size_t * 6)(number, argument)
        return int(self._function(ctypes.addressof(arguments)))

    def count(self, name: str, work: Callable[[], object]) -> None:
        """Write the number of instructions of `work` into the next output file, under a name."""
        self._request(_ZERO)
        self._request(_START)
        work()
        self._request(_STOP)
        text = ctypes.create_string_buffer(name.encode())
        self._request(_DUMP, ctypes.addressof(text))


def run_python(arguments: list[str], environment: dict[str, str], *, below: Sequence[str] = ()) -> str:
    """Output of a Python process.

    Args:
        arguments: of Python.
        environment: variables besides those of this process.
        below: command that starts it; none by default.

    Raises:
        RuntimeError: it failed.
    """
    run = subprocess.run(
        [*below, sys.executable, *arguments],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    if run.returncode != 0:
        raise RuntimeError(f"The workloads failed: {run.stderr[-3000:]}")
    return run.stdout


def run_in_callgrind(arguments: list[str], folder: Path, environment: dict[str, str]) -> dict[str, int]:
    """Instructions by name, of all that a Python process counts by `Callgrind.count`.

    Args:
        arguments: of Python.
        folder: for Callgrind's files.
        environment: variables besides those of this process.
    """
    output = folder / "callgrind.%p"  # a process that is forked writes files of its own
    valgrind = ["valgrind", "-q", "--tool=callgrind", "--instr-atstart=no", f"--callgrind-out-file={output}"]
    run_python(arguments, environment, below=valgrind)
    counts = {}
    for file in sorted(folder.glob("callgrind.*")):
        text = file.read_text()
        name = re.search(r"^desc: Trigger: Client Request: (.*)$", text, re.MULTILINE)
        total = re.search(r"^totals: (\d+)$", text, re.MULTILINE)
        if name and total:
            counts[name[1]] = int(total[1])
    return counts
