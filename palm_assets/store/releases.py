"""Released models: the pointer `released.json` that the page follows, and the history `releases.json`.

Models of photographs and models of synthetic hands are released apart, so that neither replaces the other.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from palm_assets.errors import ArtifactCorruptError, ReleaseChangedError
from palm_assets.store.atomic import write_atomically
from palm_assets.store.origins import Origin, origin_of

RELEASED_FILE = "released.json"
HISTORY_FILE = "releases.json"
ReleasedBy = Literal["gate", "hand"]


class Release(BaseModel):
    """One release.

    Attributes:
        model: version of the model.
        reference: version of the reference that the model was compared with.
        origin: of what the model was trained on.
        released_at: when, UTC.
        by: "gate" if the checks passed, "hand" if a person released the model without them.
        champion: version of the best model so far, which candidates are compared with beside the released
            one, so that small losses do not add up: this model or an earlier one of the same origin, or the
            starter.
        files: digest of the model's files, see `Manifest.content`: a model that is made again under its
            version is not released; "" in a release by an older version of the program.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str
    reference: str
    origin: Origin
    released_at: datetime
    by: ReleasedBy
    champion: str
    files: str = ""

    def is_of(self, files: str) -> bool:
        """Whether the released model had these files, as far as is known."""
        return self.files in ("", files)


class Released(BaseModel):
    """`released.json`: the current release of each origin; None before the first."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[3]
    photographs: Release | None = None
    synthetic: Release | None = None

    def of(self, origin: Origin) -> Release | None:
        """The release of an origin."""
        return self.photographs if origin == "photographs" else self.synthetic

    @property
    def all(self) -> list[Release]:
        """The releases that there are, oldest first."""
        found = [release for release in (self.photographs, self.synthetic) if release is not None]
        return sorted(found, key=lambda release: release.released_at)


NOTHING_RELEASED = Released(schema_version=3)
_HISTORY = TypeAdapter(list[Release])


def read_released(home: Path) -> Released:
    """The current releases.

    Raises:
        ArtifactCorruptError: the pointer is not readable, or is gone though there were releases.
    """
    path = home / RELEASED_FILE
    try:
        content = json.loads(path.read_bytes())
        if isinstance(content, dict) and "model" in content:  # written by an older version of the program
            release = _of_older_version(home, content)
            return Released.model_validate({"schema_version": 3, release["origin"]: release})
        return Released.model_validate(content)
    except FileNotFoundError as error:
        # The pointer is written first, so without one there is no history, unless somebody removed it.
        if (home / HISTORY_FILE).exists():
            raise ArtifactCorruptError(
                "The release pointer is gone, but there is a history of releases",
                where=path,
                hint=f"Release a model again; or move {HISTORY_FILE} away, too, to begin without a release.",
            ) from error
        return NOTHING_RELEASED
    except (ValidationError, ValueError, TypeError, KeyError) as error:
        raise ArtifactCorruptError(
            "The release pointer is not readable", where=path, hint="Release a model again."
        ) from error


def read_history(home: Path) -> list[Release]:
    """All releases, oldest first; the last one of each origin is the current one.

    Raises:
        ArtifactCorruptError: the history or the pointer is not readable.
    """
    history = _read_history_file(home)
    # The pointer is written first, so a process killed in between leaves a release without its entry.
    return [*history, *(release for release in read_released(home).all if release not in history)]


def replace_release(home: Path, release: Release, replaces: Release | Literal["any"] | None) -> Release:
    """Release a model; the caller holds the release lock.

    Args:
        home: folder of the store.
        release: the new release.
        replaces: the release of its origin that it was compared with. If "any", an unreadable pointer or
            history is replaced, too.

    Returns:
        The current release: the earlier one if that is of the same model and reference.

    Raises:
        ReleaseChangedError: another model is released now than the one to replace.
        ArtifactCorruptError: the pointer or the history is not readable.
    """
    released, history, is_readable = _read_both(home, lenient=replaces == "any")
    current = released.of(release.origin)
    if replaces not in ("any", current):
        raise ReleaseChangedError(
            "Another model was released in the meantime",
            where=home / RELEASED_FILE,
            hint="Materialize palm_release again.",
        )
    if is_readable and current is not None and _is_same(current, release):
        return current
    pointer = released.model_copy(update={release.origin: release})
    write_atomically(home / RELEASED_FILE, pointer.model_dump_json(indent=2).encode() + b"\n")
    write_atomically(home / HISTORY_FILE, _HISTORY.dump_json([*history, release], indent=1) + b"\n")
    return release


def new_release(
    model: str, reference: str, origin: Origin, by: ReleasedBy, champion: str | None, files: str
) -> Release:
    """A release as of now; the model itself is the best one so far if no other is named."""
    return Release(
        model=model,
        reference=reference,
        origin=origin,
        released_at=datetime.now(UTC),
        by=by,
        champion=champion or model,
        files=files,
    )


def is_withdrawn(model: str, history: Sequence[Release]) -> bool:
    """Whether a person has released another model of its origin by hand since it was last released."""
    releases = [number for number, release in enumerate(history) if release.model == model]
    if not releases:
        return False
    origin = history[releases[-1]].origin
    return any(r.by == "hand" and r.origin == origin for r in history[releases[-1] + 1 :])


def find_same(home: Path, release: Release) -> Release | None:
    """The current release if releasing this would change nothing, else None."""
    with contextlib.suppress(ArtifactCorruptError):
        current = read_released(home).of(release.origin)
        if current is not None and _is_same(current, release):
            return current
    return None


def _is_same(current: Release, release: Release) -> bool:
    """Whether nothing would change; a release by hand makes its model the best one so far."""
    resets_champion = release.by == "hand" and current.champion != release.champion
    is_same_model = (current.model, current.reference) == (release.model, release.reference)
    return is_same_model and current.is_of(release.files) and not resets_champion


def _read_both(home: Path, *, lenient: bool) -> tuple[Released, list[Release], bool]:
    """The pointer, the history, and whether the pointer is readable.

    If lenient, an unreadable one is replaced by what the other one says.
    """
    try:
        return read_released(home), read_history(home), True
    except ArtifactCorruptError:
        if not lenient:
            raise
    history: list[Release] = []
    with contextlib.suppress(ArtifactCorruptError):
        history = _read_history_file(home)
    try:
        return read_released(home), history, True
    except ArtifactCorruptError:
        newest: dict[str, Release] = {release.origin: release for release in history}
        return NOTHING_RELEASED.model_copy(update=newest), history, False


def _read_history_file(home: Path) -> list[Release]:
    path = home / HISTORY_FILE
    try:
        content = json.loads(path.read_bytes())
        entries = [entry if "origin" in entry else _of_older_version(home, entry) for entry in content]
        return _HISTORY.validate_python(entries)
    except FileNotFoundError:
        return []
    except (ValidationError, ValueError, TypeError, KeyError) as error:
        raise ArtifactCorruptError(
            "The history of releases is not readable",
            where=path,
            hint="Move it away: the next release starts a new one.",
        ) from error


def _of_older_version(home: Path, entry: dict[str, Any]) -> dict[str, Any]:
    """A release as the version of the program before this one wrote it, with what it lacks."""
    content = {name: value for name, value in entry.items() if name != "schema_version"}
    model = str(content["model"])
    return {"by": "gate", "champion": model, "origin": origin_of(home, model) or "photographs"} | content
