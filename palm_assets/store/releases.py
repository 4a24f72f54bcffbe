"""The released model: the pointer `released.json` that the page follows, and the history `releases.json`."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from palm_assets.errors import ArtifactCorruptError
from palm_assets.store.atomic import write_atomically

RELEASED_FILE = "released.json"
HISTORY_FILE = "releases.json"
ReleasedBy = Literal["gate", "hand"]


class Release(BaseModel):
    """One release.

    Attributes:
        model: version of the model that the page serves.
        reference: version of the reference that the model was compared with.
        released_at: when, UTC.
        by: "gate" if the checks passed, "hand" if a person released the model without them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[2] = 2
    model: str
    reference: str
    released_at: datetime
    by: ReleasedBy = "gate"


_HISTORY = TypeAdapter(list[Release])


def read_released(home: Path) -> Release | None:
    """The current release; None before the first.

    Raises:
        ArtifactCorruptError: the pointer is not readable.
    """
    path = home / RELEASED_FILE
    try:
        return Release.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValidationError as error:
        raise ArtifactCorruptError(
            "The release pointer is not readable", where=path, hint="Release a model again."
        ) from error


def read_history(home: Path) -> list[Release]:
    """All releases, oldest first; the last one is the current one.

    Raises:
        ArtifactCorruptError: the history or the pointer is not readable.
    """
    path = home / HISTORY_FILE
    try:
        history = _HISTORY.validate_json(path.read_bytes())
    except FileNotFoundError:
        history = []
    except ValidationError as error:
        raise ArtifactCorruptError(
            "The history of releases is not readable",
            where=path,
            hint="Move it away: the next release starts a new one.",
        ) from error
    current = read_released(home)
    # The pointer is written first, so a process killed in between leaves a release without its entry.
    return history if current is None or current in history[-1:] else [*history, current]


def write_release(home: Path, model: str, reference: str, by: ReleasedBy, history: list[Release]) -> Release:
    """Move the pointer, then append to the history; the caller holds the release lock."""
    release = Release(model=model, reference=reference, released_at=datetime.now(UTC), by=by)
    write_atomically(home / RELEASED_FILE, release.model_dump_json(indent=2).encode() + b"\n")
    write_atomically(home / HISTORY_FILE, _HISTORY.dump_json([*history, release], indent=1) + b"\n")
    return release


def is_withdrawn(model: str, history: list[Release]) -> bool:
    """Whether a person has released another model by hand since this one was last released."""
    releases = [number for number, release in enumerate(history) if release.model == model]
    return bool(releases) and any(release.by == "hand" for release in history[releases[-1] + 1 :])
