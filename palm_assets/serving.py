"""The model that is served: what `released.json` names, loaded, and followed when a new one is released."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from palm_assets.errors import ArtifactMissingError, CheckpointError, PalmError
from palm_assets.gan.sampling import PalmModel, load_model
from palm_assets.pins import hold
from palm_assets.store import Artifact, Store

RETRY_SECONDS = 10.0


@dataclass(frozen=True)
class Served:
    """What a page has to work with.

    Attributes:
        model: ready to draw; None if there is none.
        artifact: where it comes from, with its manifest; None if there is no model.
        trouble: why there is no model, or why the newest release was refused and `model` is an older one.
    """

    model: PalmModel | None
    artifact: Artifact | None
    trouble: PalmError | None


def open_model(store: Store, version: str) -> tuple[PalmModel, Artifact]:
    """One version of the model, its files verified, and proven to draw.

    Raises:
        ArtifactMissingError: there is no such version.
        ArtifactCorruptError: its files are not those that were published.
        CheckpointError: it cannot be run.
    """
    artifact = store.open("models", version)
    model = load_model(artifact.folder, version)
    if not np.isfinite(model.logits(model.draw(model.latents(0, [0])))).all():
        raise CheckpointError(
            "Its scores are not finite", where=artifact.folder, hint="Train or import the model again."
        )
    return model, artifact


def released_model(store: Store) -> PalmModel:
    """The released model.

    Raises:
        ArtifactMissingError: nothing is released, or the released model is gone.
        ArtifactCorruptError, CheckpointError: it cannot be used; see `open_model`.
    """
    return _open_released(store)[0]


class ModelWatcher:
    """Follows the release. Safe to share between threads; looking costs one `stat` while nothing changes."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._pointer = store.home / "released.json"
        self._lock = threading.Lock()
        self._seen: object = None
        self._retry_at = 0.0
        self._served = Served(None, None, None)

    def look(self) -> Served:
        """The newest release that can be used.

        A broken one is refused: the old one stays, `trouble` says why, and it is tried again every 10 s.
        """
        with self._lock:
            state = _state_of(self._pointer)
            damaged = self._served.trouble is not None and time.monotonic() >= self._retry_at
            if self._seen is None or state != self._seen or damaged:
                self._served = self._reread()
                self._seen = state
                self._retry_at = time.monotonic() + RETRY_SECONDS
            return self._served

    def _reread(self) -> Served:
        try:
            release = self._store.released()
            now = self._served
            if release is not None and now.model is not None and release.model == now.model.version:
                return Served(now.model, now.artifact, None)
            return Served(*_open_released(self._store), None)
        except PalmError as error:
            return Served(self._served.model, self._served.artifact, error)


def _open_released(store: Store) -> tuple[PalmModel, Artifact]:
    release = store.released()
    if release is None:
        raise ArtifactMissingError(
            "No model is released yet", where=store.home, hint="Run `make pipeline`: it makes one."
        )
    model, artifact = open_model(store, release.model)
    return model, hold(artifact)  # so that nobody removes it under a running page


def _state_of(path: Path) -> tuple[int, int, int] | str:
    """Changes whenever the file is replaced."""
    try:
        stat = path.stat()
    except OSError:
        return "missing"
    return stat.st_ino, stat.st_mtime_ns, stat.st_size
