"""What is released and what was: a pointer that the page follows, and the history for rolling back."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from palm_assets.errors import ArtifactCorruptError
from palm_assets.store.atomic import write_atomically

POINTER = "released.json"
HISTORY = "releases.json"


class Release(BaseModel):
    """Which model the page serves, the reference it was judged against, and who decided so."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[1] = 1
    model: str
    reference: str
    released: datetime
    by: Literal["gate", "hand"] = "gate"


_HISTORY = TypeAdapter(list[Release])


def read_released(home: Path) -> Release | None:
    """What the page serves; None before the first release.

    Raises:
        ArtifactCorruptError: the pointer is not readable.
    """
    path = home / POINTER
    try:
        return Release.model_validate_json(path.read_text())
    except FileNotFoundError:
        return None
    except (ValidationError, UnicodeDecodeError) as error:
        raise ArtifactCorruptError(
            "The release pointer is not readable", where=path, hint="Release a model again."
        ) from error


def read_history(home: Path) -> list[Release]:
    """All releases, oldest first; the last one is what the pointer says.

    Raises:
        ArtifactCorruptError: the history or the pointer is not readable.
    """
    path = home / HISTORY
    try:
        history = _HISTORY.validate_json(path.read_bytes())
    except FileNotFoundError:
        history = []
    except ValidationError as error:
        raise ArtifactCorruptError(
            "The history of releases is not readable", where=path, hint="Move it away: a new one is begun."
        ) from error
    now = read_released(home)
    # The pointer is written first: a process that died in between has released, but not said so.
    return history if now is None or now in history[-1:] else [*history, now]


def write_release(
    home: Path, model: str, reference: str, by: Literal["gate", "hand"], history: list[Release]
) -> Release:
    """Move the pointer and write the history with its new last entry; the caller keeps others out."""
    release = Release(model=model, reference=reference, released=datetime.now(UTC), by=by)
    write_atomically(home / POINTER, release.model_dump_json(indent=2).encode() + b"\n")
    write_atomically(home / HISTORY, _HISTORY.dump_json([*history, release], indent=1) + b"\n")
    return release


def withdrawn_by_hand(model: str, history: list[Release]) -> bool:
    """Whether a person put another model in the place of this one since it was last released."""
    places = [number for number, release in enumerate(history) if release.model == model]
    return bool(places) and any(release.by == "hand" for release in history[places[-1] + 1 :])
