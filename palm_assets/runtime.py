"""Process-wide settings: threads, memory, garbage collection. Entry points call `configure`, not imports."""

from __future__ import annotations

import ctypes
import gc
import os

TRIM_THRESHOLD, MMAP_MAX, ARENA_MAX = -1, -4, -8  # of glibc's malloc.h
NEVER = 2**31 - 1
# Dagster's import alone makes 150,000 objects that stay. With Python's usual thresholds the collector visits
# them again and again, which costs a twelfth of the import.
COLLECTION_THRESHOLDS = (100_000, 50, 100)


def configure() -> None:
    """Settle how this process computes; call it once, before torch is imported.

    Variables that the environment sets already are left alone.
    """
    # By default OpenMP's threads spin while they wait for each other, and with anything else running on the
    # machine they then mostly spin: three times slower on two shared cores.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    os.environ.setdefault("MPLBACKEND", "Agg")  # no window: Ultralytics plots in workers and servers
    gc.set_threshold(*COLLECTION_THRESHOLDS)


def usable_cores() -> int:
    """Cores that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def use_all_cores() -> None:
    """Let torch use every core: importing Ultralytics limits it to one."""
    import torch

    torch.set_num_threads(usable_cores())


def computes_in_bfloat16() -> bool:
    """Whether this processor multiplies bfloat16 natively (AVX512-BF16 or AMX on x86)."""
    import torch

    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


def keep_freed_memory() -> None:
    """Use freed memory again instead of giving it back, in large pages: where a process computes, then ends.

    glibc gives the memory of a large tensor back to the system when it is freed, and the system hands out the
    next one page by page, each an interruption: thousands for an image that Inception looks at. To be called
    before there are tensors or threads. Where there is no glibc, or no Linux, it changes nothing.
    """
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")  # PyTorch then asks for pages of 2 MB
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(TRIM_THRESHOLD, NEVER)
        mallopt(MMAP_MAX, 0)
        mallopt(ARENA_MAX, 1)  # the heaps of other threads are too small for what is large
