"""Image formats: which file names and contents are photographs, and which of them are read."""

from __future__ import annotations

import re
from pathlib import Path, PurePath

IMAGE_SUFFIXES = frozenset(
    {
        ".jpg", ".jpeg", ".jpe", ".jfif", ".jif", ".pjpeg", ".pjp", ".mpo",
        ".png", ".apng", ".bmp", ".dib", ".webp", ".tif", ".tiff", ".gif", ".tga",
        ".ppm", ".pgm", ".pbm", ".pnm", ".heic", ".heif", ".hif", ".avif",
        ".jp2", ".j2k", ".j2c", ".jpc", ".jpf", ".jpx",
    }
)  # fmt: skip
"""Endings, in lower case, of the images that are read."""

UNSUPPORTED_SUFFIXES = frozenset(
    {
        ".3fr", ".arw", ".cr2", ".cr3", ".crw", ".dcr", ".dng", ".erf", ".kdc", ".mef", ".mos", ".mrw",
        ".nef", ".nrw", ".orf", ".pef", ".raf", ".raw", ".rw2", ".rwl", ".sr2", ".srf", ".srw", ".x3f",
        ".ai", ".eps", ".exr", ".hdr", ".jxl", ".jxr", ".pcx", ".psb", ".psd", ".svg", ".svgz", ".wdp",
        ".xcf",
    }
)  # fmt: skip
"""Endings, in lower case, of images that are not read: raw camera files, layered and vector images."""

COPY_SUFFIXES = (
    "~", ".bak", ".old", ".orig", "_original", ".part", ".partial", ".crdownload", ".download", ".tmp",
)  # fmt: skip
"""How editors and browsers name backups and unfinished downloads."""

HEAD = 32
"""Bytes at the beginning of a file that tell its format."""

_SIGNATURES = (
    b"\xff\xd8\xff",  # JPEG
    b"\x89PNG\r\n\x1a\n",
    b"GIF87a",
    b"GIF89a",
    b"II*\x00",  # TIFF
    b"MM\x00*",
    b"\x00\x00\x00\x0cjP  ",  # JPEG 2000
    b"\xff\x4f\xff\x51",
)
# A DIB header has one of these sizes; two letters alone also begin texts.
_BMP_HEADER_SIZES = frozenset(size.to_bytes(4, "little") for size in (12, 16, 40, 52, 56, 64, 108, 124))
_NETPBM = re.compile(rb"P[4-6]\s\d+\s\d+\s")
_UNSUPPORTED_SIGNATURES = {
    b"\x00\x00\x00\x0cJXL ": "JPEG XL",
    b"8BPS": "Photoshop",
    b"v/1\x01": "OpenEXR",
    b"II\xbc\x01": "JPEG XR",
    b"FUJIFILMCCD-RAW": "raw of Fujifilm",
}
_HEIF_BRANDS = frozenset(
    {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1", b"mif2", b"miaf"}
)
_AVIF_BRANDS = frozenset({b"avif", b"avis"})
_VIDEO_BRANDS = frozenset({b"isom", b"iso2", b"iso4", b"iso5", b"iso6", b"mp41", b"mp42", b"avc1", b"M4V "})


def has_image_suffix(name: str | PurePath) -> bool:
    """Whether a file name ends like an image that is read."""
    return PurePath(name).suffix.lower() in IMAGE_SUFFIXES


def is_heif(head: bytes) -> bool:
    """Whether the first bytes are those of a HEIF or HEIC file, which needs a decoder of its own."""
    return head[4:8] == b"ftyp" and head[8:12] in _HEIF_BRANDS


def is_mp4(head: bytes) -> bool:
    """Whether the first bytes of a file are those of an MP4 video."""
    return head[4:8] == b"ftyp" and head[8:12] in _VIDEO_BRANDS


def read_head(path: Path) -> bytes:
    """The first bytes of a file, as many as its format shows in.

    Raises:
        OSError: the file cannot be read.
    """
    with path.open("rb") as stream:
        return stream.read(HEAD)


def is_image_head(head: bytes) -> bool:
    """Whether the first bytes of a file are those of an image that is read, whatever its name."""
    return (
        head.startswith(_SIGNATURES)
        or (head[:2] == b"BM" and head[14:18] in _BMP_HEADER_SIZES)
        or _NETPBM.match(head) is not None
        or (head[:4] == b"RIFF" and head[8:12] == b"WEBP")
        or is_heif(head)
        or (head[4:8] == b"ftyp" and head[8:12] in _AVIF_BRANDS)
    )


def unsupported_format(head: bytes) -> str | None:
    """The format of an image that is not read, by the first bytes of the file; None if they are of none."""
    return next((name for start, name in _UNSUPPORTED_SIGNATURES.items() if head.startswith(start)), None)
