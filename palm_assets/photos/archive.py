"""Photographs in a ZIP archive: which members are images, and their bytes, bounded in size."""

from __future__ import annotations

import lzma
import struct
import zipfile
import zlib
from pathlib import PurePath

from palm_assets.errors import PhotoError
from palm_assets.photos.candidates import ARCHIVE, ARCHIVES, UNSUPPORTED
from palm_assets.photos.formats import HEAD, UNSUPPORTED_SUFFIXES, has_image_suffix, is_image_head
from palm_assets.sources.folders import SetAside, is_litter
from palm_assets.sources.unpack import is_folder_member

MAX_MEMBER_BYTES = 1 << 29
READ_ERRORS = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    EOFError,
    OSError,  # also damage in bzip2
    RuntimeError,  # encrypted
    NotImplementedError,
    ValueError,
)
"""By which the modules of the standard library report a member that cannot be unpacked."""


def image_members(archive: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    """The members that are images, in the order of their names; litter is skipped.

    A member is an image by its ending; one with an unknown ending, or none, by its first bytes. A name may
    occur twice: each is a member of its own.
    """
    members = [
        member
        for member in archive.infolist()
        if not is_folder_member(member)
        and not is_litter(member.filename)
        and (has_image_suffix(member.filename) or _is_image_content(archive, member))
    ]
    return sorted(members, key=lambda member: member.filename)


def unused_members(archive: zipfile.ZipFile) -> list[SetAside]:
    """The members that are images that are not read, or archives themselves, with the reason."""
    unused = []
    for name in (member.filename for member in archive.infolist() if not is_litter(member.filename)):
        suffix = PurePath(name.lower()).suffix
        if suffix in UNSUPPORTED_SUFFIXES:
            unused.append(SetAside(name, f"{UNSUPPORTED}: {suffix}"))
        elif name.lower().endswith(ARCHIVES):
            unused.append(SetAside(name, f"{ARCHIVE}: {suffix}"))
    return unused


def _is_image_content(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bool:
    if PurePath(member.filename.lower()).suffix in UNSUPPORTED_SUFFIXES:
        return False
    try:
        with archive.open(member) as stream:
            return is_image_head(stream.read(HEAD))
    except READ_ERRORS:
        return False  # nothing says that it is an image


def read_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    """Unpack one member in memory.

    Raises:
        PhotoError: it is damaged, encrypted, packed by an unknown method, or too large; the message names it.
    """
    where = f"{archive.filename}: {member.filename}"
    try:
        with archive.open(member) as stream:
            data = stream.read(MAX_MEMBER_BYTES + 1)
    except READ_ERRORS as error:
        raise PhotoError(
            f"The image cannot be unpacked: {error}", where=where, hint="Pack the images again."
        ) from error
    if len(data) > MAX_MEMBER_BYTES:
        what = f"The image is larger than {MAX_MEMBER_BYTES >> 20} MB when unpacked"
        raise PhotoError(what, where=where, hint="Leave it out.")
    return data
