"""The saved states of a training run: the newest to resume from, and earlier ones to roll back to.

A run that has gone wrong is recognized only after a while, and states are saved meanwhile. So an earlier
state is kept until a later one has outlived that time. At most three files are kept: the newest state, the
newest one that is old enough to roll back to, and one that is growing old.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path
from typing import Any

from palm_assets.gan.state_files import STATE_FILE
from palm_assets.gan.training_state import load_state, save_state
from palm_assets.store.atomic import sync

_EARLIER = "state-{age:09d}.safetensors"


class SavedStates:
    """States of one run in a folder; the age of a state is the number of reports made before it was saved.

    Args:
        folder: holds the files.
        window: a state is safe to roll back to once so many reports were made after it.
    """

    def __init__(self, folder: Path, window: int) -> None:
        self._folder, self._window = folder, window
        self._newest_age: int | None = None

    @property
    def newest(self) -> Path:
        """File of the newest state, whether it exists or not."""
        return self._folder / STATE_FILE

    def load(self, parts: dict[str, Any]) -> dict[str, Any] | None:
        """Load the newest state; its notes, or None if there is none.

        Raises:
            CheckpointError: the file is damaged, or has other networks.
        """
        notes = load_state(self.newest, parts)
        if notes is None:
            self.clear()  # of a run whose newest state was deleted, to start over
        self._newest_age = None if notes is None else notes["age"]
        return notes

    def save(self, parts: dict[str, Any], notes: dict[str, Any], age: int) -> None:
        """Save a state as the newest one. If killed, the states before it are left."""
        earlier = self._earlier()
        ages = set(earlier)
        if self._newest_age is not None and self._newest_age != age:
            ages.add(self._newest_age)
        keep = self._worth_keeping(ages, age)
        if self._newest_age in keep and self._newest_age not in earlier:
            _link_or_copy(self.newest, self._path(self._newest_age))
        save_state(self.newest, parts, {**notes, "age": age})
        self._newest_age = age
        for other in set(earlier) - keep:
            earlier[other].unlink(missing_ok=True)

    def roll_back(self, age: int, *, to_safety: bool) -> None:
        """Make an earlier state the newest one, or remove all states if none is early enough.

        Args:
            age: number of reports made so far.
            to_safety: to the newest state that was followed by `window` reports. Otherwise to the one before
                the newest; to the newest again if it is the only one.
        """
        earlier = self._earlier()
        if to_safety:
            if self._newest_age is not None and age - self._newest_age >= self._window:
                return
            target = max((other for other in earlier if age - other >= self._window), default=None)
            if target is None:
                self.clear()
                return
        else:
            before = [other for other in earlier if self._newest_age is None or other < self._newest_age]
            if not before:
                return
            target = max(before)
        earlier[target].replace(self.newest)
        for other in earlier:
            if other > target:
                earlier[other].unlink(missing_ok=True)
        sync(self._folder)
        self._newest_age = target

    def clear(self) -> None:
        """Remove all states."""
        for path in (self.newest, *self._earlier().values()):
            path.unlink(missing_ok=True)
        self._newest_age = None

    def _worth_keeping(self, ages: set[int], age: int) -> set[int]:
        safe = [other for other in ages if age - other >= self._window]
        growing = [other for other in ages if age - other < self._window]
        return {*([max(safe)] if safe else []), *([min(growing)] if growing else [])}

    def _earlier(self) -> dict[int, Path]:
        paths = self._folder.glob("state-*.safetensors")
        return {int(path.stem.removeprefix("state-")): path for path in paths}

    def _path(self, age: int | None) -> Path:
        return self._folder / _EARLIER.format(age=age)


def _link_or_copy(source: Path, target: Path) -> None:
    """Give a file a second name; where the file system has no links, copy it, whole or not at all."""
    with contextlib.suppress(OSError):
        os.link(source, target)
        return
    beside = target.with_name(f".{target.name}")
    shutil.copyfile(source, beside)
    sync(beside)
    beside.replace(target)
