"""Process-wide settings of threads, memory and garbage collection, and what the processor can do.

Entry points call `configure`; importing a module changes no setting.
"""

from __future__ import annotations

import ctypes
import gc
import os

TRIM_THRESHOLD, MMAP_MAX, ARENA_MAX = -1, -4, -8  # from glibc's malloc.h
UNLIMITED = 2**31 - 1
# Importing Dagster creates 150,000 permanent objects. With Python's default thresholds the garbage collector
# traverses them repeatedly, which takes a twelfth of the import time.
GC_THRESHOLDS = (100_000, 50, 100)


def configure() -> None:
    """Set environment variables and garbage collection; call it once, before torch is imported.

    Variables that are already set in the environment keep their values.
    """
    # By default OpenMP threads spin while they wait for each other. If other programs run too, that takes
    # most of the time: training is three times slower on two shared cores.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    os.environ.setdefault("MPLBACKEND", "Agg")  # Ultralytics plots in processes without a display
    gc.set_threshold(*GC_THRESHOLDS)


def usable_cores() -> int:
    """Number of cores that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


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
