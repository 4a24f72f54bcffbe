"""The index of a set of photographs: what is there, who is on it, and what is set aside and why."""

from __future__ import annotations

import csv
import hashlib
import math
import os
import sys
from collections import Counter, deque
from collections.abc import Collection, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from palm_assets.errors import DatasetError, PhotoError, SourceNotFoundError
from palm_assets.photos.candidates import EXPECTED_REASONS, OTHER_TABLE, Candidates, find_candidates
from palm_assets.photos.hand_info import Labels, Side, find_table, join_table, tables
from palm_assets.photos.people import check_spelling, has_person_folder, labels_of
from palm_assets.photos.reader import MAX_MEGAPIXELS, read_photo
from palm_assets.progress import Progress, no_progress
from palm_assets.runtime import usable_cores
from palm_assets.sources.config import Aspect, LoosePhotos
from palm_assets.sources.folders import SetAside, reason_counts

if TYPE_CHECKING:
    import numpy as np
    from _typeshed import DataclassInstance

PHOTOS_FILE = "photos.csv"
SET_ASIDE_FILE = "set_aside.csv"
CHANGED_HINT = "Materialize raw_hands again, which indexes the photographs as they are now."
NO_FOLDER = "no folder says who is on it"
NO_ID = "HandInfo.csv does not say who is on it"
_OTHER_ASPECT = "aspect"
WAITING_PER_CORE = 16
_Outcome = tuple[int, int, str] | PhotoError
"""Width, height and digest of the pixels of a photograph, or why it cannot be used."""


@dataclass(frozen=True, slots=True)
class Photo:
    """One usable photograph; `path` is relative to the set's root, sizes are those that a viewer shows."""

    path: str
    width: int
    height: int
    person: str
    aspect: Aspect
    side: Side
    skin: str
    pixels_sha256: str


@dataclass(frozen=True)
class PhotoIndex:
    """All photographs of a set under `root`, usable ones and those set aside, in the order of their paths."""

    root: Path
    photos: tuple[Photo, ...]
    set_aside: tuple[SetAside, ...]

    def read(self, photo: Photo) -> np.ndarray:
        """Pixels of a photo, uint8 RGB (H, W, 3).

        Raises:
            PhotoError: the file is gone, damaged, or has other pixels than when it was indexed.
        """
        path = self.root / photo.path
        # What was indexed within the limit is within the limit: the config's value is needed only once.
        limit = (photo.width * photo.height + 0.5) / 1e6
        try:
            pixels = read_photo(path, max_megapixels=limit)
        except PhotoError as error:
            raise PhotoError(error.what, where=path, hint=CHANGED_HINT) from error
        if _pixels_sha256(pixels) != photo.pixels_sha256:
            raise PhotoError("the photograph changed after it was indexed", where=path, hint=CHANGED_HINT)
        return pixels

    def facts(self) -> dict[str, object]:
        """Counts for the manifest. Photographs of other aspects are no part of `set_aside`."""
        other_aspects = sum(entry.reason.startswith(_OTHER_ASPECT) for entry in self.set_aside)
        return {
            "photos": len(self.photos),
            "people": len({photo.person for photo in self.photos}),
            "aspects": dict(Counter(photo.aspect for photo in self.photos)),
            "skin": dict(Counter(photo.skin for photo in self.photos)),
            "set_aside": len(self.set_aside) - other_aspects,
            "other_aspects": other_aspects,
            "set_aside_reasons": reason_counts(self.set_aside),
        }


def index_photos(
    root: Path,
    *,
    aspects: Iterable[str] = ("palmar", "unknown"),
    person_level: int = 1,
    loose_photos: LoosePhotos = "each_a_person",
    max_set_aside: float = 0.1,
    max_megapixels: float = MAX_MEGAPIXELS,
    progress: Progress = no_progress,
) -> PhotoIndex:
    """Decode every image under `root` once and separate usable photographs from the rest.

    A `HandInfo.csv` anywhere below `root` (the 11k Hands layout) gives person, aspect and skin. Without one,
    the first folder below `root` names the person; `loose_photos` says who is on a photo in no folder.
    Whatever looks like an image and is not used is set aside with a reason. Photos of other `aspects` and
    files with the same pixels as another one are no faults of the set.

    Args:
        root: folder of images, any layout.
        aspects: aspects to keep.
        person_level: which folder below `root` names the person, from 1; see `people.labels_of`.
        loose_photos: see `PhotosConfig`.
        max_set_aside: largest acceptable share of files set aside for a fault, 0 to 1.
        max_megapixels: larger images are set aside.
        progress: called with (files read, files in all).

    Raises:
        SourceNotFoundError: no such folder.
        DatasetError: no images in it, `HandInfo.csv` does not fit, two folders may be of one person, too many
            faults, or nothing is left.
    """
    candidates = find_candidates(root)
    _check_images(root, candidates)
    table = find_table(root, candidates.not_images)
    joined = join_table(table, candidates.images) if table is not None else {}
    by_file_name = loose_photos == "by_file_name"
    labels, loose = {}, set()
    for name in candidates.images:
        found = joined.get(name) or labels_of(name, person_level=person_level, by_file_name=by_file_name)
        if not (joined[name].person if name in joined else has_person_folder(name)):
            loose.add(name)
        if not found.person:
            file_name = name.rpartition("/")[2]
            found = replace(found, person=labels_of(file_name, by_file_name=by_file_name).person)
        labels[name] = found
    named = (name for name in candidates.images if by_file_name or name not in loose)
    check_spelling(root, {labels[name].person for name in named})
    wanted = set(aspects)
    entries = list(candidates.set_aside)
    if table is not None:
        nearest = table.relative_to(root).as_posix()
        entries += [SetAside(name, OTHER_TABLE) for name in tables(candidates.others) if name != nearest]
    if loose_photos == "refuse":
        _check_loose(root, loose, len(candidates.images), max_set_aside, in_table=table is not None)
    chosen = []
    for name in candidates.images:
        if name in loose and loose_photos == "refuse":
            entries.append(SetAside(name, NO_ID if name in joined else NO_FOLDER))
        elif labels[name].aspect in wanted:
            chosen.append(name)
        elif table is not None and name not in joined:
            entries.append(SetAside(name, "not in HandInfo.csv"))
        else:
            entries.append(SetAside(name, f"{_OTHER_ASPECT} {labels[name].aspect}"))
    photos, refused = _decode_all(root, chosen, labels, max_megapixels, progress)
    entries += refused
    index = PhotoIndex(root, photos, tuple(sorted(entries, key=lambda entry: entry.path)))
    check_usable(index, max_set_aside)
    return index


