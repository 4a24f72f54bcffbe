"""Process-wide settings of threads, memory and garbage collection, and what the processor can do.

Entry points call `configure`; importing a module changes no setting.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import math
import os
from collections.abc import Iterator
from pathlib import Path

TRIM_THRESHOLD, MMAP_MAX, ARENA_MAX = -1, -4, -8  # from glibc's malloc.h
UNLIMITED = 2**31 - 1
# Importing Dagster creates 150,000 permanent objects. With Python's default thresholds the garbage collector
# traverses them repeatedly, which takes a twelfth of the import time.
GC_THRESHOLDS = (100_000, 50, 100)
_most_cores: int | None = None


def configure() -> None:
    """Set environment variables and garbage collection; call it once, before torch is imported.

    Variables that are already set in the environment keep their values.
    """
    # By default OpenMP threads spin while they wait for each other. If other programs run too, that takes
    # most of the time: training is three times slower on two shared cores.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    # OpenMP knows no CPU quota, and Ultralytics sets one thread if there is no number.
    os.environ.setdefault("OMP_NUM_THREADS", str(usable_cores()))
    os.environ.setdefault("MPLBACKEND", "Agg")  # Ultralytics plots in processes without a display
    gc.set_threshold(*GC_THRESHOLDS)


def limit_cores(count: int) -> None:
    """Use no more cores in this process: for one of several that share a machine."""
    global _most_cores
    _most_cores = count


def usable_cores(root: Path = Path("/")) -> int:
    """Number of cores that this process may run on, but no more than its CPU quota, rounded up, or its limit.

    Args:
        root: folder that holds `proc` and `sys`, for the quota.
    """
    # macOS has no affinity.
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if _most_cores is not None:
        cores = min(cores, _most_cores)
    quota = cpu_quota(root)
    return cores if quota is None else max(1, min(cores, math.ceil(quota)))


def cpu_quota(root: Path = Path("/")) -> float | None:
    """CPU seconds per second that the control groups of this process allow it; None if there is no limit.

    A limit of a parent group counts, too. Both versions of control groups are read: `cpu.max` of the second,
    `cpu.cfs_quota_us` of the first. A container without a namespace of its own sees names of groups that are
    not mounted in it: then only the groups above that are mounted count.

    Args:
        root: folder that holds `proc` and `sys`.
    """
    mounts = root / "sys/fs/cgroup"
    quotas: list[float] = []
    for controllers, group in _control_groups(root / "proc/self/cgroup"):
        names = ["", "unified"] if controllers == "" else ["cpu", controllers]
        parts = [part for part in group.split("/") if part not in ("", "..")]
        for name in names:
            folders = [mounts.joinpath(name, *parts[:depth]) for depth in range(len(parts) + 1)]
            quotas += [quota for folder in folders if (quota := _quota(folder)) is not None]
    return min(quotas, default=None)


def _control_groups(listing: Path) -> Iterator[tuple[str, str]]:
    """Controllers ("" in version 2) and name of each group of this process that may limit CPU time."""
    with contextlib.suppress(OSError):  # not Linux
        for line in listing.read_text(encoding="utf-8", errors="surrogateescape").splitlines():
            _, _, rest = line.partition(":")
            controllers, _, group = rest.partition(":")
            if controllers == "" or "cpu" in controllers.split(","):
                yield controllers, group


def _quota(folder: Path) -> float | None:
    """The limit of one group in cores, by either version; None if there is none."""
    with contextlib.suppress(OSError, ValueError):
        limit, period = (folder / "cpu.max").read_text(encoding="ascii").split()
        return float(limit) / float(period) if limit != "max" else None
    with contextlib.suppress(OSError, ValueError, ZeroDivisionError):
        limit = (folder / "cpu.cfs_quota_us").read_text(encoding="ascii")
        period = (folder / "cpu.cfs_period_us").read_text(encoding="ascii")
        return float(limit) / float(period) if float(limit) > 0 else None
    return None


def use_all_cores() -> None:
    """Let torch use all usable cores; importing Ultralytics limits it to one."""
    import torch

    torch.set_num_threads(usable_cores())


def computes_in_bfloat16() -> bool:
    """Whether this processor multiplies bfloat16 natively (AVX512-BF16 or AMX on x86)."""
    import torch

    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


def keep_freed_memory() -> None:
    """Make glibc keep freed memory for reuse, and use large pages; for processes that compute and then end.

    By default glibc returns the memory of a large tensor to the system when it is freed, and each page of the
    next tensor causes a page fault: thousands for one image in Inception. Call this function before there are
    tensors or threads. Without glibc it does nothing.
    """
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")  # PyTorch then requests pages of 2 MB
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(TRIM_THRESHOLD, UNLIMITED)
        mallopt(MMAP_MAX, 0)
        mallopt(ARENA_MAX, 1)  # the heaps of other arenas are too small for large tensors
