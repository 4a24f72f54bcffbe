"""One way to a model for scripts and notebooks: the released one, a version, or a folder."""

from __future__ import annotations

from pathlib import Path

from palm_assets.gan import sampler
from palm_assets.gan.sampler import PalmModel
from palm_assets.release.serving import model_at_hand, open_model
from palm_assets.store.artifacts import MANIFEST, Store, open_folder


def load_model(model: Path | str | None = None, store: Store | Path | str | None = None) -> PalmModel:
    """Load a model, ready to generate.

    Args:
        model: the version of a model in the store (a `str`), or the folder of one: an artifact, or what
            `save_networks` wrote. A string that names a folder is a folder. By default the released model
            of photographs, or the bundled starter model until one is released.
        store: where versions are looked up, a store or its folder; by default `Store()`.

    Raises:
        ArtifactMissingError: there is no such version.
        ArtifactCorruptError: its files are not those that were published.
        CheckpointError: it cannot be run.
    """
    if isinstance(model, Path) or (model is not None and Path(model).is_dir()):
        return _of_folder(Path(model))
    opened = store if isinstance(store, Store) else Store(store)
    return model_at_hand(opened)[0] if model is None else open_model(opened, model)[0]


def _of_folder(folder: Path) -> PalmModel:
    if (folder / MANIFEST).exists():
        return sampler.load_model(folder, open_folder(folder, "models").version)
    return sampler.load_model(folder, folder.absolute().name)
