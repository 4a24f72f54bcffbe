"""Where the images of a source are: in a folder of the user, in Kaggle's cache, or in their own artifact."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from palm_assets.sources.config import SourceConfig
from palm_assets.store.artifacts import Artifact, Store
from palm_assets.store.atomic import write_atomically

SYNTHETIC_FOLDER = "synthetic"
"""Of rendered images, inside their artifact. As the fact "root" it means this folder."""


def locate_source(
    config: SourceConfig, fingerprint: Callable[[Path], str]
) -> tuple[Path | None, dict[str, str]]:
    """The folder of a source, and what identifies its content; the folder is None for synthetic images.

    Args:
        config: of the source.
        fingerprint: hash of the content of a folder.

    Raises:
        SourceError: the set cannot be downloaded.
        SourceNotFoundError: there is no such folder.
    """
    if config.source == "synthetic":
        return None, {}
    if config.source == "kaggle":
        from palm_assets.sources.kaggle import fetch_dataset

        root = fetch_dataset(config.kaggle_set, version=config.kaggle_version).root
    else:
        root = Path(config.folder or "").expanduser().absolute()
    return root, {"files": fingerprint(root)}


def remember_root(store: Store, artifact: Artifact, root: Path | None) -> None:
    """Write down where the images of an artifact are now, in a file beside it: their folder may have moved.

    Raises:
        DiskFullError, ArtifactError: the store cannot be written.
    """
    if root is not None and root_of(artifact) != root:
        with store.writing():
            write_atomically(_root_file(artifact), os.fsencode(root))


def root_fact(root: Path | None) -> str:
    """The fact "root" of an artifact whose images are in this folder; None for synthetic images."""
    return SYNTHETIC_FOLDER if root is None else str(root)


def root_of(artifact: Artifact) -> Path:
    """The folder with the images of an artifact: where they were found last, else its fact "root"."""
    root = artifact.facts["root"]
    if root == SYNTHETIC_FOLDER:
        return artifact.folder / SYNTHETIC_FOLDER
    moved = _root_file(artifact)
    return Path(os.fsdecode(moved.read_bytes())) if moved.is_file() else Path(root)


def _root_file(artifact: Artifact) -> Path:
    return artifact.folder.with_name(f"{artifact.version}.root")
