"""One way to a model for scripts, notebooks and commands: the default one, a name, a version, or a folder."""

from __future__ import annotations

from pathlib import Path

from palm_assets.gan import sampler
from palm_assets.gan.sampler import PalmModel
from palm_assets.release.model_choices import STARTER_NAME, no_such_model
from palm_assets.release.serving import load_artifact, model_at_hand, open_model, open_starter
from palm_assets.store.artifacts import MANIFEST, Store, open_folder
from palm_assets.store.starter import STARTER_PREFIX, starter_folder


def load_model(model: Path | str | None = None, store: Store | Path | str | None = None) -> PalmModel:
    """Load a model, ready to generate.

    Args:
        model: the version of a model in the store (a `str`), "starter", or the folder of a model: an
            artifact, what `palms pack` wrote, or what `save_networks` wrote. A string that names a folder is
            a folder. By default the released model of photographs, or the starter until one is released. The
            starter is the bundled one, or the folder that PALM_STARTER names.
        store: where versions are looked up, a store or its folder; by default `Store()`.

    Raises:
        ArtifactMissingError: there is no such model.
        ArtifactCorruptError: its files are not those that were published.
        CheckpointError: it cannot be run.
    """
    opened = store if isinstance(store, Store) else Store(store)
    if model is None:
        return model_at_hand(opened, starter_folder())[0]
    if isinstance(model, Path):
        return _of_folder(model)
    if model == STARTER_NAME or model.startswith(STARTER_PREFIX):
        return _starter(model)
    return _of_folder(Path(model)) if Path(model).is_dir() else open_model(opened, model)[0]


def _starter(name: str) -> PalmModel:
    """The starter, by its name or its version."""
    found = open_starter(starter_folder())
    if found is None or name not in (STARTER_NAME, found[0].version):
        raise no_such_model(name, starter_folder())
    return found[0]


def _of_folder(folder: Path) -> PalmModel:
    if (folder / MANIFEST).exists():
        return load_artifact(open_folder(folder, "models"))
    return sampler.load_model(folder, folder.absolute().name)
