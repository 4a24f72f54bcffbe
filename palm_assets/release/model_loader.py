"""One way to a model for scripts, notebooks and commands: the default one, a name, a version, or a folder."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from palm_assets.errors import (
    ArtifactCorruptError,
    CorruptDownloadError,
    RequestError,
    SourceNotFoundError,
)
from palm_assets.gan import sampler
from palm_assets.gan.checkpoint import CONFIG_FILE, DISCRIMINATOR_FILE, GENERATOR_FILE
from palm_assets.gan.sampler import PalmModel
from palm_assets.release.model_choices import HANDS_NAME, STARTER_NAME, no_such_model
from palm_assets.release.serving import load_artifact, model_at_hand, open_model, open_starter
from palm_assets.sources.hugging_face import REPOSITORY, download_repository
from palm_assets.store.artifacts import MANIFEST, Store, open_folder
from palm_assets.store.manifests import read_manifest
from palm_assets.store.starter import STARTER_PREFIX, hands_folder, starter_folder

_VERSION = re.compile(r"[0-9a-z]{1,64}")  # as PNG metadata and links accept it


def load_model(
    model: Path | str | None = None,
    store: Store | Path | str | None = None,
    *,
    revision: str | None = None,
) -> PalmModel:
    """Load a model, ready to generate.

    Args:
        model: the version of a model in the store (a `str`), "starter", "hands" (the model of palms and backs
            that comes with the starter), or the folder of a model: an artifact, what `palms pack` wrote, or
            what `save_networks` wrote. A string that names a folder is a folder; another one of the form
            OWNER/NAME is a repository of the Hugging Face Hub. By default the released model of photographs,
            or the starter until one is released. The starter is the bundled one, or the folder that
            PALM_STARTER names.
        store: where versions are looked up, a store or its folder; by default `Store()`.
        revision: branch, tag or commit of the repository; by default its main branch.

    Raises:
        ArtifactMissingError: there is no such model.
        ArtifactCorruptError: its files are not those that were published.
        CheckpointError: it cannot be run.
        SourceError: the repository cannot be downloaded, or holds no model; see
            `palm_assets.sources.hugging_face.download_repository`.
        RequestError: a revision is given, but no repository.
    """
    if isinstance(model, str) and REPOSITORY.fullmatch(model) and not Path(model).is_dir():
        return _of_repository(model, revision)
    if revision is not None:
        raise RequestError("Only a repository has revisions", hint="Name a model as OWNER/NAME.")
    opened = store if isinstance(store, Store) else Store(store)
    if model is None:
        return model_at_hand(opened, starter_folder())[0]
    if isinstance(model, Path):
        return _of_folder(model)
    if model in (STARTER_NAME, HANDS_NAME) or model.startswith(STARTER_PREFIX):
        return _starter(model)
    return _of_folder(Path(model)) if Path(model).is_dir() else open_model(opened, model)[0]


def _starter(name: str) -> PalmModel:
    """A model that came with the program, by its name or its version."""
    for known, folder in ((STARTER_NAME, starter_folder()), (HANDS_NAME, hands_folder())):
        if name == known or (name.startswith(STARTER_PREFIX) and name == _bundled_version(folder)):
            found = open_starter(folder)
            if found is not None:
                return found[0]
    raise no_such_model(name, starter_folder())


def _bundled_version(folder: Path) -> str:
    return STARTER_PREFIX + read_manifest(folder, "models", None).version if folder.is_dir() else ""


def _of_folder(folder: Path) -> PalmModel:
    if (folder / MANIFEST).exists():
        return load_artifact(open_folder(folder, "models"))
    return sampler.load_model(folder, folder.absolute().name)


def _of_repository(name: str, revision: str | None) -> PalmModel:
    """A model of the Hub. Nothing in the repository is executed: it holds weights and plain data.

    Only the files that a model consists of are downloaded, so a repository of something else is refused
    before its files are.
    """
    folder = download_repository(name, revision, files=(MANIFEST, CONFIG_FILE))
    commit = folder.name
    if not (folder / MANIFEST).is_file():
        _require(folder, name, (CONFIG_FILE,))
        files = (CONFIG_FILE, GENERATOR_FILE, DISCRIMINATOR_FILE)
        folder = download_repository(name, commit, files=files)
        _require(folder, name, files)
        return sampler.load_model(folder, commit[:12])
    try:
        manifest = read_manifest(folder, "models", None)
        folder = download_repository(name, commit, files=(MANIFEST, *manifest.files))
        _require(folder, name, manifest.files)
        artifact = open_folder(folder, "models")
    except ArtifactCorruptError as error:
        raise CorruptDownloadError(
            f"The files are not those that the model was published with: {error.what}",
            where=name,
            hint=f"Remove {folder} and load it again; if that does not help, tell its owner.",
        ) from error
    if not _VERSION.fullmatch(manifest.version):
        raise CorruptDownloadError(
            "The manifest names an impossible version", where=name, hint="Tell the model's owner."
        )
    return load_artifact(artifact)


def _require(folder: Path, name: str, files: Iterable[str]) -> None:
    missing = [file for file in files if not (folder / file).exists()]
    if missing:
        raise SourceNotFoundError(
            f"The repository lacks {missing[0]}",
            where=name,
            hint="Name a repository that `palms push` has made.",
        )
