"""What is made, from what, and how good: the store at a glance."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from pydantic import ValidationError

from palm_assets.errors import PalmError
from palm_assets.release.decisions import read
from palm_assets.store.artifacts import MANIFEST, Kind, Manifest, Store

FEW = 6  # facts on a line


@dataclass(frozen=True)
class Row:
    """One published artifact.

    Attributes:
        kind: one of the store's kinds.
        version: of the artifact.
        created: ISO 8601, UTC; "" if damaged.
        megabytes: of all its files.
        inputs: what it was made from: role to version.
        facts: what its maker recorded; for a refused model also why the gate "refused" it.
        marks: "current" (an asset points to it), "released", "refused", "damaged".
        problem: what is wrong with it; "" if nothing was found.
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
    """All artifacts, by kind in the order of the pipeline, oldest first.

    Args:
        store: to look at.
        verify: hash every file; else only names and sizes are compared with the manifest.
    """
    pointed = set(pointers(store))
    rows = []
    for kind in get_args(Kind):
        found = [_row(store, kind, folder, pointed, verify) for folder in (store.home / kind).glob("*/")]
        rows += sorted(found, key=lambda row: (row.created, row.version))
    return rows


def as_table(rows: list[Row]) -> str:
    """The rows for people: a line each, and a second one with a few facts."""
    lines = []
    for row in rows:
        made_from = ", ".join(f"{role} {version}" for role, version in sorted(row.inputs.items()))
        marks = "".join(f" [{mark}]" for mark in row.marks)
        when = row.created[:16].replace("T", " ")
        lines.append(f"{row.kind:<10}{row.version:<14}{when:<18}{row.megabytes:>8.1f} MB{marks}")
        if made_from:
            lines.append(f"          from {made_from}")
        told = row.problem or ", ".join(_told(row.facts))
        if told:
            lines.append(f"          {told}")
        if "refused" in row.marks:
            lines.append(f"          refused: {row.facts['refused']}")
    return "\n".join(lines)


def _row(store: Store, kind: Kind, folder: Path, pointed: set[tuple[str, str, str]], verify: bool) -> Row:
    version = folder.name
    marks = {mark for mark, *where in pointed if where == [kind, version]}
    try:
        manifest = Manifest.model_validate_json((folder / MANIFEST).read_text())
    except (OSError, UnicodeDecodeError, ValidationError):
        problem = "the manifest is missing or not readable"
        return Row(kind, version, "", 0.0, {}, {}, tuple(sorted({*marks, "damaged"})), problem)
    problem = _problem(store, kind, folder, manifest, verify)
    judgement = read(store, version, damaged_is_none=True) if kind == "models" else None
    refused = {} if judgement is None or judgement.passed else {"refused": judgement.refusal}
    return Row(
        kind,
        version,
        manifest.created.isoformat(timespec="seconds"),
        sum(record.bytes for record in manifest.files.values()) / 1e6,
        manifest.inputs,
        manifest.facts | refused,
        tuple(sorted({*marks, *refused, *(["damaged"] if problem else [])})),
        problem,
    )


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


def pointers(store: Store) -> Iterator[tuple[str, str, str]]:
    """(mark, kind, version) of all that something points to; unreadable pointers point nowhere."""
    for path in (store.home / "current").glob("*.json"):
        try:
            pointer = json.loads(path.read_text())
            yield "current", str(pointer["kind"]), str(pointer["version"])
        except (OSError, ValueError, KeyError, TypeError):
            continue
    try:
        release = store.released()
    except PalmError:
        return
    if release is not None:
        yield "released", "models", release.model
        yield "released", "reference", release.reference


def _told(facts: dict[str, Any]) -> list[str]:
    """The first few facts that fit on a line."""
    plain = {
        name: value
        for name, value in facts.items()
        if isinstance(value, str | int | float | bool) and name != "refused"
    }
    short = [
        f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}"
        for name, value in plain.items()
    ]
    return [told for told in short if len(told) < 60][:FEW]
