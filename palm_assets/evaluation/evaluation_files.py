"""An evaluation on disk: the metrics of one set, and a grid of samples beside their nearest real images."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from palm_assets.errors import ArtifactCorruptError, ArtifactMissingError

EVALUATION_FILE = "evaluation.json"
"""What `SetMetrics.to_json` returns; a packed model leaves out `PER_IMAGE_KEYS`."""
NEAREST_REAL_FILE = "nearest_real.png"
"""Rows of samples, and below each row the nearest training images."""
PER_IMAGE_KEYS = ("nearest", "distance")
"""Keys of the evaluation that hold a list with a number for each image."""


def write_evaluation(metrics: Mapping[str, Any], folder: Path) -> None:
    """Write `EVALUATION_FILE` into a folder."""
    (folder / EVALUATION_FILE).write_text(json.dumps(metrics, indent=1) + "\n", encoding="utf-8")


def read_evaluation(folder: Path) -> dict[str, Any]:
    """Read `EVALUATION_FILE` from a folder.

    Raises:
        ArtifactMissingError: there is none.
        ArtifactCorruptError: it is not a JSON object.
    """
    path = folder / EVALUATION_FILE
    try:
        metrics = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ArtifactMissingError(
            "There is no evaluation", where=path, hint="Evaluate the model (asset palm_evaluation)"
        ) from error
    except (OSError, ValueError) as error:
        raise ArtifactCorruptError(
            f"The evaluation cannot be read: {error}", where=path, hint="Evaluate the model again"
        ) from error
    if not isinstance(metrics, dict):
        raise ArtifactCorruptError(
            "The evaluation is not a JSON object", where=path, hint="Evaluate the model again"
        )
    return metrics
