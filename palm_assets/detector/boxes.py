"""A Roboflow-style YOLO export, read as it is found in the wild, into one index of labeled pictures.

Exports differ: relative paths that lead nowhere, unknown class names, a missing split, polygons in place of
boxes. This module settles all that once; what follows sees one class and three splits.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml

from palm_assets.errors import DatasetError, SourceNotFoundError
from palm_assets.photos.reader import IMAGE_SUFFIXES

Split = Literal["train", "valid", "test"]
SPLITS: tuple[Split, ...] = ("train", "valid", "test")
SPLIT_NAMES: dict[Split, tuple[str, ...]] = {
    "train": ("train",),
    "valid": ("valid", "val", "validation"),
    "test": ("test",),
}
OVERHANG = 0.5  # share of the picture by which a label may reach beyond it, and is clipped
PALM_WORDS = ("palm", "hand", "ладон")


@dataclass(frozen=True)
class LabeledImage:
    """One picture and its palms: `boxes` are (x centre, y centre, width, height) as shares of the picture."""

    path: str
    split: Split
    boxes: tuple[tuple[float, float, float, float], ...]


@dataclass(frozen=True)
class BoxSet:
    """Labeled pictures under `root`, one class: palm."""

    root: Path
    pictures: tuple[LabeledImage, ...]
    palm_class: str

    def of(self, split: Split) -> list[LabeledImage]:
        """The pictures of one split."""
        return [picture for picture in self.pictures if picture.split == split]

    def facts(self) -> dict[str, Any]:
        """Counts for the manifest."""
        return {
            "palm_class": self.palm_class,
            "pictures": {split: len(self.of(split)) for split in SPLITS},
            "palms": {split: sum(len(p.boxes) for p in self.of(split)) for split in SPLITS},
        }


def read_export(root: Path, *, palm_class: str | None = None, seed: int = 0) -> BoxSet:
    """Read a YOLO export below `root` (where its `data.yaml` lies, at any depth).

    Pictures without a label file count as pictures without a palm. A missing validation or test split is cut
    from the training split (15 % each), by `seed`.

    Args:
        root: folder of the export.
        palm_class: name of the class to keep; None picks the only one, or the only one that speaks of palms.
        seed: of the split that is made where one is missing.

    Raises:
        SourceNotFoundError: no such folder, or no `data.yaml` below it.
        DatasetError: no class is clearly the palm, a label cannot be read, or no picture is labeled.
    """
    if not root.is_dir():
        raise SourceNotFoundError("There is no such folder", where=root, hint="Check the path in the config.")
    described = sorted(root.rglob("data.yaml"), key=lambda path: (len(path.parts), path))
    if not described:
        raise SourceNotFoundError(
            "The folder holds no data.yaml", where=root, hint="Point it at a YOLO export of labeled palms."
        )
    base = described[0].parent
    try:
        description = yaml.safe_load(described[0].read_text())
        names = _class_names(description["names"])
    except (yaml.YAMLError, KeyError, TypeError, ValueError, UnicodeDecodeError) as error:
        raise DatasetError(
            "data.yaml does not name its classes",
            where=described[0],
            hint="It needs a `names:` list or mapping.",
        ) from error
    chosen = _palm_class(names, palm_class, described[0])

    pictures: list[LabeledImage] = []
    taken: set[Path] = set()
    for split in SPLITS:
        folder = _split_folder(base, description, split)
        # Some exports name one folder for two splits.
        if folder is not None and folder.resolve() not in taken:
            taken.add(folder.resolve())
            pictures += _pictures(base, folder, split, chosen)
    pictures = _with_all_splits(pictures, seed)
    if not any(picture.boxes for picture in pictures if picture.split == "train"):
        raise DatasetError(
            f"No training picture has a {names[chosen]!r} box",
            where=base,
            hint="Check the labels or `palm_class`.",
        )
    return BoxSet(base, tuple(pictures), names[chosen])


def write_box_set(boxes: BoxSet, folder: Path) -> None:
    """Write `boxes.json`."""
    rows = [{"path": p.path, "split": p.split, "boxes": p.boxes} for p in boxes.pictures]
    (folder / "boxes.json").write_text(json.dumps({"palm_class": boxes.palm_class, "pictures": rows}))


def read_box_set(folder: Path, root: Path) -> BoxSet:
    """Read what `write_box_set` wrote; `root` is where the pictures are now.

    Raises:
        SourceNotFoundError: the pictures' folder is gone.
    """
    if not root.is_dir():
        raise SourceNotFoundError(
            "The folder of the labeled pictures is gone",
            where=root,
            hint="Put it back, or materialize raw_palm_boxes.",
        )
    stored = json.loads((folder / "boxes.json").read_text())
    pictures = tuple(
        LabeledImage(row["path"], row["split"], tuple((b[0], b[1], b[2], b[3]) for b in row["boxes"]))
        for row in stored["pictures"]
    )
    return BoxSet(root, pictures, stored["palm_class"])


def lay_out_for_ultralytics(boxes: BoxSet, folder: Path) -> Path:
    """Write the set as Ultralytics wants it (pictures are linked, not copied) and return the `data.yaml`."""
    for split in SPLITS:
        (folder / split / "images").mkdir(parents=True)
        (folder / split / "labels").mkdir(parents=True)
        for number, picture in enumerate(boxes.of(split)):
            source = boxes.root / picture.path
            name = f"{number:06d}"
            (folder / split / "images" / f"{name}{source.suffix.lower()}").symlink_to(source.absolute())
            lines = ["0 " + " ".join(f"{value:.6f}" for value in box) for box in picture.boxes]
            (folder / split / "labels" / f"{name}.txt").write_text("\n".join(lines))
    description = {
        "path": str(folder.absolute()),
        "train": "train/images",
        "val": "valid/images",
        "test": "test/images",
        "names": {0: "palm"},
    }
    path = folder / "data.yaml"
    path.write_text(yaml.safe_dump(description))
    return path


def _class_names(names: object) -> dict[int, str]:
    if isinstance(names, dict):
        return {int(number): str(name) for number, name in names.items()}
    if isinstance(names, list) and names:
        return {number: str(name) for number, name in enumerate(names)}
    raise ValueError("names is neither a list nor a mapping")


def _palm_class(names: dict[int, str], wanted: str | None, where: Path) -> int:
    if wanted is not None:
        matching = [number for number, name in names.items() if name.lower() == wanted.lower()]
    elif len(names) == 1:
        matching = list(names)
    else:
        for word in PALM_WORDS:
            matching = [number for number, name in names.items() if word in name.lower()]
            if matching:
                break
    if len(matching) != 1:
        raise DatasetError(
            f"Cannot tell which class is the palm among {', '.join(names.values())}",
            where=where,
            hint="Name it in the config: `palm_class`.",
        )
    return matching[0]


def _split_folder(base: Path, description: dict[str, Any], split: Split) -> Path | None:
    """The images folder of a split: where data.yaml says, or where exports keep it if that leads nowhere."""
    said = [description.get(name) for name in SPLIT_NAMES[split]]
    candidates = [base / text for text in said if isinstance(text, str)]
    # Roboflow writes '../train/images' relative to a folder that is not there once unpacked.
    candidates += [base / text.replace("../", "") for text in said if isinstance(text, str)]
    candidates += [base / name / "images" for name in SPLIT_NAMES[split]]
    candidates += [base / "images" / name for name in SPLIT_NAMES[split]]
    return next(
        (
            folder
            for folder in candidates
            if folder.is_dir() and folder.resolve().is_relative_to(base.resolve())
        ),
        None,
    )


def _pictures(base: Path, folder: Path, split: Split, palm: int) -> Iterable[LabeledImage]:
    for path in sorted(path for path in folder.rglob("*") if path.suffix.lower() in IMAGE_SUFFIXES):
        parts = list(path.relative_to(base).parts)
        named_images = [i for i, part in enumerate(parts[:-1]) if part == "images"]
        if named_images:  # else the label lies beside its picture
            parts[named_images[-1]] = "labels"
        label = base.joinpath(*parts).with_suffix(".txt")
        boxes = _read_label(label, palm) if label.is_file() else ()
        yield LabeledImage(path.relative_to(base).as_posix(), split, boxes)


def _read_label(path: Path, palm: int) -> tuple[tuple[float, float, float, float], ...]:
    boxes = []
    for line in path.read_text(errors="replace").splitlines():
        values = line.split()
        if not values:
            continue
        try:
            number, numbers = int(float(values[0])), [float(value) for value in values[1:]]
        except (ValueError, OverflowError):
            numbers = []
        odd = len(numbers) < 4 or (len(numbers) > 4 and len(numbers) % 2)
        if odd or not all(-OVERHANG <= value <= 1 + OVERHANG for value in numbers):  # also NaN, and pixels
            raise DatasetError(
                f"A label line is not YOLO's: {line[:60]!r}", where=path, hint="Export it again."
            )
        if number == palm:
            box = _box_of(numbers)
            if box[2] > 0 and box[3] > 0:
                boxes.append(box)
    return tuple(boxes)


def _box_of(numbers: list[float]) -> tuple[float, float, float, float]:
    """A box as it is, or the box around a polygon, clipped to the picture."""
    if len(numbers) == 4:
        x, y, width, height = numbers
        left, top, right, bottom = x - width / 2, y - height / 2, x + width / 2, y + height / 2
    else:
        xs, ys = numbers[0::2], numbers[1::2]
        left, top, right, bottom = min(xs), min(ys), max(xs), max(ys)
    left, top, right, bottom = (min(max(value, 0.0), 1.0) for value in (left, top, right, bottom))
    return ((left + right) / 2, (top + bottom) / 2, right - left, bottom - top)


def _with_all_splits(pictures: list[LabeledImage], seed: int) -> list[LabeledImage]:
    missing = [split for split in SPLITS if not any(p.split == split for p in pictures)]
    if "train" in missing or not missing:
        return pictures
    train = [number for number, picture in enumerate(pictures) if picture.split == "train"]
    random.Random(seed).shuffle(train)
    share = max(1, round(0.15 * len(train)))
    moved = {
        number: split for i, split in enumerate(missing) for number in train[i * share : (i + 1) * share]
    }
    return [
        LabeledImage(picture.path, moved.get(number, picture.split), picture.boxes)
        for number, picture in enumerate(pictures)
    ]
