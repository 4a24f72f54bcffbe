"""Which real palms images are compared with: the release's reference, the starter's, or one by version."""

from __future__ import annotations

from dataclasses import dataclass

from palm_assets.errors import ArtifactMissingError
from palm_assets.store.artifacts import Artifact, Store
from palm_assets.store.origins import Origin, origin_of_crops
from palm_assets.store.starter import (
    STARTER_PREFIX,
    find_starter_reference,
    origin_of_starter,
    starter_folder,
)

_STARTER = "starter"


@dataclass(frozen=True)
class FoundReference:
    """A reference, verified.

    Attributes:
        name: its version; with the prefix of the starter if it came with it.
        artifact: the reference.
        origin: of its crops; None if they are gone, so that nobody knows.
    """

    name: str
    artifact: Artifact
    origin: Origin | None

    @property
    def is_starter(self) -> bool:
        """Whether it came with the starter."""
        return self.name.startswith(STARTER_PREFIX)

    @property
    def crops(self) -> str:
        """Version of the crops that it describes; "" if it was not recorded."""
        return self.artifact.manifest.inputs.get("crops", "")


def find_reference(store: Store, version: str | None = None) -> FoundReference:
    """The reference of this version; by default that of the release of photographs, else the starter's.

    In a copy of the program without a starter the newest reference of the store is the default.

    Args:
        store: where references are looked up.
        version: of a reference in the store; "starter", or "starter-" and its version.

    Raises:
        ArtifactMissingError: there is none.
        ArtifactCorruptError: it is damaged.
    """
    if version is not None and not version.startswith(_STARTER):
        return _of_store(store, store.open("reference", version))
    release = store.released() if version is None else None
    if release is not None:
        return _of_store(store, store.open("reference", release.reference))
    starter = find_starter_reference()
    if starter is not None:
        name = STARTER_PREFIX + starter.version
        if version not in (None, _STARTER, name):
            raise ArtifactMissingError(
                f"There is no reference {version}",
                hint=f"The one that comes with the starter is {name}, or `starter`.",
            )
        return FoundReference(name, starter, origin_of_starter(starter_folder()))
    try:
        if version is None:
            return _of_store(store, store.current("fid_reference"))
    except ArtifactMissingError:
        pass
    raise ArtifactMissingError(
        "There are no statistics of real palms here, and the starter model comes without them",
        where=store.home,
        hint="Run `make pipeline`, or compare two folders: `palms fid FOLDER --against FOLDER`.",
    )


def _of_store(store: Store, artifact: Artifact) -> FoundReference:
    crops = artifact.manifest.inputs.get("crops")
    origin = origin_of_crops(store.home, crops) if crops else None
    return FoundReference(artifact.version, artifact, origin)
