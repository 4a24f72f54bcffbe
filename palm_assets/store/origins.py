"""Origin of a model: photographs, or synthetic hands. Each has a release of its own.

Only manifests are read, and leniently, because the answer is also wanted of a store with damaged parts.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, get_args

Origin = Literal["photographs", "synthetic"]
ORIGIN_FACT = "origin"  # in the manifest of a model that was packed for use outside its store
BUNDLED = tuple(Path(__file__).parent.parent / name for name in ("starter", "starter_hands"))
"""Folders of the models that come with the program, of photographs, which a training may start from."""
_SYNTHETIC_SOURCES = ("synthetic", "drawn")  # the second was the name in an older version of the program


def origin_of(home: Path, model: str) -> Origin | None:
    """Whether a model, or one that its training started from, was trained on synthetic hands.

    Imported models name no crops: they are of photographs, as is the starter.

    Args:
        home: folder of the store.
        model: its version; one that is not in the store is the starter.

    Returns:
        None if its crops, their photographs, or a model that its training started from are gone, so that
        nobody knows.
    """
    origins: set[Origin | None] = {"photographs"}
    known: set[str] = set()
    while model and model not in known:
        known.add(model)
        inputs = _manifest(home / "models" / model).get("inputs", {})
        if "crops" in inputs:
            origins.add(origin_of_crops(home, inputs["crops"]))
        model = inputs.get("start", "")
        if model and not _manifest(home / "models" / model) and model not in _bundled_versions():
            origins.add(None)
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
    return _origin_of_source(_manifest(home / "photos" / str(photos)).get("facts", {}))


def origin_of_data(home: Path, kind: str, version: str) -> Origin | None:
    """Whether data is of photographs or of synthetic hands; None if that is not known.

    Args:
        home: folder of the store.
        kind: "photos", "boxes", "detector" (which has the origin of its boxes) or "crops".
        version: of the data.
    """
    if kind == "crops":
        return origin_of_crops(home, version)
    manifest = _manifest(home / kind / version)
    if kind == "detector":
        manifest = _manifest(home / "boxes" / str(manifest.get("inputs", {}).get("boxes")))
    return _origin_of_source(manifest.get("facts", {}))


def origin_of_packed(folder: Path) -> Origin | None:
    """The origin that the manifest of a packed model names; None if it names none."""
    named = _manifest(folder).get("facts", {}).get(ORIGIN_FACT)
    return next((known for known in get_args(Origin) if known == named), None)


def _bundled_versions() -> set[str]:
    """Versions of the models that come with the program."""
    return {str(_manifest(folder).get("version")) for folder in BUNDLED}


def _origin_of_source(facts: Mapping[str, Any]) -> Origin | None:
    source = facts.get("source")
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
