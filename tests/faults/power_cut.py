"""A disk that loses power: what may be left of a folder when what was not flushed is lost in part."""

from __future__ import annotations

import itertools
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

Entries = dict[str, int]
"""Names in a folder, and the inode of each."""
CHANGES = ("mkdir", "rename", "replace", "unlink", "rmdir", "link", "fsync")


@dataclass(frozen=True)
class Moment:
    """What the system holds in memory and what of it has been flushed, by inode."""

    files: dict[int, bytes]
    folders: dict[int, Entries]
    flushed_files: dict[int, bytes]
    flushed_folders: dict[int, Entries]

    def left(self, path: Path, root: int, folders: frozenset[int], part: float) -> None:
        """Write what is left to `path`.

        Args:
            path: the root folder is written here.
            root: inode of the root folder.
            folders: these folders have reached the disk as they are, others as they were when flushed last.
            part: of each file that was not flushed, this part of the content has reached the disk.
        """
        path.mkdir(parents=True)
        now = root in folders or root not in self.flushed_folders
        entries = (self.folders if now else self.flushed_folders).get(root, {})
        for name, inode in entries.items():
            if inode in self.folders or inode in self.flushed_folders:
                self.left(path / name, inode, folders, part)
            else:
                (path / name).write_bytes(self._content(inode, part))

    def unflushed_folders(self) -> list[int]:
        """Folders whose entries differ from those on the disk."""
        return [inode for inode, names in self.folders.items() if self.flushed_folders.get(inode) != names]

    def _content(self, inode: int, part: float) -> bytes:
        content = self.files.get(inode, b"")
        flushed = self.flushed_files.get(inode)
        if flushed is not None and (inode not in self.files or flushed == content):
            return flushed
        return content[: int(len(content) * part)]


@dataclass
class Recorder:
    """Looks at a folder before and after each system call that changes names or flushes, and remembers."""

    root: Path
    moments: list[Moment] = field(default_factory=list)
    _flushed_files: dict[int, bytes] = field(default_factory=dict)
    _flushed_folders: dict[int, Entries] = field(default_factory=dict)

    @property
    def inode(self) -> int:
        return self.root.stat().st_ino

    def flush_all(self) -> None:
        """What is there now has been on the disk for long."""
        self._flushed_files, self._flushed_folders = self._look()

    def remember(self) -> None:
        files, folders = self._look()
        self.moments.append(Moment(files, folders, dict(self._flushed_files), dict(self._flushed_folders)))

    def flushed(self, handle: int) -> None:
        state = os.fstat(handle)
        if stat.S_ISDIR(state.st_mode):
            self._flushed_folders[state.st_ino] = _entries(Path(f"/proc/self/fd/{handle}").resolve())
        else:
            self._flushed_files[state.st_ino] = Path(f"/proc/self/fd/{handle}").read_bytes()

    def _look(self) -> tuple[dict[int, bytes], dict[int, Entries]]:
        files: dict[int, bytes] = {}
        folders: dict[int, Entries] = {}
        for path in (self.root, *self.root.rglob("*")):
            if path.is_dir():
                folders[path.stat().st_ino] = _entries(path)
            else:
                files[path.stat().st_ino] = path.read_bytes()
        return files, folders


@contextmanager
def recorded(root: Path) -> Iterator[Recorder]:
    """Record all that happens in a folder inside the block."""
    recorder = Recorder(root)
    recorder.flush_all()

    def watched(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def replacement(*arguments: Any, **named: Any) -> Any:
            recorder.remember()
            result = call(*arguments, **named)
            if name == "fsync":
                recorder.flushed(arguments[0])
            recorder.remember()
            return result

        return replacement

    with pytest.MonkeyPatch.context() as patch:
        for name in CHANGES:
            patch.setattr(os, name, watched(name, getattr(os, name)))
        yield recorder


def disks(recorder: Recorder, scratch: Path) -> Iterator[Path]:
    """Every disk that a power cut may leave: at each moment, with each part of what was not flushed."""
    numbers = itertools.count()
    for moment in recorder.moments:
        open_folders = moment.unflushed_folders()
        subsets = itertools.chain.from_iterable(
            itertools.combinations(open_folders, size) for size in range(len(open_folders) + 1)
        )
        for subset in itertools.islice(subsets, 64):
            for part in (0.0, 0.5, 1.0):
                disk = scratch / str(next(numbers))
                moment.left(disk, recorder.inode, frozenset(subset), part)
                yield disk


def _entries(folder: Path) -> Entries:
    return {path.name: path.stat().st_ino for path in folder.iterdir()}
