"""A store at a glance: each artifact with its inputs, facts and use, and trainings that are not finished."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from palm_assets.errors import ArtifactCorruptError, PalmError
from palm_assets.release.decisions import find_decision
from palm_assets.release.figures import rounded
from palm_assets.stages.unfinished_training import UnfinishedTraining, unfinished_trainings
from palm_assets.store.artifacts import Kind, Manifest, Store
from palm_assets.store.releases import read_released

MAX_FACTS = 6  # on a line
MAX_FACT_LENGTH = 60


@dataclass(frozen=True)
class Row:
    """One published artifact, or a training that is not finished.

    Attributes:
        kind: one of the store's kinds.
        version: of the artifact.
        created: ISO 8601, UTC; "" if damaged. Of a training: when its state was saved.
        megabytes: of all its files.
        inputs: what it was made from: role to version.
        facts: what its stage recorded; for a refused model also "refused", the reason. Of a training: "done"
            and "total", in thousand images ("kimg") or epochs, as "unit" says.
        marks: "current" (an asset points to it), "released", "refused", "damaged"; of a training "paused" or
            "running".
        problem: what is damaged; "" if nothing was found.
    """

    kind: str
    version: str
    created: str
    megabytes: float
    inputs: dict[str, str]
    facts: dict[str, Any]
    marks: tuple[str, ...]
    problem: str = ""


def survey(store: Store, *, verify: bool = False) -> list[Row]:
    """All artifacts, by kind in the order of the pipeline, oldest first, and then trainings not finished.

    Args:
        store: with the artifacts.
        verify: hash every file; otherwise only names and sizes are compared with the manifest.
    """
    marks = set(_marks(store))
    rows = []
    for kind in get_args(Kind):
        found = [_row(store, kind, folder, marks, verify) for folder in (store.home / kind).glob("*/")]
        rows += sorted(found, key=lambda row: (row.created, row.version))
    return rows + [_training_row(training) for training in unfinished_trainings(store)]


def as_table(rows: list[Row]) -> str:
    """The rows for people: a line each, and further lines for inputs, facts and a refusal."""
    lines = []
    for row in rows:
        marks = "".join(f" [{mark}]" for mark in row.marks)
        created = row.created[:16].replace("T", " ")
        lines.append(f"{row.kind:<12}{row.version:<14}{created:<18}{row.megabytes:>8.1f} MB{marks}")
        inputs = ", ".join(f"{role} {version}" for role, version in sorted(row.inputs.items()))
        if inputs:
            lines.append(f"            from {inputs}")
        details = row.problem or _training_text(row) or ", ".join(_short_facts(row.facts))
        if details:
            lines.append(f"            {details}")
        if "refused" in row.marks:
            lines.append(f"            refused: {row.facts['refused']}")
    return "\n".join(lines)


def _row(store: Store, kind: Kind, folder: Path, marks: set[tuple[str, Kind, str]], verify: bool) -> Row:
    version = folder.name
    own_marks = {mark for mark, *artifact in marks if artifact == [kind, version]}
    try:
        manifest = store.manifest(kind, version)
    except ArtifactCorruptError as error:
        return Row(kind, version, "", 0.0, {}, {}, tuple(sorted({*own_marks, "damaged"})), error.what)
    problem = _problem(store, kind, folder, manifest, verify)
    decision = find_decision(store, version) if kind == "models" else None
    refused = {} if decision is None or decision.passed else {"refused": decision.refusal}
    return Row(
        kind,
        version,
        manifest.created.isoformat(timespec="seconds"),
        sum(record.bytes for record in manifest.files.values()) / 1e6,
        manifest.inputs,
        manifest.facts | refused,
        tuple(sorted({*own_marks, *refused, *(["damaged"] if problem else [])})),
        problem,
    )


def _training_row(training: UnfinishedTraining) -> Row:
    return Row(
        training.kind,
        training.version,
        training.saved.isoformat(timespec="seconds"),
        training.megabytes,
        training.inputs,
        {"done": training.done, "total": training.total, "unit": training.unit},
        ("running" if training.is_running else "paused",),
    )


def _training_text(row: Row) -> str:
    """How far a training is, and how it goes on; "" for an artifact."""
    if not {"paused", "running"} & {*row.marks}:
        return ""
    total = "" if row.facts["total"] is None else f" of {row.facts['total']:g}"
    done = f"saved at {row.facts['done']:g}{total} {row.facts['unit']}"
    return done if "running" in row.marks else f"{done}; the same run, started again, goes on from there"


def _problem(store: Store, kind: Kind, folder: Path, manifest: Manifest, verify: bool) -> str:
    if verify:
        try:
            store.open(kind, folder.name)
        except PalmError as error:
            return error.what
    for name, record in manifest.files.items():
        path = folder / name
        if not path.is_file() or path.stat().st_size != record.bytes:
            return f"{name} is missing or has another size"
    return ""


def _marks(store: Store) -> Iterator[tuple[str, Kind, str]]:
    """Mark, kind and version of each artifact that is in use; unreadable pointers are left out."""
    for kind, version in store.current_versions():
        yield "current", kind, version
    try:
        released = read_released(store.home)
    except PalmError:
        return
    for release in released.all:
        yield "released", "models", release.model
        yield "released", "reference", release.reference


def _short_facts(facts: dict[str, Any]) -> list[str]:
    """The first few facts that fit on a line."""
    texts = [
        f"{name} {rounded(value)}" if isinstance(value, float) else f"{name} {value}"
        for name, value in facts.items()
        if isinstance(value, str | int | float | bool) and name != "refused"
    ]
    return [text for text in texts if len(text) < MAX_FACT_LENGTH][:MAX_FACTS]
