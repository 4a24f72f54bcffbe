"""Pins: an artifact that a process works with is not removed meanwhile.

A pin is a shared lock (flock) on the manifest: the kernel releases it when the process ends, however it ends.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import time
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol, TypeVar

from palm_assets.errors import ArtifactError, ArtifactMissingError
from palm_assets.store.os_errors import NO_LOCKS

SECONDS_TO_LOCK = (
    10.0  # whoever asks whether an artifact is pinned locks it for a moment, for a rename at most
)
POLL_SECONDS = 0.005

log = logging.getLogger(__name__)


class Pinnable(Protocol):
    """An artifact."""

    @property
    def manifest_file(self) -> Path:
        """The file to lock."""
        ...


PinnableT = TypeVar("PinnableT", bound=Pinnable)


class Pin:
    """Keeps an artifact from being removed, until it is closed or collected or the process ends.

    Raises:
        ArtifactMissingError: it has been removed.
        ArtifactError: it cannot be locked.
    """

    _handle: int | None = None

    def __init__(self, artifact: Pinnable) -> None:
        manifest = artifact.manifest_file
        try:
            self._handle = os.open(manifest, os.O_RDONLY)
            _lock_shared(self._handle, manifest)
            held, there = os.fstat(self._handle), manifest.stat()
        except FileNotFoundError:
            self.close()
            raise _removed(manifest) from None
        except OSError as error:
            self.close()
            raise ArtifactError(
                f"The artifact cannot be pinned: {error.strerror}", where=manifest.parent, hint="Try again."
            ) from error
        if (held.st_dev, held.st_ino) != (there.st_dev, there.st_ino):
            self.close()
            raise _removed(manifest)

    def close(self) -> None:
        """Unpin the artifact; closing again does nothing."""
        # Taken first: of two threads that close it, the later one would close another file of that number.
        handle, self._handle = self._handle, None
        if handle is not None:
            os.close(handle)

    def __del__(self) -> None:
        self.close()


def pin(artifact: PinnableT) -> PinnableT:
    """Pin an artifact for as long as this object lives; returns the same object.

    Raises:
        ArtifactMissingError: it has been removed.
        ArtifactError: it cannot be locked.
    """
    weakref.finalize(artifact, Pin(artifact).close)
    return artifact


@contextlib.contextmanager
def lock_if_unpinned(manifest: Path) -> Iterator[bool]:
    """Yield whether nobody has pinned the artifact of this manifest; if so, nobody can inside the block."""
    try:
        handle = os.open(manifest, os.O_RDONLY)
    except OSError:
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


def _lock_shared(handle: int, manifest: Path) -> None:
    until = time.monotonic() + SECONDS_TO_LOCK
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > until:
                raise
            time.sleep(POLL_SECONDS)
        except OSError as error:
            if error.errno not in NO_LOCKS:
                raise
            # Nothing is ever removed from there, as `lock_if_unpinned` needs a lock, too.
            log.warning("The file system of %s has no locks (%s).", manifest, error.strerror)
            return
        else:
            return


def _removed(manifest: Path) -> ArtifactMissingError:
    return ArtifactMissingError(
        "The artifact was removed meanwhile", where=manifest.parent, hint="Materialize it again."
    )
