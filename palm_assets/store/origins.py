"""Origin of a model: photographs, or synthetic hands. Each has a release of its own.

Only manifests are read, and leniently, because the answer is also wanted of a store with damaged parts.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

Origin = Literal["photographs", "synthetic"]
_SYNTHETIC_SOURCES = ("synthetic", "drawn")  # the second was the name in an older version of the program


def origin_of(home: Path, model: str) -> Origin | None:
    """Whether a model, or one that its training started from, was trained on synthetic hands.

    Imported models name no crops: they are of photographs, as is the starter.

    Args:
        home: folder of the store.
        model: its version; one that is not in the store is the starter.

    Returns:
        None if its crops or photographs are gone, so that nobody knows.
    """
    origins: set[Origin | None] = {"photographs"}
    known: set[str] = set()
    while model and model not in known:
        known.add(model)
        inputs = _manifest(home / "models" / model).get("inputs", {})
        if "crops" in inputs:
            origins.add(origin_of_crops(home, inputs["crops"]))
        model = inputs.get("start", "")
    if "synthetic" in origins:
        return "synthetic"
    return None if None in origins else "photographs"


def origin_of_training(home: Path, crops: str, start: str = "") -> Origin | None:
    """Origin of a model that is trained on crops, perhaps starting from another model; as `origin_of`."""
    origins = {origin_of_crops(home, crops), origin_of(home, start)}
    if "synthetic" in origins:
        return "synthetic"
    return None if None in origins else "photographs"


def origin_of_crops(home: Path, crops: str) -> Origin | None:
    """Whether crops are of photographs or of synthetic hands; None if they or their photographs are gone."""
    photos = _manifest(home / "crops" / crops).get("inputs", {}).get("photos")
    source = _manifest(home / "photos" / str(photos)).get("facts", {}).get("source")
    if source is None:
        return None
    return "synthetic" if source in _SYNTHETIC_SOURCES else "photographs"


def _manifest(folder: Path) -> dict[str, Any]:
    """Content of a manifest; empty if there is none that can be read."""
    try:
        content = json.loads((folder / "manifest.json").read_bytes())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
