"""The model that is served: what `released.json` names, loaded, and followed when a new one is released.

Until a first release there is the starter, a small model that comes with the program.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from palm_assets.errors import CheckpointError, NothingReleasedError, PalmError
from palm_assets.store.artifacts import Artifact, Store, open_folder
from palm_assets.store.pins import hold

if TYPE_CHECKING:
    from palm_assets.gan.sampler import PalmModel

log = logging.getLogger(__name__)

STARTER = Path(__file__).parent.parent / "starter"
STARTER_PREFIX = "starter-"  # of its version, in every PNG and manifest
RETRY_SECONDS = 10.0


@dataclass(frozen=True)
class Served:
    """What a page has to work with.

    Attributes:
        model: ready to draw; None if there is none.
        artifact: where it comes from, with its manifest; None if there is no model.
        trouble: why there is no model, or why the newest release was refused and `model` is another one.
        is_starter: whether `model` is the one that comes with the program.
    """

    model: PalmModel | None
    artifact: Artifact | None
    trouble: PalmError | None
    is_starter: bool = False


def open_model(store: Store, version: str) -> tuple[PalmModel, Artifact]:
    """One version of the model, its files verified, and proven to draw.

    Raises:
        ArtifactMissingError: there is no such version.
        ArtifactCorruptError: its files are not those that were published.
        CheckpointError: it cannot be run.
    """
    artifact = store.open("models", version)
    return _loaded(artifact, version), artifact


def open_starter(folder: Path = STARTER) -> tuple[PalmModel, Artifact] | None:
    """The model that comes with the program; None in a copy without it.

    Args:
        folder: a published artifact of kind "models".

    Raises:
        ArtifactCorruptError, CheckpointError: it is damaged.
    """
    if not folder.is_dir():
        return None
    artifact = open_folder(folder, "models")
    return _loaded(artifact, STARTER_PREFIX + artifact.version), artifact


def released_model(store: Store) -> PalmModel:
    """The released model.

    Raises:
        NothingReleasedError: there was no release yet.
        ArtifactMissingError: the released model is gone.
        ArtifactCorruptError, CheckpointError: it cannot be used; see `open_model`.
    """
    return _open_released(store)[0]


def model_at_hand(store: Store, starter: Path = STARTER) -> tuple[PalmModel, bool]:
    """The released model, or the starter until there is one; and whether it is the starter.

    Raises:
        NothingReleasedError: there is neither.
        ArtifactMissingError, ArtifactCorruptError, CheckpointError: the one to be used cannot be.
    """
    try:
        return released_model(store), False
    except NothingReleasedError:
        found = open_starter(starter)
        if found is None:
            raise
        return found[0], True


class ModelWatcher:
    """Follows the release. Safe to share between threads; looking costs one `stat` while nothing changes."""

    def __init__(self, store: Store, starter: Path = STARTER) -> None:
        self._store = store
        self._starter = starter
        self._pointer = store.home / "released.json"
        self._lock = threading.Lock()
        self._seen: object = None
        self._retry_at = 0.0
        self._served = Served(None, None, None)

    def look(self) -> Served:
        """The newest release that can be used, or the starter until there is one.

        A broken one is refused: the old one stays, `trouble` says why, and it is tried again every 10 s.
        """
        with self._lock:
            state = _state_of(self._pointer)
            damaged = self._served.trouble is not None and time.monotonic() >= self._retry_at
            if self._seen is None or state != self._seen or damaged:
                before, self._served = self._served, self._reread()
                _tell(before, self._served)
                self._seen = state
                self._retry_at = time.monotonic() + RETRY_SECONDS
            return self._served

    def _reread(self) -> Served:
        now = self._served
        try:
            release = self._store.released()
            if release is not None and now.model is not None and release.model == now.model.version:
                return replace(now, trouble=None)
            return Served(*_open_released(self._store), None)
        except PalmError as error:
            if now.model is not None and not now.is_starter:
                return replace(now, trouble=error)
            return self._with_starter(error)

    def _with_starter(self, trouble: PalmError) -> Served:
        """The starter, if there is one; that nothing is released yet is no trouble then."""
        starter = self._served
        if not starter.is_starter:
            try:
                found = open_starter(self._starter)
            except PalmError as damaged:
                return Served(None, None, damaged if isinstance(trouble, NothingReleasedError) else trouble)
            if found is None:
                return Served(None, None, trouble)
            starter = Served(*found, None, is_starter=True)
        return replace(starter, trouble=None if isinstance(trouble, NothingReleasedError) else trouble)


def _loaded(artifact: Artifact, version: str) -> PalmModel:
    from palm_assets.gan.sampler import load_model  # brings torch; the page's form is shown before

    model = load_model(artifact.folder, version)
    if not math.isfinite(model.logits(model.generate(model.latents(0, [0]))).item()):
        raise CheckpointError(
            "Its scores are not finite", where=artifact.folder, hint="Train or import the model again."
        )
    return model


def _open_released(store: Store) -> tuple[PalmModel, Artifact]:
    release = store.released()
    if release is None:
        raise NothingReleasedError(
            "No model is released yet", where=store.home, hint="Run `make pipeline`: it makes one."
        )
    model, artifact = open_model(store, release.model)
    return model, hold(artifact)  # so that nobody removes it under a running page


def _tell(before: Served, now: Served) -> None:
    """Write down what changed, for whoever keeps the server."""
    if now.model is not None and now.model is not before.model:
        log.info("serving", extra={"model": now.model.version})
    if now.trouble is not None and str(now.trouble) != str(before.trouble):
        log.warning("no release to serve", extra={"why": str(now.trouble)})


def _state_of(path: Path) -> tuple[int, int, int] | str:
    """Augmentations whenever the file is replaced."""
    try:
        stat = path.stat()
    except OSError:
        return "missing"
    return stat.st_ino, stat.st_mtime_ns, stat.st_size
