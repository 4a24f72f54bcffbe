"""The starter: the model that ships with the program, a published artifact outside any store."""

from __future__ import annotations

import os
from pathlib import Path

from palm_assets.store.artifacts import Artifact, open_folder

STARTER = Path(__file__).parent.parent / "starter"


def starter_folder() -> Path:
    """The folder of the starter that the page serves: `PALM_STARTER` if it is set, else the bundled one."""
    return Path(os.environ.get("PALM_STARTER", STARTER))


def find_starter(folder: Path = STARTER) -> Artifact | None:
    """The starter's artifact, verified; None in a copy of the program without one.

    Raises:
        ArtifactCorruptError: it is damaged.
    """
    return open_folder(folder, "models") if folder.is_dir() else None
