"""Files that are whole or absent, whatever is killed when, and the system's refusals in our words."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from palm_assets.errors import ArtifactError, DiskFullError, PalmError

NO_ROOM = 4096  # bytes left on a full disk


def sha256_of(path: Path) -> str:
    """Hex SHA-256 of a file's content."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that a reader sees the old content or the new, never a part, even after a power cut."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, beside = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        Path(beside).chmod(0o644)
        Path(beside).replace(path)
        sync(path.parent)
    finally:
        Path(beside).unlink(missing_ok=True)


def sync(path: Path) -> None:
    """Have the disk itself hold a file's content, or a folder's names."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextlib.contextmanager
def writing_under(home: Path) -> Iterator[None]:
    """Turn refusals to write under `home`, which is made if need be, into errors that say what to do.

    Raises:
        DiskFullError: no room left.
        ArtifactError: the folder cannot be written.
    """
    try:
        home.mkdir(parents=True, exist_ok=True)
        yield
    except PalmError:
        raise
    except Exception as error:
        if _means_full_disk(error, home):
            raise DiskFullError(
                "The disk is full",
                where=home,
                hint="Free some space or move PALM_HOME; nothing was published.",
            ) from error
        if isinstance(error, OSError) and _means_not_writable(error, home):
            raise ArtifactError(
                "The artifact store cannot be written", where=home, hint="Make it writable or set PALM_HOME."
            ) from error
        raise


def _means_full_disk(error: Exception, home: Path) -> bool:
    """Whether the disk is full: NumPy, safetensors and torch report it without the system's error number."""
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno in (errno.ENOSPC, errno.EDQUOT)
    return "No space left" in str(error) or shutil.disk_usage(home).free < NO_ROOM


def _means_not_writable(error: OSError, home: Path) -> bool:
    place = str(error.filename or home)
    if error.errno in (errno.EEXIST, errno.ENOTDIR):
        return not home.is_dir()
    return place.startswith(str(home)) and error.errno in (errno.EROFS, errno.EACCES, errno.EPERM)
