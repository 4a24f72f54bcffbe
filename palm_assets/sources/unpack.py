"""Unpacks a ZIP or tar archive after it was checked: no member may lie outside of the folder."""

from __future__ import annotations

import re
import stat
import tarfile
import zipfile
from pathlib import Path, PurePosixPath

from palm_assets.errors import CorruptDownloadError, UnsafeArchiveError


def unpack(archive: Path, folder: Path, name: str) -> None:
    """Unpack an archive into a folder, which is made.

    Raises:
        UnsafeArchiveError: a member is a link, or its path is absolute or leads out of the folder.
        CorruptDownloadError: this is neither a ZIP nor a tar archive.
    """
    folder.mkdir(parents=True)
    if tarfile.is_tarfile(archive):
        with tarfile.open(archive) as tar:
            _check_members([(member.name, member.isfile() or member.isdir()) for member in tar], name)
            tar.extractall(folder, filter="data")
    elif zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as pack:
            members = pack.infolist()
            _check_members([(m.filename, not stat.S_ISLNK(m.external_attr >> 16)) for m in members], name)
            pack.extractall(folder)
    else:
        raise CorruptDownloadError(
            "This is neither a ZIP nor a tar archive",
            where=name,
            hint="Run it again, and tell the owner of the data set if that does not help.",
        )


def _check_members(members: list[tuple[str, bool]], where: str) -> None:
    """Check the names of members, and that they are plain files or folders."""
    for name, plain in members:
        path = PurePosixPath(name.replace("\\", "/"))
        if not plain or path.is_absolute() or ".." in path.parts or re.match("[A-Za-z]:", name):
            raise UnsafeArchiveError(
                f"A member of the archive is a link or lies outside of its folder: {name[:200]!r}",
                where=where,
                hint="Do not use this data set, and tell its owner; nothing of it was kept.",
            )
