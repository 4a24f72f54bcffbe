"""Atomic file writes: after a crash or a power cut at any moment, a file is whole or absent."""

from __future__ import annotations

import errno
import hashlib
import os
import tempfile
from pathlib import Path


def _read_umask() -> int:
    umask = os.umask(0o077)  # it can only be read by setting it
    os.umask(umask)
    return umask


_UMASK = _read_umask()
"""Of the process when this module was imported, before there are threads that make files meanwhile."""
FILE_MODE = 0o666 & ~_UMASK
"""Permissions of a new file, as the user's umask wants them; files of `tempfile` have others."""
FOLDER_MODE = 0o777 & ~_UMASK
"""Permissions of a new folder."""


def sha256_of(path: Path) -> str:
    """Hex SHA-256 of a file's content."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file through a temporary one: a reader sees the old content or the new, never a part.

    Of a link, the file that it leads to is written, be it missing.

    Raises:
        OSError: it cannot be written, or is a device or the like.
    """
    refuse_special_file(path)
    if path.is_symlink():
        path = Path(os.path.realpath(path))
    make_folder(path.parent)
    handle, beside = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        Path(beside).chmod(FILE_MODE)
        Path(beside).replace(path)
        sync(path.parent)
    finally:
        Path(beside).unlink(missing_ok=True)


def refuse_special_file(path: Path) -> None:
    """Refuse a device, a pipe or a socket, such as /dev/null: a new file would take its place.

    Raises:
        FileExistsError: it is one of these, or a link to one.
    """
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise FileExistsError(errno.EEXIST, "it is a device, a pipe or a socket", str(path))


def make_folder(path: Path) -> None:
    """Make a folder and those above it, if they are missing, so that they survive a power cut."""
    if path.is_dir():
        return
    make_folder(path.parent)
    path.mkdir(exist_ok=True)
    sync(path.parent)


def sync(path: Path) -> None:
    """Flush a file's content, or a folder's entries, to the disk (fsync)."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
