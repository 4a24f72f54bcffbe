"""`HandInfo.csv` of the 11k Hands layout: who is on a photograph, and which side of the hand it shows."""

from __future__ import annotations

import codecs
import csv
import io
import logging
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

from palm_assets.errors import DatasetError
from palm_assets.photos.formats import has_image_suffix
from palm_assets.sources.config import Aspect

Side = Literal["left", "right", "unknown"]

HAND_INFO = "HandInfo.csv"
COLUMNS = ("id", "skinColor", "aspectOfHand", "imageName")

log = logging.getLogger(__name__)

_DELIMITERS = ",;\t"
_MAX_UNMATCHED = 0.5  # share of images without a row above which the table is of other files


@dataclass(frozen=True)
class Labels:
    """What is known of one photograph besides its pixels."""

    person: str
    aspect: Aspect
    side: Side
    skin: str


@dataclass(frozen=True)
class _Row:
    """One row: the folders that its image name has, the name, and the labels."""

    folders: tuple[str, ...]
    name: str
    labels: Labels


def find_table(root: Path, names: Iterable[str]) -> Path | None:
    """The `HandInfo.csv`, in any case, nearest to the root among relative paths; None without one."""
    found = [name for name in names if PurePosixPath(name).name.lower() == HAND_INFO.lower()]
    return root / min(found, key=lambda name: (name.count("/"), name)) if found else None


def join_table(table: Path, images: Iterable[str]) -> dict[str, Labels]:
    """Labels of the images that the table names; images without a row are left out.

    Names are compared without regard to case, blanks, a missing or different image suffix, Unicode
    composition, and the folders in front of the name. Where several rows remain, the one decides that has
    the most folders, then the suffix, then the spelling in common with the file.

    Args:
        table: the CSV; commas, semicolons or tabs separate its columns.
        images: paths relative to the root of the set.

    Raises:
        DatasetError: the table cannot be read, lacks a column, contradicts itself about an image, or has no
            row for most of the images.
    """
    images = list(images)
    rows = _read_rows(table)
    labels = {image: found for image in images if (found := _labels_of(image, rows, table)) is not None}
    unmatched = [image for image in images if image not in labels]
    if len(unmatched) > _MAX_UNMATCHED * len(images):
        named = next((row.name for group in rows.values() for row in group), "nothing")
        raise DatasetError(
            f"{HAND_INFO} has no row for {len(unmatched)} of {len(images)} images "
            f"(a row names {named!r}, a file is called {unmatched[0]!r})",
            where=table,
            hint="Correct its column imageName, or remove the table: subfolders then name the people.",
        )
    if unmatched:
        log.warning("%s has no row for %d of %d images", HAND_INFO, len(unmatched), len(images))
    return labels


def _read_rows(table: Path) -> dict[str, list[_Row]]:
    """Rows by the comparable form of their image name."""
    try:
        text = _decoded(table.read_bytes())
        head = text.partition("\n")[0]
        delimiter = max(_DELIMITERS, key=head.count)
        reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter)
        columns = {(name or "").strip().lower(): name for name in reader.fieldnames or ()}
        missing = [name for name in COLUMNS if name.lower() not in columns]
        if missing:
            raise DatasetError(
                f"Missing column {', '.join(missing)}",
                where=table,
                hint=f"The 11k Hands layout has at least {', '.join(COLUMNS)}.",
            )
        rows: dict[str, list[_Row]] = {}
        for cells in reader:
            row = _row({name: (cells[columns[name.lower()]] or "").strip() for name in COLUMNS})
            if row is not None:
                rows.setdefault(_comparable(row.name), []).append(row)
        return rows
    except OSError as error:
        raise DatasetError(
            f"{HAND_INFO} cannot be read: {error.strerror}", where=table, hint="Check who may read the file."
        ) from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise DatasetError(
            f"{HAND_INFO} cannot be read: {error}", where=table, hint="Save it as CSV in UTF-8."
        ) from error


def _decoded(data: bytes) -> str:
    wide = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return data.decode("utf-16" if wide else "utf-8-sig")


def _row(cells: Mapping[str, str]) -> _Row | None:
    *folders, name = (part.strip() for part in re.split(r"[/\\]", cells["imageName"]))
    if not name:
        return None
    words = cells["aspectOfHand"].lower().split()
    aspect: Aspect = "palmar" if "palmar" in words else "dorsal" if "dorsal" in words else "unknown"
    side: Side = "left" if "left" in words else "right" if "right" in words else "unknown"
    labels = Labels(cells["id"] or name, aspect, side, cells["skinColor"] or "unknown")
    return _Row(tuple(_folded(part) for part in folders), name, labels)


def _labels_of(image: str, rows: Mapping[str, list[_Row]], table: Path) -> Labels | None:
    path = PurePosixPath(image)
    folders = [_folded(part) for part in path.parts[:-1]]

    def in_common(row: _Row) -> tuple[int, bool, bool]:
        shared = 0
        for mine, theirs in zip(reversed(folders), reversed(row.folders), strict=False):
            if mine != theirs:
                break
            shared += 1
        suffix = PurePosixPath(row.name).suffix.lower() == path.suffix.lower()
        return shared, suffix, row.name == path.name

    candidates = rows.get(_comparable(path.name), [])
    if not candidates:
        return None
    best = max(in_common(row) for row in candidates)
    labels = {row.labels for row in candidates if in_common(row) == best}
    if len(labels) > 1:
        raise DatasetError(
            f"{len(labels)} rows of {HAND_INFO} fit {image!r} and contradict each other",
            where=table,
            hint="Keep one row, or write the folder in front of the name in column imageName.",
        )
    return labels.pop()


def _comparable(name: str) -> str:
    """An image name as it is compared: without its image suffix, blanks and case."""
    name = name.strip()
    return _folded(PurePosixPath(name).stem if has_image_suffix(name) else name)


def _folded(text: str) -> str:
    return unicodedata.normalize("NFC", text.strip()).casefold()
