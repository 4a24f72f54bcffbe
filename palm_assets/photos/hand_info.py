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
from palm_assets.photos.formats import COPY_SUFFIXES, has_image_suffix
from palm_assets.sources.config import Aspect

Side = Literal["left", "right", "unknown"]

HAND_INFO = "HandInfo.csv"
COLUMNS = ("id", "skinColor", "aspectOfHand", "imageName")

log = logging.getLogger(__name__)

_DELIMITERS = ",;\t|"
_DELIMITER_LINE = re.compile(r"sep=.\s*", re.IGNORECASE)  # with which Excel names the delimiter
_TABLE_SUFFIXES = frozenset(
    {".csv", ".tsv", ".txt", ".xlsx", ".xls", ".xlsm", ".ods", ".numbers", ".json", ""}
)
# Parts of words, because tables say "palmar left", "Dorsal_Right", "backLeft" or "ладонь, левая".
_PALMAR, _DORSAL = ("palm", "ладон"), ("dors", "back", "тыл")
_LEFT, _RIGHT = ("left", "лев"), ("right", "прав")
_NOT_KNOWN = frozenset(
    {"", "?", "-", "na", "n/a", "nan", "none", "null", "unknown", "не известно", "неизвестно"}
)
_MAX_UNMATCHED = 0.5  # share of images without a row above which the table is of other files


@dataclass(frozen=True, slots=True)
class Labels:
    """What is known of one photograph besides its pixels; `person` is empty where a table does not say it."""

    person: str
    aspect: Aspect
    side: Side
    skin: str


@dataclass(frozen=True)
class _Row:
    """One row: the folders that its image name has, the name, the labels, and the aspect in its own words."""

    folders: tuple[str, ...]
    name: str
    labels: Labels
    said: str


def find_table(root: Path, names: Iterable[str]) -> Path | None:
    """The `HandInfo.csv`, in any case, nearest to the root among relative paths; None without one.

    Raises:
        DatasetError: two different tables are equally near, or there is only one that is called otherwise or
            cannot be opened: without it, folders would be taken for people.
    """
    names = list(names)
    if not (found := tables(names)):
        _refuse_other_tables(root, names)
        return None
    table = root / found[0]
    if not table.is_file():
        raise DatasetError(
            f"{HAND_INFO} cannot be read: it is no file, or a link to one that does not exist",
            where=table,
            hint="Put the table there, or remove what is there.",
        )
    for name in found[1:]:
        if name.count("/") == found[0].count("/") and not _same_content(root / name, table):
            raise DatasetError(
                f"Two different tables are equally near: {found[0]!r} and {name!r}",
                where=root,
                hint="Join them into one at the top, with the folder in front of each image name and with "
                "different ids for different people; or use one of the folders.",
            )
    return table


def _same_content(one: Path, other: Path) -> bool:
    try:
        return one.read_bytes() == other.read_bytes()
    except OSError:
        return False


def tables(names: Iterable[str]) -> list[str]:
    """The paths that are called `HandInfo.csv`, in any case, from the nearest to the root on."""
    found = [name for name in names if PurePosixPath(name).name.lower() == HAND_INFO.lower()]
    return sorted(found, key=lambda name: (name.count("/"), name))


def _refuse_other_tables(root: Path, names: Iterable[str]) -> None:
    for name in sorted(names):
        path = PurePosixPath(name.lower())
        stem = re.sub(r"\(\d+\)|copy|csv|[\W_]", "", path.stem)
        if stem == "handinfo" and path.suffix in _TABLE_SUFFIXES and not path.name.endswith(COPY_SUFFIXES):
            raise DatasetError(
                f"{name!r} looks like the table of who is on the photographs, but only {HAND_INFO} is read",
                where=root,
                hint=f"Save it as CSV under the name {HAND_INFO}, or rename it to something else.",
            )


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
            row for most of the images, or an aspect that says neither palmar nor dorsal, left nor right.
    """
    images = list(images)
    rows = _read_rows(table)
    _check_aspects(table, rows)
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
        text = _decoded(table.read_bytes()).lstrip()
        if (line := _DELIMITER_LINE.match(text)) is not None:
            text = text[line.end() :]
        head = (text.splitlines() or [""])[0]
        delimiter = max(_DELIMITERS, key=head.count)
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
        header = [name.strip().lower() for name in next(reader, [])]
        twice = [name for name in COLUMNS if header.count(name.lower()) > 1]
        if twice:
            raise DatasetError(
                f"Several columns are called {', '.join(twice)}, whatever their case",
                where=table,
                hint="Rename those that are not meant.",
            )
        missing = [name for name in COLUMNS if name.lower() not in header]
        if missing:
            raise DatasetError(
                f"Missing column {', '.join(missing)}",
                where=table,
                hint=f"The 11k Hands layout has at least {', '.join(COLUMNS)}.",
            )
        rows: dict[str, list[_Row]] = {}
        places = {name: header.index(name.lower()) for name in COLUMNS}
        for cells in reader:
            row = _row({name: cells[at].strip() if at < len(cells) else "" for name, at in places.items()})
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
    said = cells["aspectOfHand"].casefold()
    palmar, dorsal = _says(said, _PALMAR), _says(said, _DORSAL)
    left, right = _says(said, _LEFT), _says(said, _RIGHT)
    aspect: Aspect = "unknown" if palmar == dorsal else "palmar" if palmar else "dorsal"
    side: Side = "unknown" if left == right else "left" if left else "right"
    labels = Labels(cells["id"], aspect, side, cells["skinColor"] or "unknown")
    return _Row(tuple(_folded(part) for part in folders), name, labels, said)


def _says(said: str, parts: Iterable[str]) -> bool:
    return any(part in said for part in parts)


def _check_aspects(table: Path, rows: Mapping[str, list[_Row]]) -> None:
    """Refuse aspects that cannot be read: backs of hands would be used as palms."""
    unread = [
        row
        for group in rows.values()
        for row in group
        if row.labels.aspect == row.labels.side == "unknown" and row.said not in _NOT_KNOWN
    ]
    if unread:
        raise DatasetError(
            f"{len(unread)} rows of {HAND_INFO} have an aspectOfHand that says neither palmar nor dorsal: "
            f"{unread[0].said[:60]!r} of {unread[0].name!r}",
            where=table,
            hint="Write palmar or dorsal, and left or right; leave it empty where it is not known.",
        )


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
