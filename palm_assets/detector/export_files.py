"""The files of a YOLO export: its description, the images of each split and their labels.

Paths are resolved as Ultralytics resolves them, and then in the ways in which exports are wrong in practice:
paths of another machine, of a folder that is not there once unpacked, or in another case.
"""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any, Literal

import yaml

from palm_assets.errors import DatasetError, SourceNotFoundError
from palm_assets.photos.candidates import find_candidates
from palm_assets.photos.index import fingerprint_of
from palm_assets.sources.folders import SetAside, is_litter, list_folder

Split = Literal["train", "valid", "test"]
SPLITS: tuple[Split, ...] = ("train", "valid", "test")
SPLIT_NAMES: dict[Split, tuple[str, ...]] = {
    "train": ("train",),
    "valid": ("val", "valid", "validation"),
    "test": ("test",),
}
LISTED_BUT_MISSING = "named by the export, but not there"
LABEL_WITHOUT_IMAGE = "a label without an image"
_PREFERRED = ("data.yaml", "data.yml", "dataset.yaml", "dataset.yml")
_YAML_SUFFIXES = (".yaml", ".yml")
_MAX_YAML_BYTES = 4_000_000
_MAX_PATH = 4096  # characters
_SHOWN = 200  # characters of YAML's own message
_NO_LABELS = frozenset({"classes.txt", "readme.txt", "notes.txt", "obj.names"})


@dataclass(frozen=True)
class ExportImage:
    """One image of an export and its label file, None without one; relative to the export, or absolute."""

    path: str
    label: str | None


@dataclass(frozen=True)
class Export:
    """The files of an export.

    Attributes:
        base: the folder of the description.
        description: the YAML file.
        classes: names by number.
        keypoint_shape: number of keypoints and of values for each; None for boxes and polygons.
        images: of each split that is there.
        lists: text files that list images.
        set_aside: image-like files and labels that are not used.
    """

    base: Path
    description: Path
    classes: dict[int, str]
    keypoint_shape: tuple[int, int] | None
    images: dict[Split, tuple[ExportImage, ...]]
    lists: tuple[str, ...]
    set_aside: tuple[SetAside, ...]

    def fingerprint(self) -> str:
        """Hex SHA-256 over the names and contents of all files that are used, wherever the export lies."""
        images = [image for split in self.images.values() for image in split]
        names = {self.description.name, *self.lists, *(image.path for image in images)}
        return fingerprint_of(self.base, names | {image.label for image in images if image.label is not None})


def export_fingerprint(root: Path) -> str:
    """Hex SHA-256 that identifies the YOLO export below a folder; see `find_export` for what it raises."""
    return find_export(root).fingerprint()


def find_export(root: Path) -> Export:
    """Find the export below `root`: at its description, `data.yaml` or another YAML file, at any depth.

    Raises:
        SourceNotFoundError: no such folder, or no description in it.
        DatasetError: the description names no classes, or there are several.
    """
    path = _description_path(root)
    content = _load(path, strict=True)
    classes = _class_names(content)
    if classes is None:
        raise DatasetError(
            f"{path.name} does not name its classes", where=path, hint="It needs a `names:` list or mapping."
        )
    reader = _ExportReader(path.parent, content)
    images = {split: reader.images_of(split) for split in SPLITS}
    return Export(
        path.parent,
        path,
        classes,
        _keypoint_shape(content),
        {split: found for split, found in images.items() if found},
        tuple(reader.lists),
        (*reader.set_aside, *reader.labels_without_image()),
    )


def _description_path(root: Path) -> Path:
    names = [name for name in list_folder(root).files if name.lower().endswith(_YAML_SUFFIXES)]
    for depth in sorted({name.count("/") for name in names}):
        here = sorted(name for name in names if name.count("/") == depth)
        for preferred in _PREFERRED[:2]:
            for name in here:
                if PurePosixPath(name).name.lower() == preferred:
                    return root / name
        described = [name for name in here if _is_description(root / name)]
        named = [name for name in described if PurePosixPath(name).name.lower() in _PREFERRED]
        if len(described) > 1 and len(named) != 1:
            raise DatasetError(
                f"Several YAML files describe a data set: {', '.join(described[:5])}",
                where=root,
                hint="Name the right one data.yaml, or point at a folder with one of them.",
            )
        if described:
            return root / (named or described)[0]
    raise SourceNotFoundError(
        "The folder holds no data.yaml, nor another YAML file that names classes and splits",
        where=root,
        hint="Point it at a YOLO export of labeled palms.",
    )


def _load(path: Path, *, strict: bool = False) -> dict[str, Any]:
    """The description as a mapping; empty if it is none, or an error where it is no YAML, if `strict`."""
    try:
        if path.stat().st_size > _MAX_YAML_BYTES:
            return {}
        content = yaml.safe_load(path.read_bytes())  # bytes: YAML says itself which Unicode it is in
    except OSError as error:
        raise DatasetError(
            f"{path.name} cannot be read: {error.strerror}", where=path, hint="Check who may read the file."
        ) from error
    except Exception as error:  # YAML's constructors of numbers, dates and others raise nearly any exception
        if strict:
            reason = " ".join(str(error).split())[:_SHOWN] or type(error).__name__
            raise DatasetError(
                f"{path.name} cannot be read as YAML: {reason}",
                where=path,
                hint="Correct it, or export the set again.",
            ) from error
        return {}
    return content if isinstance(content, dict) else {}


