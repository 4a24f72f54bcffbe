"""The index of a set of photographs: what is there, who is on it, and what was set aside and why."""

from __future__ import annotations

import csv
import hashlib
import io
import os
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Literal

from palm_assets.errors import DatasetError, PhotoError, SourceNotFoundError
from palm_assets.photos.reader import IMAGE_SUFFIXES, read_photo
from palm_assets.progress import Progress, no_progress

Aspect = Literal["palmar", "dorsal", "unknown"]
Side = Literal["left", "right", "unknown"]
HAND_INFO = "HandInfo.csv"
HAND_INFO_COLUMNS = ("id", "skinColor", "aspectOfHand", "imageName")


@dataclass(frozen=True)
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
class SetAside:
    """One file that is not used, and why."""

    path: str
    reason: str


@dataclass(frozen=True)
class PhotoIndex:
    """All photographs of a set under `root`, usable ones and those set aside, in the order of their paths."""

    root: Path
    photos: tuple[Photo, ...]
    set_aside: tuple[SetAside, ...]

    def facts(self) -> dict[str, object]:
        """Counts for the manifest."""
        return {
            "photos": len(self.photos),
            "people": len({photo.person for photo in self.photos}),
            "aspects": dict(Counter(photo.aspect for photo in self.photos)),
            "skin": dict(Counter(photo.skin for photo in self.photos)),
            "set_aside": len(self.set_aside),
            "set_aside_reasons": dict(Counter(entry.reason.split(":")[0] for entry in self.set_aside)),
        }


@dataclass(frozen=True)
class _Known:
    """What the metadata says of one file."""

    person: str
    aspect: Aspect
    side: Side
    skin: str


def index_photos(
    root: Path,
    *,
    aspects: Iterable[str] = ("palmar", "unknown"),
    max_set_aside: float = 0.1,
    max_megapixels: float = 64.0,
    progress: Progress = no_progress,
) -> PhotoIndex:
    """Decode every image under `root` once and tell usable photographs from the rest.

    A `HandInfo.csv` anywhere below `root` (the 11k Hands layout) gives person, aspect and skin. Without one,
    a subfolder is a person, and a photo directly in `root` is a person of its own. Photos of other `aspects`
    are left out without being counted as faults; files with the same pixels are kept once.

    Args:
        root: folder of images, any layout.
        aspects: aspects to keep.
        max_set_aside: largest acceptable share of files set aside for a fault, 0 to 1.
        max_megapixels: larger pictures are set aside.
        progress: called with (files read, files in all).

    Raises:
        SourceNotFoundError: no such folder.
        DatasetError: no images in it, a column is missing, too many files set aside, or nothing is left.
    """
    files = _image_files(root)
    known = _metadata(root)
    wanted = set(aspects)
    chosen = [path for path in files if path.name not in known or known[path.name].aspect in wanted]

    outcomes: list[tuple[int, int, str] | PhotoError] = []
    with ThreadPoolExecutor(os.cpu_count()) as pool:  # Pillow lets go of the interpreter lock while decoding
        for done, outcome in enumerate(
            pool.map(lambda path: _measure(path, max_megapixels), chosen), start=1
        ):
            outcomes.append(outcome)
            progress(done, len(chosen))

    photos: list[Photo] = []
    faults: list[SetAside] = []
    first_with: dict[str, str] = {}
    for path, outcome in zip(chosen, outcomes, strict=True):
        name = path.relative_to(root).as_posix()
        about = known.get(path.name) or _unlabeled(path, root)
        if isinstance(outcome, PhotoError):
            faults.append(SetAside(name, outcome.what))
        elif about.aspect not in wanted:
            faults.append(SetAside(name, "not in HandInfo.csv" if known else f"aspect {about.aspect}"))
        elif outcome[2] in first_with:
            faults.append(SetAside(name, f"duplicate: {first_with[outcome[2]]}"))
        else:
            first_with[outcome[2]] = name
            width, height, digest = outcome
            photos.append(
                Photo(name, width, height, about.person, about.aspect, about.side, about.skin, digest)
            )

    index = PhotoIndex(root, tuple(photos), tuple(faults))
    _check_usable(index, max_set_aside)
    return index


def write_index(index: PhotoIndex, folder: Path) -> None:
    """Write `photos.csv` and `set_aside.csv`."""
    _write_rows(folder / "photos.csv", Photo, index.photos)
    _write_rows(folder / "set_aside.csv", SetAside, index.set_aside)


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
    with (folder / "photos.csv").open(newline="", encoding="utf-8", errors="surrogateescape") as stream:
        photos = tuple(
            Photo(**{**row, "width": int(row["width"]), "height": int(row["height"])})  # type: ignore[arg-type]
            for row in csv.DictReader(stream)
        )
    with (folder / "set_aside.csv").open(newline="", encoding="utf-8", errors="surrogateescape") as stream:
        faults = tuple(SetAside(**row) for row in csv.DictReader(stream))
    return PhotoIndex(root, photos, faults)


