"""The file of a saved training state, as far as it can be read without torch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

STATE_FILE = "state.safetensors"
_LENGTH_BYTES = 8  # of the header's length, at the beginning of a safetensors file
_MAX_HEADER = 100_000_000  # the format's own limit


def read_notes(path: Path) -> dict[str, Any]:
    """The notes in a saved state, such as `images_seen`; empty if it is damaged. No tensor is read.

    Raises:
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        length = int.from_bytes(file.read(_LENGTH_BYTES), "little")
        header = file.read(min(length, _MAX_HEADER))
    try:
        notes: dict[str, Any] = json.loads(json.loads(header)["__metadata__"]["notes"])
    except (ValueError, KeyError, TypeError):
        return {}
    return notes