def write_index(index: PhotoIndex, folder: Path) -> None:
    """Write `photos.csv` and `set_aside.csv`."""
    write_rows(folder / PHOTOS_FILE, Photo, index.photos)
    write_rows(folder / SET_ASIDE_FILE, SetAside, index.set_aside)


def read_index(folder: Path, root: Path) -> PhotoIndex:
    """Read what `write_index` wrote; `root` is where the images are now.

    Raises:
        SourceNotFoundError: the images' folder is gone.
    """
    if not root.is_dir():
        raise SourceNotFoundError(
            "The folder of the photographs is gone",
            where=root,
            hint="Put it back, or materialize raw_hands again.",
        )
    with (folder / PHOTOS_FILE).open(newline="", encoding="utf-8", errors="surrogateescape") as stream:
        photos = tuple(_photo(row) for row in csv.DictReader(stream))
    with (folder / SET_ASIDE_FILE).open(newline="", encoding="utf-8", errors="surrogateescape") as stream:
        entries = tuple(SetAside(**row) for row in csv.DictReader(stream))
    return PhotoIndex(root, photos, entries)


def _photo(row: dict[str, str]) -> Photo:
    values: dict[str, Any] = {**row, "width": int(row["width"]), "height": int(row["height"])}
    values |= {name: sys.intern(row[name]) for name in ("person", "aspect", "side", "skin")}
    return Photo(**values)


def people_by_photograph(folder: Path) -> dict[str, str]:
    """The person of each photograph, by the digest of its pixels; empty if the folder holds no index."""
    try:
        with (folder / PHOTOS_FILE).open(newline="", encoding="utf-8", errors="surrogateescape") as stream:
            return {row["pixels_sha256"]: row["person"] for row in csv.DictReader(stream)}
    except FileNotFoundError:
        return {}


def write_rows(path: Path, row_type: type, rows: Iterable[DataclassInstance]) -> None:
    """Write dataclass instances as CSV. File names are bytes; those that are not UTF-8 stay as they are."""
    with path.open("w", newline="", encoding="utf-8", errors="surrogateescape") as stream:
        writer = csv.DictWriter(stream, [field.name for field in fields(row_type)])
        writer.writeheader()
        writer.writerows(asdict(row) for row in rows)


def folder_fingerprint(root: Path) -> str:
    """Hex SHA-256 that identifies a set of photographs: names and contents of all files that are used.

    Neither the place of the folder nor times of change are part of it, nor any file that is not used.

    Raises:
        SourceNotFoundError: no such folder.
    """
    candidates = find_candidates(root)
    table = find_table(root, candidates.not_images)
    names = [*candidates.images]
    if table is not None:
        names.append(table.relative_to(root).as_posix())
    return fingerprint_of(root, names)


def fingerprint_of(root: Path, names: Iterable[str]) -> str:
    """Hex SHA-256 over the names and contents of files; of one that cannot be read, over its name."""
    digest = hashlib.sha256()
    for name in sorted(names):
        digest.update(os.fsencode(name) + b"\0")
        try:
            with (root / name).open("rb") as stream:
                digest.update(hashlib.file_digest(stream, "sha256").digest())
        except OSError:
            digest.update(b"unreadable")
    return digest.hexdigest()


def _check_images(root: Path, candidates: Candidates) -> None:
    if candidates.images:
        return
    what = "The folder holds no images"
    if candidates.set_aside:
        reasons = reason_counts(candidates.set_aside)
        what += " that can be read (" + ", ".join(f"{n} {reason}" for reason, n in reasons.items()) + ")"
    raise DatasetError(what, where=root, hint="Point the source at photographs of hands.")


