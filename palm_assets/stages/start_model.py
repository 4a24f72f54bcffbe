"""The model that a training starts from, by its name in the config."""

from __future__ import annotations

from palm_assets.errors import ArtifactMissingError
from palm_assets.store.artifacts import Artifact, Store
from palm_assets.store.starter import STARTER, find_starter


def open_start_model(store: Store, start: str) -> Artifact | None:
    """Find the model to start from: None for "scratch", the starter for "starter", else a version.

    Raises:
        ArtifactMissingError: there is no such model.
        ArtifactCorruptError: it is damaged.
    """
    if start == "scratch":
        return None
    if start != "starter":
        return store.open("models", start)
    starter = find_starter(STARTER)
    if starter is None:
        raise ArtifactMissingError(
            "This copy of the program has no starter model", where=STARTER, hint="Use `start: scratch`."
        )
    return starter
