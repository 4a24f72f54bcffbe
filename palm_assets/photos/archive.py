"""Photographs in a ZIP archive: which members are images, and their bytes, bounded in size."""

from __future__ import annotations

import lzma
import struct
import zipfile
import zlib

from palm_assets.errors import PhotoError
from palm_assets.photos.formats import has_image_suffix
from palm_assets.sources.folders import is_litter

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
    """The members that are images by their names, in the order of these; litter is skipped.

    A name may occur twice: each is a member of its own.
    """
    members = [
        member
        for member in archive.infolist()
        if has_image_suffix(member.filename) and not is_litter(member.filename)
    ]
    return sorted(members, key=lambda member: member.filename)


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
