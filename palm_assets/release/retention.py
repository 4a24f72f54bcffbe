"""Retention: which artifacts of a store are kept, and removal of the rest.

Kept are the released model, earlier releases, the newest models, all that assets point to and all that a
running process has pinned; and for each of these all that it was made from, its evaluations, and their
references. The rest is removed by one rename each, so a reader sees a whole artifact or none.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

from pydantic import BaseModel, ConfigDict, Field

from palm_assets.errors import ArtifactCorruptError, ArtifactError
from palm_assets.stages.source_folder import UNPACKED_FOLDER, roots_in
from palm_assets.store.artifacts import MANIFEST, REMOVED, Kind, Manifest, Store, remove_folder
from palm_assets.store.origins import Origin
from palm_assets.store.pins import lock_if_unpinned
from palm_assets.store.releases import read_history

log = logging.getLogger(__name__)

Key = tuple[str, str]
KIND_OF_ROLE: dict[str, str] = {
    role: kind for kind in get_args(Kind) for role in (kind, kind.removesuffix("s"))
} | {"start": "models"}
"""Kind of the artifact that an input of this role names."""
SECONDS_PER_DAY = 86_400.0
SECONDS_TO_RETRY = 3600.0  # a training that failed may be about to be retried
_WORK = re.compile(rf"(?:draft-)?((?:{'|'.join(get_args(Kind))})-[0-9a-z]+)(?:-.*)?")


class RetentionConfig(BaseModel):
    """How much is kept, beside what is in use."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    keep_models: int = Field(10, ge=1, le=10_000, description="newest models to keep, refused ones included")
    keep_releases: int = Field(3, ge=1, le=1000, description="newest releases to keep, for a rollback")
    keep_work_days: float = Field(
        14, ge=0, description="days after which an abandoned training state is removed, an hour at least"
    )


def remove_unused(store: Store, config: RetentionConfig) -> list[str]:
    """Remove what nothing needs; returns `kind/version` of each removed artifact.

    Safe while others make, publish and remove: what they do meanwhile is not an error. Nothing is removed
    unless everything that may name it can be read.

    Raises:
        DiskFullError, ArtifactError: the store cannot be read or written.
    """
    if not store.home.is_dir():
        return []
    with store.writing(only_writes=True), store.lock("retention"):
        known = {(kind, m.version): m for kind in get_args(Kind) for m in _manifests(store, kind)}
        keep = _needed(known, set(_roots(store, config, known)))
        removed = []
        for kind, version in known:
            if (kind, version) not in keep and _remove(store, kind, version):
                removed.append(f"{kind}/{version}")
        _remove_old_work(store, config.keep_work_days)
        _remove_unused_archives(store)
    return removed


def _remove_unused_archives(store: Store) -> None:
    """Remove unpacked archives in which no artifact's images are."""
    unpacked = store.home / UNPACKED_FOLDER
    if not unpacked.is_dir():
        return
    with store.lock_if_free(UNPACKED_FOLDER) as free:
        if not free:
            return
        kinds: tuple[Kind, ...] = ("photos", "boxes")
        used = {root for kind in kinds for root in roots_in(store, kind)}
        for folder in unpacked.iterdir():
            # A run that has unpacked it may not have published yet.
            recent = time.time() - folder.stat().st_mtime < SECONDS_PER_DAY
            if not recent and not any(root.is_relative_to(folder) for root in used):
                remove_folder(folder, store.home / "work")


def _manifests(store: Store, kind: Kind) -> list[Manifest]:
    """Manifests of a kind, oldest first, without damaged ones.

    Raises:
        ArtifactError: the system cannot read one, so what it names is unknown.
    """
    found = []
    for path in (store.home / kind).glob(f"*/{MANIFEST}"):
        with contextlib.suppress(ArtifactCorruptError):
            found.append(store.manifest(kind, path.parent.name))
    return sorted(found, key=lambda manifest: (manifest.created, manifest.version))


def _roots(store: Store, config: RetentionConfig, known: dict[Key, Manifest]) -> Iterator[Key]:
    try:
        history = read_history(store.home)
    except ArtifactError as error:  # any model may be a released one
        log.warning("%s Nothing is removed.", error)
        yield from known
        return
    trained = [key for key in known if key[0] == "models"]
    yield from trained[-config.keep_models :]  # oldest first in `known`
    yield from store.current_versions(strict=True)
    for origin in get_args(Origin):
        releases = [release for release in reversed(history) if release.origin == origin]
        models = list(dict.fromkeys(release.model for release in releases))
        yield from (("models", model) for model in models[: config.keep_releases])
        for release in releases[:1]:
            yield "reference", release.reference
            yield "models", release.champion  # candidates are compared with it
    for kind, version in known:
        with lock_if_unpinned(store.home / kind / version / MANIFEST) as unpinned:
            if not unpinned:
                yield kind, version


def _needed(known: dict[Key, Manifest], roots: set[Key]) -> set[Key]:
    """The roots, all that they were made from, and the evaluations of the models among them."""
    evaluated = {
        key: ("models", manifest.inputs.get("model", ""))
        for key, manifest in known.items()
        if key[0] == "evaluations"
    }
    needed: set[Key] = set()
    waiting = set(roots)
    while waiting:
        key = waiting.pop()
        if key in needed or key not in known:
            continue
        needed.add(key)
        inputs = known[key].inputs.items()
        waiting |= {(KIND_OF_ROLE[role], version) for role, version in inputs if role in KIND_OF_ROLE}
        waiting |= {evaluation for evaluation, model in evaluated.items() if model == key}
    return needed


def _remove(store: Store, kind: str, version: str) -> bool:
    folder = store.home / kind / version
    # Whoever makes or opens it in order to make something holds the first lock; whoever uses it, a pin.
    with store.lock_if_free(f"{kind}-{version}") as free, lock_if_unpinned(folder / MANIFEST) as unpinned:
        if not (free and unpinned):
            return False
        try:
            remove_folder(folder, store.home / "work")
        except FileNotFoundError:
            return False
        for file in folder.parent.glob(f"{folder.name}.*"):  # such as where its images were found last
            file.unlink(missing_ok=True)
    return True


def _remove_old_work(store: Store, days: float) -> None:
    """Remove training states, drafts and damaged artifacts that nobody has written to for so many days.

    What a running process works on is kept, however old.
    """
    work = store.home / "work"
    for path in work.iterdir():
        if path.name.startswith(REMOVED):
            shutil.rmtree(path, ignore_errors=True)
        elif path.is_dir() and _seconds_unused(path) > max(days * SECONDS_PER_DAY, SECONDS_TO_RETRY):
            made = _WORK.fullmatch(path.name)
            with store.lock_if_free(made[1]) if made else contextlib.nullcontext(True) as unused:
                # Asked again, under the lock: a training may have begun since.
                if unused and _seconds_unused(path) > max(days * SECONDS_PER_DAY, SECONDS_TO_RETRY):
                    with contextlib.suppress(FileNotFoundError):
                        remove_folder(path, work)


def _seconds_unused(folder: Path) -> float:
    """Seconds since anything in a folder was written. Files may come and go meanwhile."""
    newest = 0.0
    for parent, _, names in os.walk(folder):
        for path in (Path(parent), *(Path(parent, name) for name in names)):
            with contextlib.suppress(FileNotFoundError):
                newest = max(newest, path.stat().st_mtime)
    return time.time() - newest
