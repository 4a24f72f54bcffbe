"""Counts all workloads of a kind: `python -m tests.costs.count operations|instructions FOLDER`.

Prints JSON with the operations of each workload and of its slower form; Callgrind writes instructions.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

from palm_assets import runtime
from tests.costs.instructions import Callgrind
from tests.costs.workloads import INSTRUCTIONS, OPERATIONS, SLOWER, Workload


def main(kind: str, folder: Path) -> None:
    """Count all workloads of a kind."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})  # else there are as many threads as cores
    runtime.computes_in_bfloat16 = lambda: False  # on every machine alike
    counts: dict[str, dict[str, int]] = {}
    for workload in OPERATIONS if kind == "operations" else INSTRUCTIONS:
        for name, slower in ((workload.name, False), (SLOWER + workload.name, True)):
            below = folder / name
            below.mkdir()
            if kind == "operations":
                counts[name] = operations(workload, below, slower)
            else:
                instructions(workload, below, slower, name)
    print(json.dumps(counts))


def operations(workload: Workload, folder: Path, slower: bool) -> dict[str, int]:
    """Operators and calls of a workload that has run once before."""
    import torch

    from tests.costs.operations import count_calls, count_operators

    torch.set_num_threads(1)
    work = workload.prepare(folder, slower)
    work()
    counts = {**count_operators(work), **count_calls(work, thread=workload.thread)}
    return {name: count for name, count in counts.items() if count}


def instructions(workload: Workload, folder: Path, slower: bool, name: str) -> None:
    """Instructions of a workload, written by Callgrind, in a process that has imported nothing for others."""

    def count() -> None:
        work = workload.prepare(folder, slower)
        if not workload.imports:
            work()
        Callgrind().count(name, work)

    if workload.imports:
        in_another_process(lambda: workload.prepare(folder, slower)())  # after it, all modules are compiled
    in_another_process(count)


def in_another_process(work: Callable[[], object]) -> None:
    """Do some work in a fork of this process."""
    process = os.fork()
    if process == 0:
        try:
            work()
        except BaseException:
            sys.excepthook(*sys.exc_info())
            os._exit(1)
        os._exit(0)
    if os.waitpid(process, 0)[1] != 0:
        sys.exit("the work failed")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
