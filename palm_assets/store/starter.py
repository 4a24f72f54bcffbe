"""The starter: the model that ships with the program, a published artifact outside any store."""

from __future__ import annotations

import os
from pathlib import Path

from palm_assets.store.artifacts import Artifact, open_folder
from palm_assets.store.origins import BUNDLED, Origin, origin_of_packed

STARTER = BUNDLED[0]
HANDS_FOLDER = BUNDLED[1].name
"""Beside the starter: a model of palms and backs, which can be asked for aspect, side and skin."""
REFERENCE_FOLDER, DETECTOR_FOLDER = "reference", "detector"
"""Of the artifacts that come with the starter, inside its folder."""
STARTER_PREFIX = "starter-"
"""Before the versions of bundled models and their references, so that nobody looks for them in a store."""


def starter_folder() -> Path:
    """The folder of the starter that the page serves: `PALM_STARTER` if it is set, else the bundled one."""
    return Path(os.environ.get("PALM_STARTER") or STARTER)


def hands_folder(starter: Path | None = None) -> Path:
    """The folder of the model of palms and backs that comes with a starter, by default `starter_folder()`."""
    return (starter or starter_folder()).parent / HANDS_FOLDER


def find_starter(folder: Path = STARTER) -> Artifact | None:
    """The starter's artifact, verified; None in a copy of the program without one.

    Raises:
        ArtifactCorruptError: it is damaged.
    """
    return open_folder(folder, "models") if folder.is_dir() else None


def origin_of_starter(folder: Path) -> Origin:
    """What the starter in a folder was trained on: photographs, unless it is a packed model of others."""
    return origin_of_packed(folder) or "photographs"


def find_starter_reference(folder: Path | None = None) -> Artifact | None:
    """Statistics of crops that a bundled model is compared with, verified; None if it comes without them.

    Args:
        folder: of the model; by default `starter_folder()`.

    Raises:
        ArtifactCorruptError: they are damaged.
    """
    found = (folder or starter_folder()) / REFERENCE_FOLDER
    return open_folder(found, "reference") if found.is_dir() else None


def find_starter_detector(folder: Path = STARTER) -> Artifact | None:
    """The palm detector that comes with the starter, verified; None in a copy of the program without one.

    Raises:
        ArtifactCorruptError: it is damaged.
    """
    found = folder / DETECTOR_FOLDER
    return open_folder(found, "detector") if found.is_dir() else None
