"""Artifacts in use: a process that works with one says so, and nobody removes it meanwhile.

A pin is a shared lock of the kernel on the manifest, so it goes with its process, however that ends.
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
    """Holds an artifact until it is let go, or collected, or the process ends."""

    def __init__(self, artifact: Artifact) -> None:
        self._handle: int | None = os.open(artifact.folder / MANIFEST, os.O_RDONLY)
        with contextlib.suppress(
            OSError
        ):  # a file system without locks: then nothing is ever removed from it
            fcntl.flock(self._handle, fcntl.LOCK_SH | fcntl.LOCK_NB)

    def let_go(self) -> None:
        """End the hold; once is enough, more do not hurt."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    def __del__(self) -> None:
        self.let_go()


def hold(artifact: Artifact) -> Artifact:
    """The same artifact, pinned for as long as this object lives."""
    weakref.finalize(artifact, Pin(artifact).let_go)
    return artifact


@contextlib.contextmanager
def unless_pinned(folder: Path) -> Iterator[bool]:
    """Whether nobody holds the artifact in this folder; while inside, nobody can begin to."""
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
