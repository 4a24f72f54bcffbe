"""The models that can generate: each released one and the starter. Only manifests are read to list them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from palm_assets.errors import ArtifactError, ArtifactMissingError
from palm_assets.store.artifacts import Store
from palm_assets.store.manifests import Manifest, read_manifest
from palm_assets.store.origins import Origin, origin_of, origin_of_packed
from palm_assets.store.releases import Release, ReleasedBy, read_history, read_released
from palm_assets.store.starter import STARTER_PREFIX, hands_folder, origin_of_starter, starter_folder

STARTER_NAME = "starter"
HANDS_NAME = "hands"
_LEARNED_FROM: dict[Origin | None, str] = {
    "photographs": "learned from photographs",
    "synthetic": "learned from synthetic hands",
    None: "not known what it learned from",
}


@dataclass(frozen=True)
class ModelChoice:
    """A model that can generate.

    Attributes:
        name: what commands, scripts and links call it: "starter", "hands" (the model of palms and backs that
            comes with the starter), or the version of a released model.
        version: what PNGs and manifests call it: "starter-" and the model's version, or the name.
        origin: what it was trained on.
        image_size: side of its images in pixels.
        released_at: when it was last released, UTC; None for the starter.
        by: whether the gate or a person released it then; None for the starter.
        is_default: whether it generates if none is named.
        labels: what it can be asked for: any of aspect, side and skin.
        folder: where it lies, if it came with the program and not from the store.
    """

    name: str
    version: str
    origin: Origin
    image_size: int
    released_at: datetime | None = None
    by: ReleasedBy | None = None
    is_default: bool = False
    labels: tuple[str, ...] = ()
    folder: Path | None = None

    @property
    def is_starter(self) -> bool:
        """Whether it is the model that generates until one is released."""
        return self.name == STARTER_NAME


def list_models(
    store: Store | Path | str | None = None, starter: Path | str | None = None
) -> list[ModelChoice]:
    """The models that can generate, each once.

    First the released models of photographs, newest release first; then the starter, and the model of palms
    and backs that comes with it; then the released models of synthetic hands, newest first. The default is
    the current release of photographs, else the starter: a model of synthetic hands is never the default.
    Models that were released but are removed are left out.

    Args:
        store: with the released models, a store or its folder; by default `Store()`.
        starter: folder of the starter; by default the bundled one, or the one that PALM_STARTER names.
    """
    opened = store if isinstance(store, Store) else Store(store)
    history = _readable_history(opened.home)
    found = [
        *_released(opened, history, "photographs"),
        *_starter(starter_folder() if starter is None else Path(starter)),
        *_released(opened, history, "synthetic"),
    ]
    default = _default_name(opened.home, found)
    return [replace(choice, is_default=choice.name == default) for choice in found]


def origin_of_folder(store: Store, folder: Path) -> Origin | None:
    """What the model in a folder was trained on: a model of the store, the starter, or a packed one.

    Returns:
        None if nobody knows.
    """
    if folder.absolute().parent == store.home / "models":
        return origin_of(store.home, folder.name)
    is_starter = folder.absolute() in (starter_folder().absolute(), hands_folder().absolute())
    return origin_of_starter(folder) if is_starter else origin_of_packed(folder)


def learned_from(origin: Origin | None) -> str:
    """What a model was trained on, in words."""
    return _LEARNED_FROM[origin]


def choice_named(choices: Sequence[ModelChoice], name: str) -> ModelChoice:
    """The model of this name, or of this version.

    Raises:
        ArtifactMissingError: there is none.
    """
    for choice in choices:
        if name in (choice.name, choice.version):
            return choice
    raise no_such_model(name)


def no_such_model(name: str, where: Path | None = None) -> ArtifactMissingError:
    """The error that says that there is no model of this name."""
    return ArtifactMissingError(f"No model named {name}", where=where, hint="`palms releases` lists them.")


def _released(store: Store, history: Sequence[Release], origin: Origin) -> Iterator[ModelChoice]:
    """Models of an origin that were ever released and are still there, newest release first."""
    newest: dict[str, Release] = {}
    for release in reversed(history):
        newest.setdefault(release.model, release)
    for version, release in newest.items():
        if release.origin != origin:
            continue
        with contextlib.suppress(ArtifactError):
            manifest = store.manifest("models", version)
            size, labels = _image_size(manifest), _labels(manifest)
            yield ModelChoice(version, version, origin, size, release.released_at, release.by, labels=labels)


def _starter(folder: Path) -> Iterator[ModelChoice]:
    for name, place in ((STARTER_NAME, folder), (HANDS_NAME, hands_folder(folder))):
        if place.is_dir():
            with contextlib.suppress(ArtifactError):
                manifest = read_manifest(place, "models", None)
                size, labels = _image_size(manifest), _labels(manifest)
                version = STARTER_PREFIX + manifest.version
                origin = origin_of_starter(place)
                yield ModelChoice(name, version, origin, size, labels=labels, folder=place)


def _image_size(manifest: Manifest) -> int:
    return int(manifest.facts.get("image_size") or manifest.config["image_size"])


def _labels(manifest: Manifest) -> tuple[str, ...]:
    return tuple(manifest.config.get("labels", ()))


def _readable_history(home: Path) -> list[Release]:
    """All releases, oldest first; if the history is not readable, the current ones that are."""
    try:
        return read_history(home)
    except ArtifactError:  # the page reports an unreadable pointer; the next release repairs the history
        with contextlib.suppress(ArtifactError):
            return read_released(home).all
    return []


def _default_name(home: Path, choices: Sequence[ModelChoice]) -> str:
    """Name of the current release of photographs if it is a choice, else the starter's."""
    with contextlib.suppress(ArtifactError):
        release = read_released(home).of("photographs")
        if release is not None and any(choice.name == release.model for choice in choices):
            return release.model
    return STARTER_NAME
