"""Retention: which artifacts of a store are kept, and removal of the rest.

Kept are the released model, earlier releases, the newest models, all that assets point to and all that a
running process has pinned; and for each of these all that it was made from, its evaluations, and their
references. The rest is removed by one rename each, so a reader sees a whole artifact or none.
"""

from __future__ import annotations

import logging
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

from pydantic import BaseModel, ConfigDict, Field

from palm_assets.errors import ArtifactError
from palm_assets.store.artifacts import Kind, Manifest, Store
from palm_assets.store.pins import lock_if_unpinned
from palm_assets.store.releases import read_history

log = logging.getLogger(__name__)

Key = tuple[str, str]
KIND_OF_ROLE: dict[str, str] = {
    role: kind for kind in get_args(Kind) for role in (kind, kind.removesuffix("s"))
} | {"start": "models"}
"""Kind of the artifact that an input of this role names."""
SECONDS_PER_DAY = 86_400.0


class RetentionConfig(BaseModel):
    """How much is kept, beside what is in use."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    keep_models: int = Field(10, ge=1, le=10_000, description="newest models to keep, refused ones included")
    keep_releases: int = Field(3, ge=1, le=1000, description="newest releases to keep, for a rollback")
    keep_work_days: float = Field(
        14, ge=0, description="days after which an abandoned training state is removed"
    )


def remove_unused(store: Store, config: RetentionConfig) -> list[str]:
    """Remove what nothing needs; returns `kind/version` of each removed artifact.

    Raises:
        DiskFullError, ArtifactError: the store cannot be written.
    """
    if not store.home.is_dir():
        return []
    with store.writing(), store.lock("retention"):
        known = {(kind, m.version): m for kind in get_args(Kind) for m in store.manifests(kind)}
        keep = _needed(known, set(_roots(store, config, known)))
        removed = []
        for kind, version in known:
            if (kind, version) not in keep and _remove(store, store.home / kind / version):
                removed.append(f"{kind}/{version}")
        _remove_old_work(store, config.keep_work_days)
    return removed


def _roots(store: Store, config: RetentionConfig, known: dict[Key, Manifest]) -> Iterator[Key]:
    try:
        history = read_history(store.home)
    except ArtifactError as error:  # any model may be a released one
        log.warning("%s Nothing is removed.", error)
        yield from known
        return
    models = [key for key in known if key[0] == "models"]
    yield from models[-config.keep_models :]  # oldest first in `known`
    yield from store.current_versions()
    released = list(dict.fromkeys(release.model for release in reversed(history)))
    yield from (("models", model) for model in released[: config.keep_releases])
    for release in history[-1:]:
        yield "reference", release.reference
    for kind, version in known:
        with lock_if_unpinned(store.home / kind / version) as unpinned:
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


def _remove(store: Store, folder: Path) -> bool:
    with lock_if_unpinned(folder) as unpinned:
        if not unpinned:
            return False
        aside = Path(tempfile.mkdtemp(prefix="removed-", dir=store.home / "work"))
        folder.rename(aside / folder.name)
        for file in folder.parent.glob(f"{folder.name}.*"):  # such as where its images were found last
            file.unlink(missing_ok=True)
    shutil.rmtree(aside, ignore_errors=True)
    return True


def _remove_old_work(store: Store, days: float) -> None:
    """Remove training states, drafts and damaged artifacts that nobody has written to for so many days."""
    for path in (store.home / "work").iterdir():
        if not path.is_dir():
            continue
        newest = max((entry.stat().st_mtime for entry in [path, *path.rglob("*")]), default=0.0)
        if path.name.startswith("removed-") or time.time() - newest > days * SECONDS_PER_DAY:
            shutil.rmtree(path, ignore_errors=True)
