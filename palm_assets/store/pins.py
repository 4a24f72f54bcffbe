"""Pins: an artifact that a process works with is not removed meanwhile.

A pin is a shared lock (flock) on the manifest: the kernel releases it when the process ends, however it ends.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import weakref
from collections.abc import Iterator
from pathlib import Path

from palm_assets.store.artifacts import MANIFEST, Artifact


class Pin:
    """Keeps an artifact from being removed, until it is closed or collected or the process ends."""

    def __init__(self, artifact: Artifact) -> None:
        self._handle: int | None = os.open(artifact.folder / MANIFEST, os.O_RDONLY)
        with contextlib.suppress(OSError):  # a file system without locks, from which nothing is ever removed
            fcntl.flock(self._handle, fcntl.LOCK_SH | fcntl.LOCK_NB)

    def close(self) -> None:
        """Unpin the artifact; closing again does nothing."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    def __del__(self) -> None:
        self.close()


def pin(artifact: Artifact) -> Artifact:
    """Pin an artifact for as long as this object lives; returns the same object."""
    weakref.finalize(artifact, Pin(artifact).close)
    return artifact


@contextlib.contextmanager
def lock_if_unpinned(folder: Path) -> Iterator[bool]:
    """Yield whether nobody has pinned the artifact in this folder; if so, nobody can inside the block."""
    try:
        handle = os.open(folder / MANIFEST, os.O_RDONLY)
    except FileNotFoundError:
        yield False
        return
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        yield False
    else:
        yield True
    finally:
        os.close(handle)
