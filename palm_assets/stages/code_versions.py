"""Code versions: raised by hand when a stage would make something else from the same inputs and config."""

from __future__ import annotations

from collections.abc import Mapping

from palm_assets.store.artifacts import Kind

CODE_VERSIONS: Mapping[Kind, str] = {
    "photos": "3",
    "boxes": "3",
    "detector": "2",
    "crops": "5",
    "models": "7",
    "reference": "4",
    "evaluations": "7",
}
RELEASE_VERSION = "2"
"""The same for the rules of a release, which is a pointer and not an artifact."""
