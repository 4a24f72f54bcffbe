"""Artifacts of the store as the objects that the library works with."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from palm_assets.detector.boxes import BoxSet, read_box_set
from palm_assets.photos.index import PhotoIndex, read_index
from palm_assets.store import Artifact

if TYPE_CHECKING:
    from palm_assets.crops.making import Crops

DRAWN = "drawn"
"""Folder of drawn pictures inside their artifact; the root of any other source is where it was found."""


def open_photos(artifact: Artifact) -> PhotoIndex:
    """The photo index of a `photos` artifact."""
    return read_index(artifact.folder, _root(artifact))


def open_boxes(artifact: Artifact) -> BoxSet:
    """The labelled pictures of a `boxes` artifact."""
    return read_box_set(artifact.folder, _root(artifact))


def open_crops(artifact: Artifact) -> Crops:
    """The packed palms of a `crops` artifact."""
    from palm_assets.crops.making import read_crops

    return read_crops(artifact.folder)


def _root(artifact: Artifact) -> Path:
    said = artifact.facts["root"]
    return artifact.folder / DRAWN if said == DRAWN else Path(said)
