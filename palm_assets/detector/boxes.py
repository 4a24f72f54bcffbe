"""Labeled images for the detector: a YOLO export, read into one class and three splits."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from palm_assets.detector.export_files import (
    LABEL_WITHOUT_IMAGE,
    SPLITS,
    Export,
    ExportImage,
    Split,
    find_export,
)
from palm_assets.detector.labels import Box, LabelError, parse_labels
from palm_assets.errors import DatasetError, PhotoError, SourceNotFoundError
from palm_assets.photos.candidates import ARCHIVE, EXPECTED_REASONS, UNSUPPORTED, find_candidates
from palm_assets.photos.formats import has_image_suffix
from palm_assets.photos.index import SET_ASIDE_FILE, check_share, write_rows
from palm_assets.photos.reader import MAX_MEGAPIXELS, read
from palm_assets.progress import Progress, no_progress
from palm_assets.runtime import usable_cores
from palm_assets.sources.folders import SetAside, reason_counts

BOXES_FILE = "boxes.json"
PALM_WORDS = ("palm", "hand", "ладон")
NO_PALM_IN_SPLIT = "no palm in its whole split"
IN_NO_SPLIT = "in no split of the export"
_MIN_SIDE = 10  # pixels; Ultralytics leaves out smaller images
_MAX_PLAIN_MEGAPIXELS = 100  # Pillow, with which Ultralytics opens images, refuses more than 179
_CUT_SHARE = 0.15  # of the training images, for each split that is missing


@dataclass(frozen=True)
class LabeledImage:
    """One image and its palms.

    Attributes:
        path: relative to the root of the set, or absolute.
        split: train, valid or test.
        boxes: (x center, y center, width, height) of each palm, as fractions of the image.
        plain: any decoder reads it as ours does; else it has to be converted for the training.
    """

    path: str
    split: Split
    boxes: tuple[Box, ...]
    plain: bool = True


@dataclass(frozen=True)
class BoxSet:
    """Labeled images under `root`, one class: palm.

    Attributes:
        root: folder of the images.
        images: all images, split by split.
        palm_classes: classes of the export that count as a palm.
        set_aside: files that are not used, and why.
        max_megapixels: no image is larger.
    """

    root: Path
    images: tuple[LabeledImage, ...]
    palm_classes: tuple[str, ...]
    set_aside: tuple[SetAside, ...] = ()
    max_megapixels: float = MAX_MEGAPIXELS

    def of(self, split: Split) -> list[LabeledImage]:
        """The images of one split."""
        return [image for image in self.images if image.split == split]

    def facts(self) -> dict[str, Any]:
        """Counts for the manifest."""
        return {
            "palm_classes": list(self.palm_classes),
            "images": {split: len(self.of(split)) for split in SPLITS},
            "palms": {split: sum(len(image.boxes) for image in self.of(split)) for split in SPLITS},
            "images_without_palm": {
                split: sum(not image.boxes for image in self.of(split)) for split in SPLITS
            },
            "set_aside": len(self.set_aside),
            "set_aside_reasons": reason_counts(self.set_aside),
        }


def read_export(
    root: Path,
    *,
    palm_classes: Sequence[str] = (),
    seed: int = 0,
    max_set_aside: float = 0.1,
    max_megapixels: float = MAX_MEGAPIXELS,
    progress: Progress = no_progress,
) -> BoxSet:
    """Read the YOLO export below `root`: its files, labels and images, each image decoded once.

    Images without a label file count as images without a palm. An image that is damaged, or one of whose
    label lines is none, is set aside. A validation or test split that is missing, or has not one palm, is cut
    from the training split (15 % each), by `seed`.

    Args:
        root: folder of the export.
        palm_classes: names of the classes to keep, as one; none: the only class, or the only palm by name.
        seed: of the splits that are cut where one is missing.
        max_set_aside: largest acceptable share of files set aside for a fault, 0 to 1.
        max_megapixels: larger images are set aside.
        progress: called with (images read, images in all).

    Raises:
        SourceNotFoundError: no such folder, or no description of an export below it.
        DatasetError: the description is unusable, no class is clearly the palm, too many faults, or no
            training image has a palm.
    """
    export = find_export(root)
    chosen = _palm_numbers(export, palm_classes)
    names = tuple(dict.fromkeys(export.classes[number] for number in sorted(chosen)))
    images, refused = _read_images(export, chosen, max_megapixels, progress)
    entries = [*export.set_aside, *refused, *_in_no_split(export)]
    _check_share(len(images), entries, export.base, max_set_aside)
    images, unused = _without_empty_splits(images)
    images = _with_all_splits(images, seed)
    if not any(image.boxes for image in images if image.split == "train"):
        raise DatasetError(
            f"No training image has a box of {' or '.join(names)}",
            where=export.base,
            hint="Check the labels or `palm_classes`.",
        )
    ordered = tuple(sorted([*entries, *unused], key=lambda entry: entry.path))
    return BoxSet(export.base, tuple(images), names, ordered, max_megapixels)


def check_box_set(boxes: BoxSet, max_set_aside: float) -> None:
    """Hold a set that was read before to a limit of unusable files.

    Raises:
        DatasetError: there are too many.
    """
    unused = [entry for entry in boxes.set_aside if entry.reason.startswith(NO_PALM_IN_SPLIT)]
    refused = [entry for entry in boxes.set_aside if not entry.reason.startswith(NO_PALM_IN_SPLIT)]
    _check_share(len(boxes.images) + len(unused), refused, boxes.root, max_set_aside)


def _check_share(used: int, entries: Sequence[SetAside], base: Path, max_set_aside: float) -> None:
    expected = (*EXPECTED_REASONS, LABEL_WITHOUT_IMAGE, IN_NO_SPLIT)
    check_share(used, entries, base, max_set_aside, expected=expected)


def write_box_set(boxes: BoxSet, folder: Path) -> None:
    """Write `boxes.json` and `set_aside.csv`."""
    content = {
        "palm_classes": boxes.palm_classes,
        "max_megapixels": boxes.max_megapixels,
        "images": [asdict(image) for image in boxes.images],
        "set_aside": [asdict(entry) for entry in boxes.set_aside],
    }
    # ASCII, because a file name need not be Unicode.
    (folder / BOXES_FILE).write_text(json.dumps(content), encoding="utf-8")
    write_rows(folder / SET_ASIDE_FILE, SetAside, boxes.set_aside)


def read_box_set(folder: Path, root: Path) -> BoxSet:
    """Read what `write_box_set` wrote; `root` is where the images are now.

    Raises:
        SourceNotFoundError: the images' folder is gone.
    """
    if not root.is_dir():
        raise SourceNotFoundError(
            "The folder of the labeled images is gone",
            where=root,
            hint="Put it back, or materialize raw_palm_boxes.",
        )
    stored = json.loads((folder / BOXES_FILE).read_text(encoding="utf-8"))
    images = tuple(
        LabeledImage(row["path"], row["split"], tuple(_box(values) for values in row["boxes"]), row["plain"])
        for row in stored["images"]
    )
    entries = tuple(SetAside(**entry) for entry in stored["set_aside"])
    return BoxSet(root, images, tuple(stored["palm_classes"]), entries, stored["max_megapixels"])


def _box(values: Sequence[float]) -> Box:
    x, y, width, height = values
    return x, y, width, height


def _palm_numbers(export: Export, wanted: Sequence[str]) -> set[int]:
    """Numbers of the classes that count as a palm."""
    classes = export.classes
    if wanted:
        asked = {name.strip().lower() for name in wanted}
        chosen = {number for number, name in classes.items() if name.strip().lower() in asked}
        clear = asked <= {classes[number].strip().lower() for number in chosen}
    elif len(classes) == 1:
        chosen, clear = set(classes), True
    else:
        by_word = ({n for n, name in classes.items() if word in name.lower()} for word in PALM_WORDS)
        chosen = next((numbers for numbers in by_word if numbers), set())
        clear = len(chosen) == 1
    if not clear:
        raise DatasetError(
            f"Cannot tell which classes are palms among {', '.join(classes.values())}",
            where=export.description,
            hint=f"Name one or several in the config, such as palm_classes: {list(classes.values())[:2]}.",
        )
    return chosen


def _read_images(
    export: Export, chosen: set[int], max_megapixels: float, progress: Progress
) -> tuple[list[LabeledImage], list[SetAside]]:
    """All images with their palms, and those that are damaged or badly labeled."""
    todo = [(split, image) for split in SPLITS for image in export.images.get(split, ())]
    images: list[LabeledImage] = []
    refused: list[SetAside] = []

    def read_one(entry: tuple[Split, ExportImage]) -> LabeledImage | SetAside:
        return _read_image(export, *entry, chosen, max_megapixels)

    with ThreadPoolExecutor(usable_cores()) as pool:  # Pillow releases the interpreter lock while it decodes
        for done, outcome in enumerate(pool.map(read_one, todo), start=1):
            progress(done, len(todo))
            if isinstance(outcome, SetAside):
                refused.append(outcome)
            else:
                images.append(outcome)
    return images, refused


def _read_image(
    export: Export, split: Split, image: ExportImage, chosen: set[int], max_megapixels: float
) -> LabeledImage | SetAside:
    boxes: tuple[Box, ...] = ()
    if image.label is not None:
        try:
            data = (export.base / image.label).read_bytes()
            found = parse_labels(data, export.classes, export.keypoint_shape)
        except OSError as error:
            return SetAside(image.path, f"its label cannot be read: {image.label}, {error.strerror}")
        except LabelError as error:
            return SetAside(image.path, f"a label line is not YOLO's: {image.label}, {error}")
        boxes = tuple(entry.box for entry in found if entry.class_number in chosen)
    try:
        decoded = read(export.base / image.path, max_megapixels=max_megapixels)
    except PhotoError as error:
        return SetAside(image.path, error.what)
    height, width, _ = decoded.pixels.shape
    if min(height, width) < _MIN_SIDE:
        return SetAside(image.path, f"smaller than {_MIN_SIDE} pixels: {width}x{height}")
    plain = decoded.plain and width * height <= _MAX_PLAIN_MEGAPIXELS * 1e6
    return LabeledImage(image.path, split, boxes, plain)


def _in_no_split(export: Export) -> list[SetAside]:
    """Images below the description that it does not lead to, readable or not."""
    named = {entry.path for entry in export.set_aside}
    used = {os.path.realpath(export.base / image.path) for split in export.images.values() for image in split}
    found = find_candidates(export.base)
    unread = [
        entry
        for entry in found.set_aside
        if entry.path not in named
        and (has_image_suffix(entry.path) or entry.reason.startswith((UNSUPPORTED, ARCHIVE)))
    ]
    return [
        *(
            SetAside(name, IN_NO_SPLIT)
            for name in found.images
            if name not in named and os.path.realpath(export.base / name) not in used
        ),
        *(SetAside(entry.path, f"{IN_NO_SPLIT}: {entry.reason}") for entry in unread),
    ]


def _without_empty_splits(images: list[LabeledImage]) -> tuple[list[LabeledImage], list[SetAside]]:
    """Leave out validation and test splits without a single palm: nothing can be measured on them."""
    labeled = {image.split for image in images if image.boxes} | {"train"}
    kept = [image for image in images if image.split in labeled]
    unused = [SetAside(i.path, f"{NO_PALM_IN_SPLIT}: {i.split}") for i in images if i.split not in labeled]
    return kept, unused


def _with_all_splits(images: list[LabeledImage], seed: int) -> list[LabeledImage]:
    """Cut missing splits from the training split, with and without palms in proportion."""
    missing = [split for split in SPLITS if not any(image.split == split for image in images)]
    if "train" in missing or not missing:
        return images
    moved: dict[int, Split] = {}
    for labeled in (True, False):
        numbers = [
            n for n, image in enumerate(images) if image.split == "train" and bool(image.boxes) == labeled
        ]
        moved |= _cut(numbers, missing, seed, at_least=1 if labeled else 0)
    return [replace(image, split=moved.get(number, image.split)) for number, image in enumerate(images)]


def _cut(numbers: Iterable[int], missing: list[Split], seed: int, *, at_least: int) -> dict[int, Split]:
    shuffled = list(numbers)
    random.Random(seed).shuffle(shuffled)
    share = max(at_least, round(_CUT_SHARE * len(shuffled)))
    return {n: split for i, split in enumerate(missing) for n in shuffled[i * share : (i + 1) * share]}
