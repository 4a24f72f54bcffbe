"""Where the images of a source are: in a folder of the user, in Kaggle's cache, or in their own artifact."""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from palm_assets.errors import SourceError
from palm_assets.photos.people import names_hand
from palm_assets.progress import Report, silent
from palm_assets.sources.config import SourceConfig
from palm_assets.sources.folders import is_litter
from palm_assets.sources.unpack import unpack
from palm_assets.store.artifacts import Artifact, Kind, Store
from palm_assets.store.atomic import make_folder, sha256_of, write_atomically

log = logging.getLogger(__name__)

UNPACKED_FOLDER = "unpacked"
"""Of archives that are sources, in the store; retention removes those of no artifact."""
SYNTHETIC_FOLDER = "synthetic"
"""Of rendered images, inside their artifact. As the fact "root" it means this folder."""


def locate_source(
    store: Store, config: SourceConfig, fingerprint: Callable[[Path], str], *, report: Report = silent
) -> tuple[Path | None, dict[str, str]]:
    """The folder of a source, and what identifies its content; the folder is None for synthetic images.

    An archive in place of a folder is unpacked into the store once, and is then what its folder would be.

    Args:
        store: archives are unpacked into.
        config: of the source.
        fingerprint: hash of the content of a folder.
        report: called with a line about each step of a download, and every few seconds with its progress.

    Raises:
        SourceError: the set cannot be downloaded, or the archive cannot be unpacked.
        SourceNotFoundError: there is no such folder.
        DiskFullError, ArtifactError: the store cannot be written.
    """
    if config.source == "synthetic":
        return None, {}
    if config.source == "kaggle":
        from palm_assets.sources.kaggle import fetch_dataset

        root = fetch_dataset(config.kaggle_set, version=config.kaggle_version, progress=report).root
    else:
        root = Path(config.folder or "").expanduser().absolute()
        if root.is_file():  # whatever its name: downloads lose their endings
            root = without_wrapper(unpacked(store, root))
    return root, {"files": fingerprint(root)}


def unpacked(store: Store, archive: Path) -> Path:
    """The folder of a store with the files of an archive, which are unpacked if they are not there.

    Its name is a hash of the archive's content, so a moved or copied archive is unpacked once.

    Raises:
        SourceError: the archive cannot be read or unpacked.
        DiskFullError, ArtifactError: the store cannot be written.
    """
    try:
        folder = store.home / UNPACKED_FOLDER / sha256_of(archive)[:12]
    except OSError as error:
        what = f"The archive cannot be read: {error.strerror}"
        raise SourceError(what, where=archive, hint="Check who may read it.") from error
    with store.lock(UNPACKED_FOLDER):
        if folder.is_dir():
            with store.writing():
                os.utime(folder)  # retention removes what nobody has asked for in a day
        else:
            log.info("Unpacking %s into %s", archive, folder)
            with store.writing():
                make_folder(folder.parent)
                draft = Path(tempfile.mkdtemp(prefix="unpacking-", dir=store.home / "work"))
                try:
                    unpack(archive, draft / "files", str(archive))
                    (draft / "files").rename(folder)
                finally:
                    shutil.rmtree(draft, ignore_errors=True)
    return folder


def without_wrapper(root: Path) -> Path:
    """The folder that an archive's only top folder wraps: `hands/` in `hands.zip` names no person.

    A folder is a wrapper if nothing lies beside it and it holds folders that can be people, or a table or a
    description of the set.
    """
    while True:
        inside = [entry for entry in root.iterdir() if not is_litter(entry.name)]
        if len(inside) != 1 or not inside[0].is_dir():
            return root
        below = [entry for entry in inside[0].iterdir() if not is_litter(entry.name)]
        folders = [entry for entry in below if entry.is_dir() and not names_hand(entry.name)]
        files = [entry for entry in below if entry.suffix.lower() in (".csv", ".yaml", ".yml")]
        if not folders and not files:
            return root
        root = inside[0]


def remember_root(store: Store, artifact: Artifact, root: Path | None) -> None:
    """Write down where the images of an artifact are now, in a file beside it: their folder may have moved.

    Raises:
        DiskFullError, ArtifactError: the store cannot be written.
    """
    if root is not None and root_of(artifact) != root:
        with store.writing():
            write_atomically(_root_file(artifact), os.fsencode(root))


def root_fact(root: Path | None) -> str:
    """The fact "root" of an artifact whose images are in this folder; None for synthetic images.

    Bytes of the path that are not UTF-8 are written as escapes: then the file of `remember_root` counts.
    """
    return SYNTHETIC_FOLDER if root is None else os.fsencode(root).decode("utf-8", "backslashreplace")


def root_of(artifact: Artifact) -> Path:
    """The folder with the images of an artifact: where they were found last, else its fact "root"."""
    root = artifact.facts["root"]
    if root == SYNTHETIC_FOLDER:
        return artifact.folder / SYNTHETIC_FOLDER
    moved = _root_file(artifact)
    return Path(os.fsdecode(moved.read_bytes())) if moved.is_file() else Path(root)


def roots_in(store: Store, kind: Kind) -> set[Path]:
    """The folders with the images of all artifacts of a kind, "photos" or "boxes"."""
    roots = {Path(manifest.facts.get("root", "")) for manifest in store.manifests(kind)}
    moved = (store.home / kind).glob("*.root")
    return roots | {Path(os.fsdecode(path.read_bytes())) for path in moved}


def _root_file(artifact: Artifact) -> Path:
    return artifact.folder.with_name(f"{artifact.version}.root")
