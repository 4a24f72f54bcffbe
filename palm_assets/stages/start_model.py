"""Artifacts of the store as the objects that the library works with."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from palm_assets.detector.boxes import BoxSet, read_box_set
from palm_assets.errors import ArtifactMissingError
from palm_assets.photos.index import PhotoIndex, read_index
from palm_assets.release.serving import STARTER
from palm_assets.store.artifacts import Artifact, Store, open_folder

if TYPE_CHECKING:
    from palm_assets.crops.extraction import Crops

SYNTHETIC = "synthetic"
"""Folder of drawn pictures inside their artifact; the root of any other source is where it was found."""


def open_photos(artifact: Artifact) -> PhotoIndex:
    """The photo index of a `photos` artifact."""
    return read_index(artifact.folder, _root(artifact))


def open_boxes(artifact: Artifact) -> BoxSet:
    """The labeled pictures of a `boxes` artifact."""
    return read_box_set(artifact.folder, _root(artifact))


def open_crops(artifact: Artifact) -> Crops:
    """The packed palms of a `crops` artifact."""
    from palm_assets.crops.extraction import read_crops

    return read_crops(artifact.folder)


def open_start(store: Store, start: str) -> Artifact | None:
    """The model that a training starts from: none if it is "scratch", that of the program if "starter".

    Raises:
        ArtifactMissingError: there is none of that version.
        ArtifactCorruptError: it is damaged.
    """
    if start == "scratch":
        return None
    if start != "starter":
        return store.open("models", start)
    if not STARTER.is_dir():
        raise ArtifactMissingError(
            "This copy of the program has no starter model", where=STARTER, hint="Use `start: scratch`."
        )
    return open_folder(STARTER, "models")


def _root(artifact: Artifact) -> Path:
    said = artifact.facts["root"]
    return artifact.folder / SYNTHETIC if said == SYNTHETIC else Path(said)
