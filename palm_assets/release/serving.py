"""Loading models to generate with.

By default that is the released model of photographs, replaced on each release, or the starter until then; any
other model that `list_models` lists is served on request.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from palm_assets.errors import ArtifactCorruptError, CheckpointError, NothingReleasedError, PalmError
from palm_assets.release.model_choices import (
    HANDS_NAME,
    STARTER_NAME,
    ModelChoice,
    choice_named,
    list_models,
    no_such_model,
)
from palm_assets.store.artifacts import Artifact, Store
from palm_assets.store.origins import Origin
from palm_assets.store.pins import pin
from palm_assets.store.releases import RELEASED_FILE, Release
from palm_assets.store.starter import HANDS_FOLDER, STARTER, STARTER_PREFIX, find_starter, origin_of_starter

if TYPE_CHECKING:
    from palm_assets.gan.sampler import PalmModel

log = logging.getLogger(__name__)

RETRY_SECONDS = 10.0
MAX_NAMED = 4  # models kept in memory besides the default one
_OF_ORIGIN: dict[Origin, str] = {"photographs": "photographs", "synthetic": "synthetic hands"}
_HINTS: dict[Origin, str] = {
    "photographs": "Run `make pipeline` with PRESET=local and your own photographs.",
    "synthetic": "Run `make pipeline` to train one.",
}


@dataclass(frozen=True)
class Served:
    """What a page has to work with.

    Attributes:
        model: ready to generate; None if there is none.
        artifact: the artifact of the model; None if there is no model.
        problem: why there is no model, or why the newest release is not served and `model` is another one.
        is_starter: whether `model` is the starter.
        origin: what `model` was trained on.
    """

    model: PalmModel | None
    artifact: Artifact | None
    problem: PalmError | None
    is_starter: bool = False
    origin: Origin = "photographs"

    @property
    def name(self) -> str:
        """What links call the model, as `ModelChoice.name`; "" if there is none."""
        if self.model is None:
            return ""
        if self.artifact is not None and self.artifact.folder.name == HANDS_FOLDER:
            return HANDS_NAME
        return STARTER_NAME if self.is_starter else self.model.version


def open_model(store: Store, version: str) -> tuple[PalmModel, Artifact]:
    """Load one version of the model: files verified, and an image generated and scored.

    Raises:
        ArtifactMissingError: there is no such version.
        ArtifactCorruptError: its files are not those that were published.
        CheckpointError: it cannot be run.
    """
    artifact = store.find("models", version)
    if artifact is None:
        raise no_such_model(version, store.home)
    return load_artifact(artifact), artifact


def open_choice(store: Store, choice: ModelChoice, starter: Path = STARTER) -> tuple[PalmModel, Artifact]:
    """Load one of `list_models`, pinned for as long as its artifact lives.

    Raises:
        ArtifactMissingError: it has been removed.
        ArtifactCorruptError, CheckpointError: it cannot be used; see `open_model`.
    """
    found = open_model(store, choice.name) if choice.folder is None else open_starter(choice.folder)
    if found is None:
        raise no_such_model(choice.name, starter)
    model, artifact = found
    return model, pin(artifact) if choice.folder is None else artifact


def open_starter(folder: Path = STARTER) -> tuple[PalmModel, Artifact] | None:
    """Load the starter; None in a copy of the program without one.

    Raises:
        ArtifactCorruptError, CheckpointError: it is damaged.
    """
    artifact = find_starter(folder)
    return None if artifact is None else (load_artifact(artifact, STARTER_PREFIX), artifact)


def released_model(store: Store, origin: Origin = "photographs") -> PalmModel:
    """Load the released model of an origin.

    Raises:
        NothingReleasedError: there was no release yet.
        ArtifactMissingError: the released model is gone.
        ArtifactCorruptError, CheckpointError: it cannot be used; see `open_model`.
    """
    return _open_released(store, origin)[0]


def model_at_hand(
    store: Store, starter: Path = STARTER, *, origin: Origin | None = None
) -> tuple[PalmModel, bool]:
    """Load the model that the page serves; and whether it is the starter.

    Args:
        store: with the released models.
        starter: what is served until a model of photographs is released.
        origin: "synthetic" for the released model of synthetic hands, which is served on request only.

    Raises:
        NothingReleasedError: there is neither.
        ArtifactMissingError, ArtifactCorruptError, CheckpointError: the model cannot be used.
    """
    try:
        return released_model(store, origin or "photographs"), False
    except NothingReleasedError:
        found = None if origin == "synthetic" else open_starter(starter)
        if found is None:
            raise
        return found[0], True


class ModelWatcher:
    """Follows the release, and loads other models by name. Safe to share between threads."""

    def __init__(self, store: Store, starter: Path = STARTER, *, origin: Origin = "photographs") -> None:
        """Follow the release of an origin; the starter stands in for one of photographs only."""
        self._store = store
        self._origin = origin
        self._starter = starter
        self._pointer = store.home / RELEASED_FILE
        self._lock = threading.Lock()
        self._pointer_state: object = None
        self._retry_at = 0.0
        self._served = Served(None, None, None)
        self._named: OrderedDict[str, Served] = OrderedDict()  # the last used one last
        self._named_lock = threading.Lock()
        self._choices: tuple[object, list[ModelChoice]] = (None, [])

    def choices(self) -> list[ModelChoice]:
        """The models that `served` can serve, see `list_models`; costs two `stat`s while nothing changes."""
        before, choices = self._choices
        now = (_file_state(self._pointer), _file_state(self._store.home / "models"))  # retention removes some
        if now != before:
            choices = list_models(self._store, self._starter)
            self._choices = (now, choices)
        return choices

    def served(self, name: str | None = None) -> Served:
        """The model of a name, by default the newest release that can be used, or the starter until then.

        Costs one `stat` while nothing changes. If a release cannot be used, the earlier model stays,
        `problem` says why, and the release is tried again every 10 s.

        Args:
            name: of one of `choices`, or its version. If there is no such model or it cannot be used, there
                is no model and `problem` says why. The last few are kept in memory.
        """
        followed = self._followed()
        if name is None:
            return followed
        if followed.model is not None and name in (followed.name, followed.model.version):
            return followed
        with self._named_lock:
            return self._of_name(name)

    def _of_name(self, name: str) -> Served:
        try:
            choice = choice_named(self.choices(), name)
        except PalmError as error:
            return Served(None, None, error)
        served = self._named.get(choice.name)
        if served is None:
            try:
                model, artifact = open_choice(self._store, choice, self._starter)
            except PalmError as error:
                return Served(None, None, error)
            served = Served(model, artifact, None, choice.is_starter, choice.origin)
            self._named[choice.name] = served
            while len(self._named) > MAX_NAMED:
                self._named.popitem(last=False)
        self._named.move_to_end(choice.name)
        return served

    def _followed(self) -> Served:
        with self._lock:
            state = _file_state(self._pointer)
            retry = self._served.problem is not None and time.monotonic() >= self._retry_at
            if self._pointer_state is None or state != self._pointer_state or retry:
                before, self._served = self._served, self._reload()
                _log_change(before, self._served)
                self._pointer_state = state
                self._retry_at = time.monotonic() + RETRY_SECONDS
            return self._served

    def _reload(self) -> Served:
        served = self._served
        try:
            release = self._store.released(self._origin)
            if release is not None and _is_of(release, served):
                return replace(served, problem=None)
            return Served(*_open_released(self._store, self._origin), None, origin=self._origin)
        except PalmError as error:
            if served.model is not None and not served.is_starter:
                return replace(served, problem=error)
            return self._starter_instead(error)

    def _starter_instead(self, error: PalmError) -> Served:
        """The starter, if there is one; with it, that nothing is released yet is no problem."""
        starter = self._served
        if not starter.is_starter:
            try:
                found = open_starter(self._starter) if self._origin == "photographs" else None
            except PalmError as damaged:
                return Served(None, None, damaged if isinstance(error, NothingReleasedError) else error)
            if found is None:
                return Served(None, None, error)
            origin = origin_of_starter(self._starter)
            starter = Served(*found, None, is_starter=True, origin=origin)
        return replace(starter, problem=None if isinstance(error, NothingReleasedError) else error)


def load_artifact(artifact: Artifact, prefix: str = "") -> PalmModel:
    """Load a verified model, and generate and score an image with it; `prefix` goes before its version.

    Raises:
        CheckpointError: it cannot be run.
    """
    from palm_assets.gan.sampler import load_model  # imports torch; the page shows its form before

    model = load_model(artifact.folder, prefix + artifact.version)
    if not math.isfinite(model.logits(model.sample(1)).item()):
        raise CheckpointError(
            "Its scores are not finite", where=artifact.folder, hint="Train or import the model again."
        )
    return model


def _open_released(store: Store, origin: Origin) -> tuple[PalmModel, Artifact]:
    release = store.released(origin)
    if release is None:
        raise NothingReleasedError(
            f"No model of {_OF_ORIGIN[origin]} is released yet", where=store.home, hint=_HINTS[origin]
        )
    model, artifact = open_model(store, release.model)
    if not release.is_of(artifact.manifest.content):
        raise ArtifactCorruptError(
            f"Model {release.model} was made again after it was released",
            where=artifact.folder,
            hint=f"Materialize palm_evaluation and palm_release again, or `palms release {release.model}`.",
        )
    return model, pin(artifact)  # retention must not remove it while a page serves it


def _is_of(release: Release, served: Served) -> bool:
    if served.model is None or served.artifact is None or release.model != served.model.version:
        return False
    return release.is_of(served.artifact.manifest.content)


def _log_change(before: Served, after: Served) -> None:
    if after.model is not None and after.model is not before.model:
        log.info("serving", extra={"model": after.model.version})
    if after.problem is not None and str(after.problem) != str(before.problem):
        log.warning("no release to serve", extra={"why": str(after.problem)})


def _file_state(path: Path) -> tuple[int, int, int] | str:
    """Changes whenever the file is replaced."""
    try:
        stat = path.stat()
    except OSError:
        return "missing"
    return stat.st_ino, stat.st_mtime_ns, stat.st_size