def folder_fingerprint(root: Path) -> str:
    """Hex SHA-256 over the names and contents of all files under `root`.

    Raises:
        SourceNotFoundError: no such folder.
    """
    if not root.is_dir():
        raise SourceNotFoundError("There is no such folder", where=root, hint="Check the path in the config.")
    digest = hashlib.sha256()
    for path in sorted(path for path in root.rglob("*") if path.is_file() and path.suffix != ".cache"):
        digest.update(os.fsencode(path.relative_to(root).as_posix()) + b"\0")
        with path.open("rb") as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()


def _image_files(root: Path) -> list[Path]:
    if not root.is_dir():
        raise SourceNotFoundError("There is no such folder", where=root, hint="Check the path in the config.")
    files = sorted(
        path for path in root.rglob("*") if path.suffix.lower() in IMAGE_SUFFIXES and path.is_file()
    )
    if not files:
        raise DatasetError(
            "The folder holds no images", where=root, hint="Point the source at photographs of hands."
        )
    return files


def _metadata(root: Path) -> dict[str, _Known]:
    """Rows of the topmost `HandInfo.csv`, by image name; empty without one."""
    found = sorted(root.rglob(HAND_INFO), key=lambda path: (len(path.parts), path))
    if not found:
        return {}
    try:
        reader = csv.DictReader(io.StringIO(found[0].read_text("utf-8-sig"), newline=""))
        missing = [name for name in HAND_INFO_COLUMNS if name not in (reader.fieldnames or ())]
        if missing:
            raise DatasetError(
                f"Missing column {', '.join(missing)}",
                where=found[0],
                hint=f"The 11k Hands layout has at least {', '.join(HAND_INFO_COLUMNS)}.",
            )
        return {row["imageName"]: _known(row) for row in reader}
    except (UnicodeDecodeError, csv.Error) as error:
        raise DatasetError(
            f"{HAND_INFO} cannot be read: {error}", where=found[0], hint="Save it as CSV in UTF-8."
        ) from error


def _known(row: dict[str, str]) -> _Known:
    words = (row["aspectOfHand"] or "").lower().split()
    aspect: Aspect = "palmar" if "palmar" in words else "dorsal" if "dorsal" in words else "unknown"
    side: Side = "left" if "left" in words else "right" if "right" in words else "unknown"
    return _Known(row["id"] or row["imageName"], aspect, side, row["skinColor"] or "unknown")


def _unlabeled(path: Path, root: Path) -> _Known:
    parent = path.parent.relative_to(root).as_posix()
    return _Known(path.name if parent == "." else parent, "unknown", "unknown", "unknown")


def _measure(path: Path, max_megapixels: float) -> tuple[int, int, str] | PhotoError:
    try:
        pixels = read_photo(path, max_megapixels=max_megapixels)
    except PhotoError as error:
        return error
    height, width, _ = pixels.shape
    digest = hashlib.sha256(f"{width}x{height}".encode())
    digest.update(pixels.tobytes())
    return width, height, digest.hexdigest()


def _check_usable(index: PhotoIndex, max_set_aside: float) -> None:
    total = len(index.photos) + len(index.set_aside)
    # A copy, or a photo that the metadata says nothing about, is left out without being a fault of the set.
    faults = [e.reason for e in index.set_aside if not e.reason.startswith(("duplicate", "aspect", "not in"))]
    share = len(faults) / max(total, 1)
    if share > max_set_aside:
        reasons = ", ".join(f"{n} {reason}" for reason, n in Counter(faults).most_common(3))
        raise DatasetError(
            f"{len(faults)} of {total} files are unusable ({reasons})",
            where=index.root,
            hint=f"Mend the files, or raise max_set_aside above {share:.2f}.",
        )
    if not index.photos:
        raise DatasetError(
            "No usable photograph is left", where=index.root, hint="Check `aspects` in the config."
        )


def _write_rows(path: Path, row_type: type, rows: Iterable[object]) -> None:
    # File names are bytes; those that are not UTF-8 pass through unchanged.
    with path.open("w", newline="", encoding="utf-8", errors="surrogateescape") as stream:
        writer = csv.DictWriter(stream, [field.name for field in fields(row_type)])
        writer.writeheader()
        writer.writerows(asdict(row) for row in rows)  # type: ignore[call-overload]
