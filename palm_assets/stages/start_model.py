"""The model that a training starts from, by its name in the config."""

from __future__ import annotations

from palm_assets.errors import ArtifactMissingError
from palm_assets.store.artifacts import Artifact, Store
from palm_assets.store.starter import STARTER, find_starter, hands_folder


def open_start_model(store: Store, start: str) -> Artifact | None:
    """Find the model to start from: None for "scratch", "starter", "hands", or a version.

    Raises:
        ArtifactMissingError: there is no such model.
        ArtifactCorruptError: it is damaged.
    """
    if start == "scratch":
        return None
    bundled = {"starter": STARTER, "hands": hands_folder(STARTER)}
    if start not in bundled:
        return store.open("models", start)
    found = find_starter(bundled[start])
    if found is None:
        raise ArtifactMissingError(
            f"This copy of the program has no {start} model",
            where=bundled[start],
            hint="Use `start: scratch`.",
        )
    return found
