"""All models of a store as candidates for a release: their states, evaluations and releases."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from palm_assets.errors import ArtifactError, ArtifactMissingError, LineageError
from palm_assets.release.decisions import DecisionRecord, find_decision
from palm_assets.release.figures import rounded
from palm_assets.release.serving import open_model
from palm_assets.stages.evaluation import evaluation_manifests
from palm_assets.store.artifacts import Artifact, Store
from palm_assets.store.origins import Origin, origin_of
from palm_assets.store.releases import Release, ReleasedBy, read_history

_BY: dict[ReleasedBy, str] = {"gate": "by the gate", "hand": "by hand"}
State = Literal["released", "released before", "refused", "passed", "not checked"]


@dataclass(frozen=True)
class Candidate:
    """One model of the store.

    Attributes:
        model: its version.
        created: when it was made, UTC.
        state: "released" if it is released now, by the gate or by hand; else the gate's decision.
        refusal: the failed checks with their reasons; "" if none failed or none was recorded.
        releases: each of its releases, oldest first.
        origin: of what it was trained on; None if its photographs are gone. Each origin has its own release.
        metric: its newest Fréchet distance with label and count; "" if it was never evaluated.
    """

    model: str
    created: datetime
    state: State
    refusal: str
    releases: tuple[Release, ...]
    metric: str
    origin: Origin | None


def candidates(store: Store) -> list[Candidate]:
    """All models with a readable manifest, oldest first."""
    try:
        history = read_history(store.home)
    except ArtifactError:
        history = []
    metrics = _newest_metrics(store)
    found = []
    for manifest in store.manifests("models"):
        version = manifest.version
        decision = find_decision(store, version)
        releases = tuple(release for release in history if release.model == version)
        found.append(
            Candidate(
                model=version,
                created=manifest.created,
                state=_state(releases, history, decision),
                refusal="" if decision is None else decision.refusal,
                releases=releases,
                metric=metrics.get(version, ""),
                origin=origin_of(store.home, version),
            )
        )
    return found


def as_table(rows: list[Candidate]) -> str:
    """The candidates for people: a line each, and one more for a refusal."""
    lines = []
    for row in rows:
        released = ", ".join(f"{r.released_at:%Y-%m-%d %H:%M} {_BY[r.by]}" for r in row.releases)
        lines.append(
            f"{row.model:<14}{row.created:%Y-%m-%d %H:%M}  {row.state:<16}{row.origin or 'unknown':<13}"
            f"{row.metric}".rstrip()
            + (f"  (released {released})" if released else "")
        )
        if row.refusal:
            lines.append(f"              {row.refusal}")
    return "\n".join(lines)


def release_by_hand(store: Store, version: str, origin: Origin | None = None) -> Release:
    """Release a model without the gate, if it loads and generates.

    It replaces the released model of its origin, and later candidates are compared with it. The release names
    the reference of the model's newest evaluation, else that of the current release, else the newest.

    Args:
        store: with the model.
        version: of the model.
        origin: of what it was trained on, if its photographs are gone.

    Raises:
        ArtifactMissingError: there is no such model, or no reference at all.
        ArtifactCorruptError, CheckpointError: the model cannot be run; the released model stays.
        LineageError: it is not known what it was trained on.
    """
    model = open_model(store, version)[1]
    known = origin_of(store.home, version) or origin
    if known is None:
        raise LineageError(
            f"It is not known whether model {version} is of photographs or of synthetic hands",
            where=model.folder,
            hint="Name its origin.",
        )
    return store.release(model, _reference_for(store, version, known), by="hand", origin=known)


def _reference_for(store: Store, version: str, origin: Origin) -> Artifact:
    references = [m.inputs["reference"] for m in evaluation_manifests(store) if m.inputs["model"] == version]
    release = store.released(origin)
    for reference in [*references, *([] if release is None else [release.reference])]:
        try:
            return store.open("reference", reference)
        except ArtifactMissingError:
            continue
    return store.current("fid_reference")


def _state(releases: tuple[Release, ...], history: list[Release], decision: DecisionRecord | None) -> State:
    if releases:
        newest = [release for release in history if release.origin == releases[-1].origin][-1]
        return "released" if newest == releases[-1] else "released before"
    if decision is None:
        return "not checked"
    return "passed" if decision.passed else "refused"


def _newest_metrics(store: Store) -> dict[str, str]:
    """The Fréchet distance of each model's newest evaluation, as text."""
    found: dict[str, str] = {}
    for manifest in evaluation_manifests(store):
        facts = manifest.facts
        with contextlib.suppress(KeyError, TypeError):  # of another version of the program, or not finite
            text = f"{facts['label']} {rounded(facts['frechet'])} at n = {facts['n']}"
            found.setdefault(manifest.inputs["model"], text)
    return found
