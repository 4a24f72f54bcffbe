"""Which files of a folder are taken for photographs, and which image-like files are not, with the reason."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from palm_assets.photos.formats import (
    COPY_SUFFIXES,
    UNSUPPORTED_SUFFIXES,
    has_image_suffix,
    is_image_head,
    read_head,
    unsupported_format,
)
from palm_assets.sources.folders import LINK_REPEATED, SetAside, list_folder
from palm_assets.sources.unpack import ARCHIVE_SUFFIXES

BACKUP = "a backup or an unfinished copy"
RAW_BESIDE_IMAGE = "a raw file beside a readable image of the same name"
UNSUPPORTED = "unsupported image format"
_SHORTCUTS = (b"L\0\0\0\x01\x14\x02\0", b"book\0\0\0\0mark", b"!<symlink>", b"IntxLNK\x01")
_MAX_TARGET = 4096  # bytes
_OTHER_ARCHIVES = (".rar", ".7z", ".zipx", ".cab", ".ace", ".arj", ".lzh", ".lha", ".z01")
ARCHIVES = (*ARCHIVE_SUFFIXES, *_OTHER_ARCHIVES)
"""Endings of archives, in lower case, whether they can be sources or not."""
COPIED_LINK = "a shortcut, or a link that became a file, is not followed"
ARCHIVE = "an archive inside a folder is not unpacked"
OTHER_TABLE = "a HandInfo.csv nearer to the root counts"
EXPECTED_REASONS = (
    *("duplicate", "aspect", "not in HandInfo", BACKUP, RAW_BESIDE_IMAGE, LINK_REPEATED),
    OTHER_TABLE,
)
"""How the reasons begin for which nothing is lost: they are listed, but are no faults of the set."""


@dataclass(frozen=True)
class Candidates:
    """Files below a root, as paths relative to it in order.

    Attributes:
        images: files to read as photographs.
        others: all other files.
        set_aside: image-like files that are not read, and what could not be listed.
    """

    images: tuple[str, ...]
    others: tuple[str, ...]
    set_aside: tuple[SetAside, ...]

    @property
    def not_images(self) -> tuple[str, ...]:
        """Paths of everything but the images."""
        return (*self.others, *(entry.path for entry in self.set_aside))


def find_candidates(root: Path) -> Candidates:
    """Sort the files below a folder into images, other files and those set aside.

    A file is an image by its ending; one with an unknown ending, or none, by its first bytes.

    Raises:
        SourceNotFoundError: there is no such folder, or it cannot be read.
    """
    listing = list_folder(root)
    images, others, unsupported = [], [], []
    set_aside = list(listing.set_aside)
    for name in listing.files:
        lower = name.lower()
        if has_image_suffix(name):
            images.append(name)
        elif PurePosixPath(lower).suffix in UNSUPPORTED_SUFFIXES:
            unsupported.append(name)
        elif lower.endswith(ARCHIVES):
            set_aside.append(SetAside(name, f"{ARCHIVE}: {PurePosixPath(lower).suffix}"))
        elif is_image_head(head := _head(root / name)):
            if lower.endswith(COPY_SUFFIXES):
                set_aside.append(SetAside(name, BACKUP))
            else:
                images.append(name)
        elif (found := unsupported_format(head)) is not None:
            set_aside.append(SetAside(name, f"{UNSUPPORTED}: {found}"))
        elif (target := _link_in_file(root / name, head)) is not None:
            set_aside.append(SetAside(name, f"{COPIED_LINK}: {target}"))
        else:
            others.append(name)
    readable = {_without_suffix(name) for name in images}
    set_aside += [
        SetAside(
            name,
            RAW_BESIDE_IMAGE
            if _without_suffix(name) in readable
            else f"{UNSUPPORTED}: {PurePosixPath(name).suffix}",
        )
        for name in unsupported
    ]
    return Candidates(tuple(images), tuple(others), tuple(sorted(set_aside, key=lambda entry: entry.path)))


def _without_suffix(name: str) -> str:
    return PurePosixPath(name).with_suffix("").as_posix().lower()


def _link_in_file(path: Path, head: bytes) -> str | None:
    """Where a file leads that stands for a folder or another file; None if it is none of these.

    Such files are shortcuts of Windows, aliases of macOS, and the targets of links, which Git and archives
    write as text where the file system has no links.
    """
    if path.suffix.lower() == ".lnk" or head.startswith(_SHORTCUTS):
        return "unknown"
    if path.suffix or b"/" not in head or b"\n" in head:
        return None
    try:
        with path.open("rb") as stream:
            target = os.fsdecode(stream.read(_MAX_TARGET))
        leads = target.startswith(("../", "./", "/")) or (path.parent / target).exists()
    except (OSError, ValueError):  # a text that is no path
        return None
    return target if target.isprintable() and leads else None


def _head(path: Path) -> bytes:
    try:
        return read_head(path)
    except OSError:
        return b""  # nothing says that it is an image
