"""What may be removed from a store, and what never is.

Kept are the released model, the releases before it, the newest models, all that assets point to, all that a
running page or run has pinned; and of each of these everything it was made from, what it scored, and the
reference of those scores. The rest goes, by one rename each: a reader sees a whole artifact or none.
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
from palm_assets.store.atomic import writing_under
from palm_assets.store.pins import unless_pinned
from palm_assets.store.release_pointer import read_history
from palm_assets.store.status import pointers

log = logging.getLogger(__name__)

Key = tuple[str, str]
ROLES = {role: kind for kind in get_args(Kind) for role in (kind, kind.removesuffix("s"))}
ROLES["start"] = "models"  # that a training started from
DAY = 86_400.0


class RetentionConfig(BaseModel):
    """How much is kept beside what is in use."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    keep_models: int = Field(10, ge=1, le=10_000, description="newest models, refused ones too")
    keep_releases: int = Field(3, ge=1, le=1000, description="newest releases, to roll back to")
    keep_work_days: float = Field(14, ge=0, description="days after which abandoned training states go")


def tidy(store: Store, config: RetentionConfig) -> list[str]:
    """Remove what nothing needs; returns `kind/version` of each artifact that went."""
    if not store.home.is_dir():
        return []
    with writing_under(store.home), store.lock("retention"):
        known = {(k, v): store.manifest(k, v) for k in get_args(Kind) for v in store.versions(k)}
        keep = _needed(known, set(_roots(store, config, known)))
        removed = []
        for kind, version in known:
            if (kind, version) not in keep and _remove(store, store.home / kind / version):
                removed.append(f"{kind}/{version}")
        _tidy_work(store, config.keep_work_days)
    return removed


def _roots(store: Store, config: RetentionConfig, known: dict[Key, Manifest]) -> Iterator[Key]:
    models = [key for key in known if key[0] == "models"]
    yield from models[-config.keep_models :]  # oldest first in `known`
    yield from ((kind, version) for _, kind, version in pointers(store))
    try:
        history = read_history(store.home)
    except ArtifactError as error:  # what was released is not known, so no model goes
        log.warning("%s Nothing is removed.", error)
        yield from known
        return
    places = list(dict.fromkeys(release.model for release in reversed(history)))
    yield from (("models", model) for model in places[: config.keep_releases])
    for release in history[-1:]:
        yield "reference", release.reference
    for kind, version in known:
        with unless_pinned(store.home / kind / version) as free:
            if not free:
                yield kind, version


def _needed(known: dict[Key, Manifest], roots: set[Key]) -> set[Key]:
    """The roots with all that they were made from, and the scores and references of the models among them."""
    scored = {
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
        waiting |= {(ROLES[role], v) for role, v in known[key].inputs.items() if role in ROLES}
        waiting |= {scores for scores, model in scored.items() if model == key}
    return needed


def _remove(store: Store, folder: Path) -> bool:
    with unless_pinned(folder) as free:
        if not free:
            return False
        aside = Path(tempfile.mkdtemp(prefix="removed-", dir=store.home / "work"))
        folder.rename(aside / folder.name)
    shutil.rmtree(aside, ignore_errors=True)
    return True


def _tidy_work(store: Store, days: float) -> None:
    """Training states, drafts and damaged artifacts that nobody has touched for long."""
    for path in (store.home / "work").iterdir():
        if not path.is_dir():
            continue
        newest = max((entry.stat().st_mtime for entry in [path, *path.rglob("*")]), default=0.0)
        if path.name.startswith("removed-") or time.time() - newest > days * DAY:
            shutil.rmtree(path, ignore_errors=True)