def _is_description(path: Path) -> bool:
    content = _load(path)
    splits = [name for names in SPLIT_NAMES.values() for name in names]
    return _class_names(content) is not None and any(content.get(name) for name in splits)


def _class_names(content: dict[str, Any]) -> dict[int, str] | None:
    """Names of the classes by number; None if the description has none."""
    names, count = content.get("names"), content.get("nc")
    if names is None and isinstance(count, int) and 0 < count < 10_000:
        return {number: f"class_{number}" for number in range(count)}
    if isinstance(names, list) and names:
        names = dict(enumerate(names))
    if not isinstance(names, dict):
        return None
    try:
        found = {int(number): name for number, name in names.items()}
    except (ValueError, TypeError, OverflowError):
        return None
    if not all(isinstance(name, str | int | float) for name in found.values()):
        return None
    return {number: str(name) for number, name in found.items()}


def _keypoint_shape(content: dict[str, Any]) -> tuple[int, int] | None:
    match content.get("kpt_shape"):
        case [int(count), int(values)] if count > 0 and values in (2, 3):
            return count, values
    return None


@dataclass
class _ExportReader:
    """Resolves what a description says to files, and keeps what was found on the way."""

    base: Path
    content: dict[str, Any]
    lists: list[str] = field(default_factory=list)
    set_aside: list[SetAside] = field(default_factory=list)
    _taken: set[str] = field(default_factory=set)
    _labels_used: set[str] = field(default_factory=set)
    _label_folders: set[str] = field(default_factory=set)
    _names: dict[str, dict[str, list[str]]] = field(default_factory=dict)

    def images_of(self, split: Split) -> tuple[ExportImage, ...]:
        """The images of a split in order; those of an earlier split are left out."""
        found: list[ExportImage] = []
        for path in self._files_of(split):
            real = os.path.realpath(self.base / path)
            if real not in self._taken:
                self._taken.add(real)
                found.append(ExportImage(path, self._label_of(path)))
        return tuple(sorted(found, key=lambda image: image.path))

    def labels_without_image(self) -> list[SetAside]:
        """Label files that belong to no image of any split."""
        found = []
        for folder in sorted(self._label_folders):
            for names in self._listed(folder).values():
                paths = (f"{folder}/{name}" for name in names)
                found += [path for path in paths if path.lower().endswith(".txt")]
        return [
            SetAside(path, LABEL_WITHOUT_IMAGE)
            for path in sorted(found)
            if path not in self._labels_used and PurePosixPath(path).name.lower() not in _NO_LABELS
        ]

    def _files_of(self, split: Split) -> Iterator[str]:
        value: Any = next((self.content[name] for name in SPLIT_NAMES[split] if self.content.get(name)), [])
        entries = [
            entry for entry in (value if isinstance(value, list) else [value]) if isinstance(entry, str)
        ]
        resolved = {entry: self._resolve(entry) for entry in entries}
        places = [path for path in resolved.values() if path is not None]
        if not places and (usual := self._usual_folder(split)) is not None:
            places = [usual]
        elif places or split == "train":  # a validation or test split that is not there is cut from training
            missing = [entry for entry, path in resolved.items() if path is None]
            self.set_aside += [SetAside(entry, LISTED_BUT_MISSING) for entry in missing]
        for path in places:
            yield from self._images_at(path)

    def _images_at(self, path: str) -> Iterator[str]:
        """The images of a folder, those that a text file lists, or the one image that this is."""
        if (self.base / path).is_dir():
            candidates = find_candidates(self.base / path)
            prefix = "" if path == "." else f"{path}/"
            self.set_aside += [SetAside(prefix + entry.path, entry.reason) for entry in candidates.set_aside]
            yield from (prefix + name for name in candidates.images)
        elif path.lower().endswith(".txt"):
            self.lists.append(path)
            yield from self._listed_images(path)
        else:
            yield path

    def _listed_images(self, path: str) -> Iterator[str]:
        try:
            text = (self.base / path).read_text("utf-8-sig", errors="surrogateescape")
        except OSError as error:
            self.set_aside.append(SetAside(path, f"the file cannot be read: {error.strerror}"))
            return
        folder = PurePosixPath(path).parent.as_posix()
        for line in text.splitlines():
            entry = line.strip()
            if not entry or entry.startswith("#"):
                continue
            found = self._resolve(entry, folder)
            if found is not None and not (self.base / found).is_dir():
                yield found
            else:
                self.set_aside.append(SetAside(entry, f"{LISTED_BUT_MISSING}: {path}"))

    def _resolve(self, entry: str, folder: str = ".") -> str | None:
        """An entry of the description or of a list as a path below the export, or an absolute one."""
        if len(entry) > _MAX_PATH:
            return None
        text = entry.replace("\\", "/")
        parts = [part for part in text.split("/") if part not in ("", ".") and not part.endswith(":")]
        roots = [folder, *self._roots]
        if text.startswith("/"):
            absolute = Path(os.path.normpath(text))
            if absolute.is_relative_to(self.base) and _exists(absolute):
                return absolute.relative_to(self.base).as_posix()
        for root in roots:
            climbed = os.path.normpath("/".join([root, *parts]))
            # Roboflow's '../train/images' leads out of the export, to a neighbor if there is one.
            if not climbed.startswith(("..", "/")) and (found := self._existing(climbed)) is not None:
                return found
        # Then without the leading folders, which are another machine's; but not down to a mere 'images'.
        local = [part for part in parts if part != ".."]
        for start in range(len(local)):
            if start and local[start].lower() in ("images", "labels") and start == len(local) - 1:
                break
            for root in roots:
                if (found := self._descend(root, local[start:])) is not None:
                    return found
        places = [str(place) for place in (folder, self.content.get("path")) if _is_absolute(place)]
        outside = [Path(place, text) for place in places]
        if text.startswith("/"):
            outside.append(Path(text))
        return next((str(path) for path in map(_normal, outside) if self._may_be_read(path)), None)

    def _may_be_read(self, path: Path) -> bool:
        """Whether a path outside of the export is there, and is no folder that the export lies in."""
        return not self.base.absolute().is_relative_to(path) and _exists(path)

    @cached_property
    def _roots(self) -> list[str]:
        """Folders below the export to which its paths may be relative: `path:`, as far as it is here."""
        path = str(self.content.get("path") or "")[:_MAX_PATH].replace("\\", "/")
        parts = [part for part in path.split("/") if part not in ("", ".", "..")]
        found = (self._descend(".", parts[start:]) for start in range(len(parts)))
        return [*(root for root in found if root is not None and (self.base / root).is_dir()), "."]

    def _usual_folder(self, split: Split) -> str | None:
        """Where exports keep a split whose description leads nowhere."""
        names = SPLIT_NAMES[split]
        places = [f"{name}/images" for name in names] + [f"images/{name}" for name in names] + list(names)
        found = (self._existing(place) for place in places)
        return next((path for path in found if path is not None and (self.base / path).is_dir()), None)

    def _existing(self, path: str) -> str | None:
        """A relative path below the export in the case in which it is there; None if it is not."""
        return None if path.startswith("/") else self._descend(".", path.split("/"))

    def _descend(self, folder: str, parts: Iterable[str]) -> str | None:
        found: str | None = folder
        for part in parts:
            if found is None:
                break
            if part not in ("", "."):
                found = self._child(found, part)
        return found

    def _child(self, folder: str, name: str) -> str | None:
        """The path of a file or folder in a folder, in whatever case; None if it is not there."""
        here = self._listed(folder).get(_comparable(name), [])
        if not here:
            return None
        actual = name if name in here else min(here)
        return actual if folder == "." else str(PurePosixPath(folder, actual))

    def _listed(self, folder: str) -> dict[str, list[str]]:
        """Names in a folder by their comparable form."""
        if folder not in self._names:
            names: dict[str, list[str]] = {}
            try:
                for path in (self.base / folder).iterdir():
                    if not is_litter(path.name):
                        names.setdefault(_comparable(path.name), []).append(path.name)
            except (FileNotFoundError, NotADirectoryError):
                pass
            except OSError as error:  # else all its images would count as images without a palm
                raise DatasetError(
                    f"A folder of the export cannot be read: {error.strerror}",
                    where=self.base / folder,
                    hint="Check who may read it.",
                ) from error
            self._names[folder] = names
        return self._names[folder]

    def _label_of(self, image: str) -> str | None:
        """The label file of an image: in `labels` in place of the last `images`, else beside it."""
        path = PurePosixPath(image)
        folder = self._parallel_labels(path.parts[:-1])
        if folder is not None:
            self._label_folders.add(folder)
        else:
            folder = path.parent.as_posix()
        for name in (f"{path.stem}.txt", f"{path.name}.txt"):
            if (label := self._child(folder, name)) is not None:
                self._labels_used.add(label)
                return label
        return None

    def _parallel_labels(self, folders: tuple[str, ...]) -> str | None:
        """The folder of labels that goes with a folder of images; None if it is not there."""
        images = [number for number, part in enumerate(folders) if part.lower() == "images"]
        if not images:
            return None
        parent = str(PurePosixPath(*folders[: images[-1]]))
        return self._descend(parent, ["labels", *folders[images[-1] + 1 :]])


def _comparable(name: str) -> str:
    """A name without regard to case and Unicode composition, which macOS changes."""
    return unicodedata.normalize("NFC", name).casefold()


def _normal(path: Path) -> Path:
    return Path(os.path.normpath(path))


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # a name that is too long
        return False


def _is_absolute(place: object) -> bool:
    return isinstance(place, str) and place.startswith("/")
