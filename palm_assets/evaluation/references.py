"""Which real palms images are compared with: a bundled model's own, the release's, or those of a version."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path

from palm_assets.errors import ArtifactError, ArtifactMissingError
from palm_assets.store.artifacts import Artifact, Store
from palm_assets.store.manifests import read_manifest
from palm_assets.store.origins import Origin, origin_of_crops
from palm_assets.store.starter import (
    STARTER_PREFIX,
    find_starter_reference,
    hands_folder,
    origin_of_starter,
    starter_folder,
)

_STARTER, _HANDS = "starter", "hands"


@dataclass(frozen=True)
class FoundReference:
    """A reference, verified.

    Attributes:
        name: its version; with the prefix of the starter if it came with the program.
        artifact: the reference.
        origin: of its crops; None if they are gone, so that nobody knows.
        model: version of the bundled model that it came with; "" if it is of the store.
    """

    name: str
    artifact: Artifact
    origin: Origin | None
    model: str = ""

    @property
    def is_bundled(self) -> bool:
        """Whether it came with the program."""
        return self.name.startswith(STARTER_PREFIX)

    @property
    def crops(self) -> str:
        """Version of the crops that it describes; "" if it was not recorded."""
        return self.artifact.manifest.inputs.get("crops", "")


def find_reference(store: Store, version: str | None = None, *, model: str = "") -> FoundReference:
    """The reference of this version; by default that of the bundled model that made the images.

    For other images, it is that of the release of photographs by default, else the starter's; in a copy of
    the program without a starter, the newest reference of the store.

    Args:
        store: where references are looked up.
        version: of a reference in the store; "starter" or "hands" for the one that comes with this model; or
            "starter-" and the version of one of these two.
        model: version of the model that made the images; "" if that is not known.

    Raises:
        ArtifactMissingError: there is none.
        ArtifactCorruptError: it is damaged.
    """
    if version is None:
        return _default(store, model)
    if version == _HANDS or version.startswith(_STARTER):
        return _bundled(store, version)
    return _of_store(store, store.open("reference", version))


def knows_nobody_held_out(store: Store, model: str, reference: FoundReference) -> bool:
    """Whether it is on record that a model was not trained on the people held out of a reference.

    Args:
        store: with the model, unless that is bundled.
        model: its version.
        reference: to compare with.
    """
    if reference.is_bundled:  # checked when it was packed
        return model == reference.model
    try:
        manifest = store.manifest("models", model)
    except ArtifactError:
        return False
    facts = manifest.facts
    is_known = not facts.get("trained_on_held_out") and not facts.get("held_out_unknown")
    return is_known and bool(reference.crops) and manifest.inputs.get("crops") == reference.crops


def _default(store: Store, model: str) -> FoundReference:
    for folder in _bundled_folders():
        if model and model == _version_of_model(folder):
            found = _of_bundled_model(folder)
            if found is not None:
                return found
    release = store.released()
    if release is not None:
        return _of_store(store, store.open("reference", release.reference))
    starter = _of_bundled_model(starter_folder())
    if starter is not None:
        return starter
    with contextlib.suppress(ArtifactMissingError):
        return _of_store(store, store.current("fid_reference"))
    raise _nothing(store)


def _bundled(store: Store, version: str) -> FoundReference:
    named = {_STARTER: starter_folder(), _HANDS: hands_folder()}
    folders = [named[version]] if version in named else _bundled_folders()
    references = [found for folder in folders if (found := _of_bundled_model(folder)) is not None]
    for found in references:
        if version in (*named, found.name):
            return found
    if not references and version == _HANDS:
        raise ArtifactMissingError(
            "The model hands comes without statistics of real hands",
            where=hands_folder(),
            hint="Use those of the starter: `--reference starter`.",
        )
    if not references:
        raise _nothing(store)
    names = " and ".join(found.name for found in references)
    raise ArtifactMissingError(
        f"There is no reference {version}",
        hint=f"Those that come with the program are `starter` and `hands`: {names}.",
    )


def _bundled_folders() -> list[Path]:
    return [starter_folder(), hands_folder()]


def _of_bundled_model(folder: Path) -> FoundReference | None:
    """The reference inside the folder of a bundled model; None if there is none."""
    found = find_starter_reference(folder)
    if found is None:
        return None
    version = _version_of_model(folder)
    return FoundReference(STARTER_PREFIX + found.version, found, origin_of_starter(folder), version)


def _version_of_model(folder: Path) -> str:
    """Version of a bundled model, as images name it; "" if there is none."""
    with contextlib.suppress(ArtifactError):
        return STARTER_PREFIX + read_manifest(folder, "models", None).version
    return ""


def _nothing(store: Store) -> ArtifactMissingError:
    return ArtifactMissingError(
        "There are no statistics of real palms here, and the starter model comes without them",
        where=store.home,
        hint="Run `make pipeline`, or compare two folders: `palms fid FOLDER --against FOLDER`.",
    )


def _of_store(store: Store, artifact: Artifact) -> FoundReference:
    crops = artifact.manifest.inputs.get("crops")
    origin = origin_of_crops(store.home, crops) if crops else None
    return FoundReference(artifact.version, artifact, origin)