def _check_loose(
    root: Path, loose: Collection[str], count: int, max_set_aside: float, *, in_table: bool
) -> None:
    """Refuse a set in which nothing says who is on more photographs than may be set aside.

    Raises:
        DatasetError: so it is.
    """
    if len(loose) <= max_set_aside * count:
        return
    reason = "have no id in HandInfo.csv" if in_table else "lie in no folder"
    remedy = "Write an id in each row" if in_table else "Make a folder for each person"
    raise DatasetError(
        f"{len(loose)} of {count} photographs {reason}: who is on them?",
        where=root,
        hint=f"Nobody may be both trained on and held out. {remedy}, or set `loose_photos` "
        "(--loose-photos of `palms check`, PALM_LOOSE_PHOTOS for `make pipeline PRESET=own`): by_file_name "
        "if file names begin with the person (anna_1.jpg), each_a_person if everybody is on one photograph "
        "only.",
    )


def _decode_all(
    root: Path, names: list[str], labels: dict[str, Labels], max_megapixels: float, progress: Progress
) -> tuple[tuple[Photo, ...], list[SetAside]]:
    """Usable photographs, and those that are damaged or copies of another one."""
    photos: list[Photo] = []
    refused: list[SetAside] = []
    first_with: dict[str, str] = {}
    with ThreadPoolExecutor(usable_cores()) as pool:  # Pillow releases the interpreter lock while it decodes
        outcomes = _measured(pool, root, names, max_megapixels)
        for done, (name, outcome) in enumerate(zip(names, outcomes, strict=True), start=1):
            progress(done, len(names))
            if isinstance(outcome, PhotoError):
                refused.append(SetAside(name, outcome.what))
                continue
            width, height, digest = outcome
            if digest in first_with:
                refused.append(SetAside(name, f"duplicate: {first_with[digest]}"))
                continue
            first_with[digest] = name
            about = labels[name]
            photos.append(
                Photo(name, width, height, about.person, about.aspect, about.side, about.skin, digest)
            )
    return tuple(photos), refused


def _measured(
    pool: ThreadPoolExecutor, root: Path, names: Iterable[str], max_megapixels: float
) -> Iterator[_Outcome]:
    """What `_measure` finds of each photograph, in order.

    Submitted at once are only as many as are soon worked on: one takes a kilobyte while it waits.
    """
    running: deque[Future[_Outcome]] = deque()
    waiting = WAITING_PER_CORE * usable_cores()
    for name in names:
        running.append(pool.submit(_measure, root / name, max_megapixels))
        if len(running) > waiting:
            yield running.popleft().result()
    while running:
        yield running.popleft().result()


def _measure(path: Path, max_megapixels: float) -> _Outcome:
    try:
        pixels = read_photo(path, max_megapixels=max_megapixels)
    except PhotoError as error:
        return error
    height, width, _ = pixels.shape
    return width, height, _pixels_sha256(pixels)


def _pixels_sha256(pixels: np.ndarray) -> str:
    """Hex SHA-256 of a photograph's size and pixels."""
    height, width, _ = pixels.shape
    digest = hashlib.sha256(f"{width}x{height}".encode())
    digest.update(pixels.tobytes())
    return digest.hexdigest()


def check_share(
    used: int,
    entries: Iterable[SetAside],
    root: Path,
    max_set_aside: float,
    *,
    expected: tuple[str, ...] = EXPECTED_REASONS,
) -> None:
    """Refuse a set of which too many files are set aside for a fault: any reason but the `expected` ones.

    Raises:
        DatasetError: their share is above `max_set_aside`.
    """
    counted = [entry for entry in entries if not entry.reason.startswith(_OTHER_ASPECT)]
    unusable = [entry for entry in counted if not entry.reason.startswith(expected)]
    total = used + len(counted)
    share = len(unusable) / max(total, 1)
    if share > max_set_aside:
        raise DatasetError(
            f"{len(unusable)} of {total} files are unusable ({_most_common(unusable)})",
            where=root,
            hint=f"Repair the files, or set max_set_aside to {math.ceil(share * 100) / 100:.2f}.",
        )


def _most_common(entries: list[SetAside]) -> str:
    """The most common reasons with their numbers, and the first file of each."""
    named = []
    for reason, count in Counter(entry.reason.split(":")[0] for entry in entries).most_common(3):
        first = next(entry for entry in entries if entry.reason.split(":")[0] == reason)
        named.append(f"{count} {reason}, the first {first.path}{first.reason.removeprefix(reason)}")
    return "; ".join(named)


def check_usable(index: PhotoIndex, max_set_aside: float) -> None:
    """Refuse a set without a usable photograph, or with too many unusable files.

    Raises:
        DatasetError: so it is.
    """
    check_share(len(index.photos), index.set_aside, index.root, max_set_aside)
    if not index.photos:
        raise DatasetError(
            "No usable photograph is left", where=index.root, hint="Check `aspects` in the config."
        )
