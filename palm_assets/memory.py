"""What this process does with the memory that it frees."""

from __future__ import annotations

import ctypes

TRIM_THRESHOLD, MMAP_MAX, ARENA_MAX = -1, -4, -8  # of glibc's malloc.h
NEVER = 2**31 - 1


def keep_freed_memory() -> None:
    """Use freed memory again instead of giving it back: for a process that computes, and then ends.

    glibc gives the memory of a large tensor back to the system when it is freed, and the system hands out the
    next one page by page, each an interruption: hundreds for an image that Inception looks at. Call it before
    there are threads. It does nothing where there is no glibc.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(TRIM_THRESHOLD, NEVER)
        mallopt(MMAP_MAX, 0)
        mallopt(ARENA_MAX, 1)  # the heaps of other threads are too small for what is large
