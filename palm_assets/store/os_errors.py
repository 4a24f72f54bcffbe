"""Errors of the operating system while writing, as typed errors. No other module translates them."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from palm_assets.errors import DiskFullError, PalmError

FULL_DISK_BYTES = 4096  # fewer bytes than this left: the disk is full
FREE_SPACE = "Free some space and try again."
_DISK_FULL = (errno.ENOSPC, errno.EDQUOT)
NO_LOCKS = (errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL)
"""What the system reports for a lock on a file system that has none, such as NFS without its lock service."""
_NOT_WRITABLE = (errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO)
_NOT_A_FOLDER = (errno.EEXIST, errno.ENOTDIR)


@contextlib.contextmanager
def typed_write_errors(
    place: Path,
    refused: type[PalmError],
    what: str,
    *,
    hint: str,
    full_hint: str = FREE_SPACE,
    only_writes: bool = False,
) -> Iterator[None]:
    """Translate what the operating system raises while a block writes to a file or below a folder.

    Args:
        place: the file or folder that the block writes.
        refused: the error to raise if it cannot be written.
        what: its first sentence, to which the system's reason is added.
        hint: what to do about it.
        full_hint: what to do about a full disk.
        only_writes: the block does nothing else, so every error of the system is about `place`. Otherwise
            only a missing permission or a broken disk is translated, and only if the error names no file
            elsewhere, which the block may have read.

    Raises:
        DiskFullError: no space left, however the writing library reports it.
        refused: `place` cannot be written.
    """
    try:
        yield
    except PalmError:
        raise
    except Exception as error:
        if is_disk_full(error, place):
            raise DiskFullError("The disk is full", where=place, hint=full_hint) from error
        if isinstance(error, OSError) and error.errno in (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS):
            what = "The file system has no file locks, as NFS without its lock service"
            raise refused(what, where=place, hint="Use a local disk, or mount it with locks.") from error
        if isinstance(error, OSError) and (only_writes or _is_not_writable(error, place)):
            raise refused(f"{what}: {error.strerror or error}", where=place, hint=hint) from error
        raise


def is_disk_full(error: BaseException, place: Path | None = None) -> bool:
    """Whether an error means that no space is left.

    NumPy, safetensors and torch report it without the system's error number: then the message counts, and the
    space left at `place`.
    """
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno in _DISK_FULL
    if "No space left" in str(error):
        return True
    folder = next((path for path in (place, *place.parents) if path.is_dir()), None) if place else None
    return folder is not None and shutil.disk_usage(folder).free < FULL_DISK_BYTES


def _is_not_writable(error: OSError, place: Path) -> bool:
    if error.errno in _NOT_A_FOLDER:
        return not place.is_dir()
    named = Path(os.fsdecode(error.filename)) if isinstance(error.filename, str | bytes) else place
    about_place = named.is_relative_to(place) or place.is_relative_to(named)
    return about_place and error.errno in _NOT_WRITABLE
