"""Listing a person's folder: links are followed, litter is skipped, and what cannot be read is reported."""

from __future__ import annotations

import os
import re
import stat
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePath

from palm_assets.errors import SourceNotFoundError

# Files and folders that operating systems and sync programs leave behind, in lower case. See `is_litter`.
_LITTER_NAMES = frozenset(
    {
        "thumbs.db", "ehthumbs.db", "ehthumbs_vista.db", "desktop.ini", "icon\r", "$recycle.bin",
        "system volume information", "__macosx", "@eadir", "lost+found", "recycler", "found.000",
        "#recycle", "@recycle", "#snapshot", "@recently-snapshot", "@sharebin", "@tmp",
    }
)  # fmt: skip
_VIEW_SETTINGS = frozenset(
    {".ds_store", ".localized", ".directory", "thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r"}
)
_OFFICE_LOCK = re.compile(r"~\$.*")

LINK_REPEATED = "a link to a folder that is listed already"
DANGLING = "a link to a file that does not exist"
NO_FILE = "not a regular file"
NOT_DOWNLOADED = "not downloaded from iCloud"
_ICLOUD = re.compile(r"\.(.+)\.icloud")  # what stands for a file that is in the cloud alone


@dataclass(frozen=True, slots=True)
class SetAside:
    """One file or folder that is not used, and why; `path` is relative to the root of the set."""

    path: str
    reason: str


@dataclass(frozen=True)
class Listing:
    """Paths of files below a root with forward slashes, in order, and what could not be listed."""

    files: tuple[str, ...]
    set_aside: tuple[SetAside, ...]


def is_litter(path: str | PurePath) -> bool:
    """Whether a relative path is, or lies in, a file or folder that no person put there.

    Litter is what macOS (`._*`, `.DS_Store`, `__MACOSX`), Windows (`Thumbs.db`, `desktop.ini`), Android
    (`.trashed-*`), NAS and sync programs leave behind, and all other hidden names: those that begin with a
    dot. Every reader of folders and archives skips it by this rule.
    """
    return any(_is_litter_name(part) for part in re.split(r"[/\\]", str(path)))


def is_disposable(name: str) -> bool:
    """Whether a file of this name may be deleted without asking: a file manager's settings of the view."""
    return name.lower() in _VIEW_SETTINGS or name.startswith("._")


def list_folder(root: Path) -> Listing:
    """List all files below a folder, following links, without litter.

    Each folder is listed once, under its own path if it lies below the root, so that loops of links end.
    Sockets, devices, dangling links, unreadable folders, and files that are in iCloud alone are set aside
    with the reason.

    Raises:
        SourceNotFoundError: there is no such folder, or it cannot be read.
    """
    if not root.is_dir():
        raise SourceNotFoundError("There is no such folder", where=root, hint="Check the path in the config.")
    files: list[str] = []
    set_aside: list[SetAside] = []
    listed = {_identity(root.stat())}
    folders, linked = [""], list[str]()
    while folders or linked:
        # Links come after all real folders: a folder reached both ways keeps its own path.
        followed = not folders
        name = folders.pop() if folders else linked.pop()
        if followed:
            try:
                identity = _identity((root / name).stat())
            except OSError as error:
                set_aside.append(SetAside(name, _unreadable("folder", error)))
                continue
            if identity in listed:
                set_aside.append(SetAside(name, LINK_REPEATED))
                continue
            listed.add(identity)
        try:
            with os.scandir(root / name) as entries:
                found = sorted(entries, key=lambda entry: entry.name, reverse=True)
        except OSError as error:
            if not name:
                hint = "Check who may read the folder."
                raise SourceNotFoundError(_unreadable("folder", error), where=root, hint=hint) from error
            set_aside.append(SetAside(name, _unreadable("folder", error)))
            continue
        for entry in found:
            path = f"{name}/{entry.name}" if name else entry.name
            if (absent := _ICLOUD.fullmatch(entry.name)) is not None:
                set_aside.append(SetAside(path.removesuffix(entry.name) + absent[1], NOT_DOWNLOADED))
            if _is_litter_name(entry.name):
                continue
            _sort_in(entry, path, files, folders, linked, set_aside, listed)
        linked.sort(reverse=True)
    return Listing(tuple(sorted(files)), tuple(sorted(set_aside, key=lambda entry: entry.path)))


def reason_counts(entries: Iterable[SetAside]) -> dict[str, int]:
    """How often each kind of reason occurs: the part of the reason before a colon."""
    return dict(Counter(entry.reason.split(":")[0] for entry in entries))


def _sort_in(
    entry: os.DirEntry[str],
    path: str,
    files: list[str],
    folders: list[str],
    linked: list[str],
    set_aside: list[SetAside],
    listed: set[tuple[int, int]],
) -> None:
    """Put one entry of a folder into the list that it belongs to."""
    try:
        status = entry.stat()
    except FileNotFoundError:
        set_aside.append(SetAside(path, f"{DANGLING}: {_target(entry.path)}"))
    except OSError as error:  # a loop of links, or a folder that may not be searched
        set_aside.append(SetAside(path, _unreadable("file", error)))
    else:
        if stat.S_ISREG(status.st_mode):
            files.append(path)
        elif not stat.S_ISDIR(status.st_mode):
            set_aside.append(SetAside(path, NO_FILE))
        elif entry.is_symlink():
            linked.append(path)
        elif _identity(status) in listed:
            set_aside.append(SetAside(path, LINK_REPEATED))
        else:
            listed.add(_identity(status))
            folders.append(path)


def _is_litter_name(name: str) -> bool:
    lower = name.lower()
    hidden = name.startswith(".") and name not in (".", "..")
    return hidden or lower in _LITTER_NAMES or _OFFICE_LOCK.fullmatch(name) is not None


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino


def _target(link: str) -> str:
    try:
        return str(Path(link).readlink())
    except OSError:
        return "unknown"


def _unreadable(kind: str, error: OSError) -> str:
    return f"the {kind} cannot be read: {error.strerror or error}"
