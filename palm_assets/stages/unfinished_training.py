"""Trainings that are not finished: what a work folder of the store says about them.

Nothing heavy is imported and no weights are read: the header of a saved state holds its notes.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel

from palm_assets.detector.saved_epochs import RECORD_FILE
from palm_assets.errors import PalmError
from palm_assets.gan.state_files import STATE_FILE, read_notes
from palm_assets.store.artifacts import Store
from palm_assets.store.atomic import write_atomically

DESCRIPTION_FILE = "training.json"
"""Inputs and config of the training whose state is in the folder."""
TrainedKind = Literal["detector", "models"]


@dataclass(frozen=True)
class UnfinishedTraining:
    """A training that was interrupted, or that runs now.

    Attributes:
        kind: of the artifact that it makes.
        version: of that artifact.
        inputs: what it trains on: role to version.
        done: how far the saved state is: thousand images, or epochs of the detector.
        total: how far it goes; None if the folder does not say.
        unit: of `done` and `total`.
        saved: when the state was saved, UTC.
        megabytes: of the saved state.
        is_running: whether a process works on it.
    """

    kind: TrainedKind
    version: str
    inputs: dict[str, str]
    done: float
    total: float | None
    unit: str
    saved: datetime
    megabytes: float
    is_running: bool


def describe_training(work: Path, inputs: dict[str, str], config: BaseModel) -> None:
    """Write what a training trains on into its work folder, for whoever finds it interrupted."""
    content = {"inputs": inputs, "config": config.model_dump(mode="json")}
    write_atomically(work / DESCRIPTION_FILE, json.dumps(content, indent=1).encode() + b"\n")


def unfinished_trainings(store: Store) -> list[UnfinishedTraining]:
    """Trainings of a store that have a saved state and no artifact yet, oldest state first."""
    return sorted(_find(store), key=lambda training: training.saved)


def _find(store: Store) -> Iterator[UnfinishedTraining]:
    kinds: tuple[TrainedKind, ...] = ("detector", "models")
    for kind in kinds:
        for folder in (store.home / "work").glob(f"{kind}-*/"):
            version = folder.name.removeprefix(f"{kind}-")
            if not (store.home / kind / version).exists():
                with contextlib.suppress(OSError):  # it may end or be removed meanwhile
                    yield from _read(store, kind, version, folder)


def _read(store: Store, kind: TrainedKind, version: str, folder: Path) -> Iterator[UnfinishedTraining]:
    state = folder / (STATE_FILE if kind == "models" else RECORD_FILE)
    if not state.is_file():
        return
    notes = read_notes(state) if kind == "models" else _json(state)
    description = _json(folder / DESCRIPTION_FILE)
    config = description.get("config", {})
    scale = 1000 if kind == "models" else 1
    yield UnfinishedTraining(
        kind,
        version,
        description.get("inputs", {}),
        notes.get("images_seen" if kind == "models" else "epochs", 0) / scale,
        config.get("kimg" if kind == "models" else "epochs"),
        "kimg" if kind == "models" else "epochs",
        datetime.fromtimestamp(state.stat().st_mtime, UTC),
        sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6,
        _is_locked(store, f"{kind}-{version}"),
    )


def _is_locked(store: Store, name: str) -> bool:
    """Whether a process holds the lock of an artifact; False in a store that cannot be written."""
    if not (store.home / "work" / f"{name}.lock").is_file():
        return False
    with contextlib.suppress(PalmError), store.lock_if_free(name) as is_free:
        return not is_free
    return False


def _json(path: Path) -> dict[str, Any]:
    """Content of a JSON file; empty if it is missing or not readable."""
    with contextlib.suppress(OSError, ValueError):
        content = json.loads(path.read_text(encoding="utf-8"))
        return content if isinstance(content, dict) else {}
    return {}
