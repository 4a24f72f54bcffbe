"""Unpacks ZIP and tar archives: nothing outside of the folder, and no more than there is room for."""

from __future__ import annotations

import errno
import os
import re
import shutil
import stat
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO

from palm_assets.errors import CorruptDownloadError, DiskFullError, UnsafeArchiveError
from palm_assets.sources.folders import is_litter

MAX_BYTES = 256 << 30
MAX_MEMBERS = 2_000_000
FREE_SHARE = 0.9  # of the space left on the disk that an archive may fill
ARCHIVE_SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
_CHUNK = 1 << 20
_OF_DAMAGE = (
    *(errno.ENAMETOOLONG, errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.EILSEQ),
    errno.EINVAL,
)
"""What the system reports for a name that is too long, for one member below another that is a file, and for a
position before the start of the archive.
"""
_AGAIN = "Download or pack it again."
_Member = tuple[str, bool, bool, int]  # name, whether it is a folder, whether it is a plain file, bytes


def is_archive(path: Path) -> bool:
    """Whether a path is a file that `unpack` may read, by its name."""
    return path.name.lower().endswith(ARCHIVE_SUFFIXES) and path.is_file()


def unpack(archive: Path, folder: Path, name: str) -> None:
    """Unpack an archive into a folder, which is made; litter is left out.

    Of several files with the same name each is kept, the later ones with a number.

    Args:
        archive: ZIP, or tar as it is or compressed with gzip, bzip2 or xz.
        folder: to write to.
        name: of the archive, for messages.

    Raises:
        UnsafeArchiveError: a member is a link or a device, its path is absolute or leads out of the folder,
            or the archive unpacks to more than is sensible.
        DiskFullError: it needs more space than is left.
        CorruptDownloadError: this is neither a ZIP nor a tar archive, or it is damaged or encrypted.
    """
    folder.mkdir(parents=True)
    try:
        if tarfile.is_tarfile(archive):
            with tarfile.open(archive) as tar:
                _check_members(_tar_members(tar), folder, name)
                _write(((m.name, tar.extractfile(m)) for m in tar if m.isfile()), folder, name)
        elif is_zip(archive):
            with zipfile.ZipFile(archive) as pack:
                _check_members(_zip_members(pack), folder, name)
                files = (info for info in pack.infolist() if not info.filename.endswith("/"))
                _write(((info.filename, pack.open(info)) for info in files), folder, name)
        else:
            raise CorruptDownloadError(
                "This is neither a ZIP nor a tar archive (tar, tar.gz, tar.bz2, tar.xz)",
                where=name,
                hint=_AGAIN,
            )
    except (CorruptDownloadError, DiskFullError):
        raise
    except OSError as error:
        of_system = error.filename is not None or error.errno is not None
        if of_system and error.errno not in _OF_DAMAGE:
            raise  # of the disk; damage has neither
        raise _damaged(error, name) from error
    except Exception as error:  # damage, which the libraries report by nearly any exception
        raise _damaged(error, name) from error


def is_zip(path: Path) -> bool:
    """Whether a file is a ZIP, be it damaged; the standard library refuses some with an exception."""
    try:
        return zipfile.is_zipfile(path)
    except zipfile.BadZipFile:
        return True


def _tar_members(tar: tarfile.TarFile) -> Iterator[_Member]:
    for member in tar:
        yield member.name, member.isdir(), member.isfile(), member.size


def _zip_members(pack: zipfile.ZipFile) -> Iterator[_Member]:
    for info in pack.infolist():
        kind = stat.S_IFMT(info.external_attr >> 16)
        folder = info.filename.endswith("/")
        yield info.filename, folder, kind in (0, stat.S_IFREG), info.file_size


def _check_members(members: Iterator[_Member], folder: Path, where: str) -> None:
    """Check the names of members, that they are plain files or folders, and that there is room for them."""
    room = shutil.disk_usage(folder).free * FREE_SHARE
    total = 0
    for number, (name, is_folder, is_file, size) in enumerate(members):
        path = PurePosixPath(name.replace("\\", "/"))
        if (
            not (is_folder or is_file)
            or path.is_absolute()
            or ".." in path.parts
            or re.match("[A-Za-z]:", name)
        ):
            raise UnsafeArchiveError(
                f"A member of the archive is a link or lies outside of its folder: {name[:200]!r}",
                where=where,
                hint="Do not use this data set, and tell its owner; nothing of it was kept.",
            )
        total += size
        if total > MAX_BYTES or number >= MAX_MEMBERS:
            raise UnsafeArchiveError(
                f"The archive unpacks to more than {MAX_BYTES >> 30} GB or {MAX_MEMBERS} files",
                where=where,
                hint="Unpack it yourself if you trust it, and point at the folder.",
            )
        if total > room:
            raise DiskFullError(
                f"The archive needs more space than is left: {room / 1e9:.1f} GB",
                where=folder,
                hint="Free some space, or unpack it on another disk and point at the folder.",
            )


def _write(files: Iterator[tuple[str, IO[bytes] | None]], folder: Path, where: str) -> None:
    """Write files, litter left out, and no more bytes in all than the archive may have."""
    left = min(MAX_BYTES, int(shutil.disk_usage(folder).free * FREE_SHARE))
    for name, stream in files:
        parts = [part for part in name.replace("\\", "/").split("/") if part not in ("", ".")]
        if stream is None or not parts or is_litter("/".join(parts)):
            continue
        # Also where Python takes file names for ASCII (LC_ALL=C without its UTF-8 mode).
        encoded = [os.fsdecode(part.encode("utf-8", "surrogateescape")) for part in parts]
        target = _unused(folder.joinpath(*encoded))
        target.parent.mkdir(parents=True, exist_ok=True)
        with stream, target.open("xb") as file:
            while chunk := stream.read(_CHUNK):
                left -= len(chunk)
                if left < 0:  # a header may lie about the size
                    raise UnsafeArchiveError(
                        "The archive unpacks to more than it says",
                        where=where,
                        hint="Do not use it; nothing of it was kept.",
                    )
                file.write(chunk)


def _unused(path: Path) -> Path:
    """The path itself, or with a number if there is such a file."""
    number, found = 2, path
    while found.exists():
        found = path.with_name(f"{path.stem} ({number}){path.suffix}")
        number += 1
    return found


def _damaged(error: Exception, name: str) -> CorruptDownloadError:
    reason = (str(error).splitlines() or [type(error).__name__])[0]
    return CorruptDownloadError(f"The archive is damaged or encrypted: {reason}", where=name, hint=_AGAIN)
