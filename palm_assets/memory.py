"""What this process does with the memory of its tensors."""

from __future__ import annotations

import ctypes
import os

TRIM_THRESHOLD, MMAP_MAX, ARENA_MAX = -1, -4, -8  # of glibc's malloc.h
NEVER = 2**31 - 1


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
