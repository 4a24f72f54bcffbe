"""Unpacks ZIP and tar archives: nothing outside of the folder, and no more than there is room for."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
import stat
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO, Self, cast

from palm_assets.errors import CorruptDownloadError, DiskFullError, UnsafeArchiveError
from palm_assets.sources.folders import is_litter

MAX_BYTES = 256 << 30
MAX_MEMBERS = 2_000_000
FREE_SHARE = 0.9  # of the space left on the disk that an archive may fill
MAX_HEADER_BYTES = 1 << 20  # of a PAX header or a long name of a tar, which is read into memory
ARCHIVE_SUFFIXES = (
    ".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz", ".tar.zst", ".tzst"
)  # fmt: skip
_CHUNK = 1 << 20
_OF_DAMAGE = (
    *(errno.ENAMETOOLONG, errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.EILSEQ),
    errno.EINVAL,
)
"""What the system reports for a name that is too long, for one member below another that is a file, and for a
position before the start of the archive.
"""
_AGAIN = "Download or pack it again."
_ZSTANDARD = b"\x28\xb5\x2f\xfd"
_HEADERS = (
    *(tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE),
    *(tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK),
)
_Member = tuple[str, bool, bool, int]  # name, whether it is a folder, whether it is a plain file, bytes


def unpack(archive: Path, folder: Path, name: str) -> None:
    """Unpack an archive into a folder, which is made; litter is left out.

    Of several files with the same name each is kept, the later ones with a number.

    Args:
        archive: ZIP, or tar as it is or compressed with gzip, bzip2, xz or Zstandard.
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
        if _is_tar(archive):
            with _open_tar(archive) as tar:
                _check_members(_tar_members(tar), folder, name)
                _write(((m.name, tar.extractfile(m)) for m in tar if m.isfile()), folder, name)
        elif is_zip(archive):
            with zipfile.ZipFile(archive) as pack:
                _check_members(_zip_members(pack), folder, name)
                files = (info for info in pack.infolist() if not is_folder_member(info))
                _write(((info.filename, pack.open(info)) for info in files), folder, name)
        else:
            raise CorruptDownloadError(
                "This is neither a ZIP nor a tar archive (tar, tar.gz, tar.bz2, tar.xz, tar.zst)",
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


class _BoundedTarInfo(tarfile.TarInfo):
    """A header of a tar; one that would fill the memory is refused."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        """Parse a header block.

        Raises:
            ValueError: what it announces is a header too, and too long.
        """
        found = super().frombuf(buf, encoding, errors)
        if found.type in _HEADERS and found.size > MAX_HEADER_BYTES:
            raise ValueError(f"a header has {found.size} bytes")
        return found


def _is_tar(archive: Path) -> bool:
    try:
        with _open_tar(archive):
            return True
    except tarfile.ReadError:
        return False


@contextlib.contextmanager
def _open_tar(archive: Path) -> Iterator[tarfile.TarFile]:
    with contextlib.ExitStack() as stack:
        file: IO[bytes] = stack.enter_context(archive.open("rb"))
        if file.read(len(_ZSTANDARD)) == _ZSTANDARD:
            from backports import zstd  # in the standard library from Python 3.14 on

            file = cast(IO[bytes], stack.enter_context(zstd.ZstdFile(archive)))
        file.seek(0)
        yield stack.enter_context(tarfile.open(fileobj=file, tarinfo=_BoundedTarInfo))


def _tar_members(tar: tarfile.TarFile) -> Iterator[_Member]:
    for member in tar:
        yield member.name, member.isdir(), member.isfile(), member.size
    # `tarfile` takes a damaged header, and half of one, for the end.
    assert tar.fileobj is not None
    tar.fileobj.seek(tar.offset)
    if tar.fileobj.read(tarfile.BLOCKSIZE).strip(b"\0"):
        raise tarfile.ReadError("a header is damaged, or the archive is cut off")


def _zip_members(pack: zipfile.ZipFile) -> Iterator[_Member]:
    for info in pack.infolist():
        kind = stat.S_IFMT(info.external_attr >> 16)
        yield info.filename, is_folder_member(info), kind in (0, stat.S_IFREG), info.file_size


def is_folder_member(info: zipfile.ZipInfo) -> bool:
    """Whether a member of a ZIP is a folder; some programs of Windows end its name with a backslash."""
    return info.filename.endswith(("/", "\\")) and info.file_size == 0


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
    numbers: dict[Path, int] = {}
    for name, stream in files:
        parts = [part for part in name.replace("\\", "/").split("/") if part not in ("", ".")]
        if stream is None or not parts or is_litter("/".join(parts)):
            continue
        # Also where Python takes file names for ASCII (LC_ALL=C without its UTF-8 mode).
        encoded = [os.fsdecode(part.encode("utf-8", "surrogateescape")) for part in parts]
        target = _unused(folder.joinpath(*encoded), numbers)
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


def _unused(path: Path, numbers: dict[Path, int]) -> Path:
    """The path itself, or with a number if there is such a file; `numbers` has the last one of each path."""
    found = path
    while found.exists():
        numbers[path] = number = numbers.get(path, 1) + 1
        found = path.with_name(f"{path.stem} ({number}){path.suffix}")
    return found


def _damaged(error: Exception, name: str) -> CorruptDownloadError:
    reason = (str(error).splitlines() or [type(error).__name__])[0]
    return CorruptDownloadError(f"The archive is damaged or encrypted: {reason}", where=name, hint=_AGAIN)
