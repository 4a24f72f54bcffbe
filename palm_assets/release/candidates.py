"""Every model as a candidate: released, released before, refused and why, or never judged."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from palm_assets.errors import ArtifactError, ArtifactMissingError
from palm_assets.release.decisions import Decision, read
from palm_assets.release.serving import open_model
from palm_assets.store.artifacts import Artifact, Manifest, Store
from palm_assets.store.release_pointer import Release, read_history

State = Literal["released", "released before", "refused", "passed", "not judged"]


@dataclass(frozen=True)
class Candidate:
    """One model of the store.

    Attributes:
        model: its version.
        created: when it was made.
        state: what became of it; one that a person released is "released", whatever the gate said.
        refusal: what the gate has against it; "" if nothing, or if it was never asked.
        releases: each time that it was released, and by whom.
        score: its newest Fréchet distance with label and count; "" if it was never scored.
    """

    model: str
    created: datetime
    state: State
    refusal: str
    releases: tuple[Release, ...]
    score: str


def candidates(store: Store) -> list[Candidate]:
    """All models that are whole, oldest first."""
    try:
        history = read_history(store.home)
    except ArtifactError:
        history = []
    scores = _scores(store)
    found = []
    for version in store.versions("models"):
        judgement = read(store, version, damaged_is_none=True)
        releases = tuple(release for release in history if release.model == version)
        manifest = store.manifest("models", version)
        found.append(
            Candidate(
                version,
                manifest.created,
                _state(releases, history, judgement),
                "" if judgement is None else judgement.refusal,
                releases,
                scores.get(version, ""),
            )
        )
    return found


def as_table(rows: list[Candidate]) -> str:
    """The candidates for people: a line each, and one more for what the gate has against it."""
    lines = []
    for row in rows:
        when = ", ".join(f"{r.released:%Y-%m-%d %H:%M} by the {r.by}" for r in row.releases)
        lines.append(
            f"{row.model:<14}{row.created:%Y-%m-%d %H:%M}  {row.state:<16}{row.score}".rstrip()
            + (f"  (released {when})" if when else "")
        )
        if row.refusal:
            lines.append(f"              {row.refusal}")
    return "\n".join(lines)


def release_by_hand(store: Store, version: str) -> Release:
    """Release a model whatever the gate says, once the page's own door has opened it.

    It is released beside the reference that it was last scored against, else beside that of what is released
    now, else beside the newest.

    Raises:
        ArtifactMissingError: there is no such model, or no reference at all.
        ArtifactCorruptError, CheckpointError: it cannot be used; what is released stays.
    """
    model = open_model(store, version)[1]
    return store.release(model, _reference_for(store, version), by="hand")


def _reference_for(store: Store, version: str) -> Artifact:
    wanted = [m.inputs["reference"] for m in _score_manifests(store) if m.inputs["model"] == version]
    release = store.released()
    for reference in [*reversed(wanted), *([] if release is None else [release.reference])]:
        try:
            return store.open("reference", reference)
        except ArtifactMissingError:
            continue
    return store.current("fid_reference")


def _state(releases: tuple[Release, ...], history: list[Release], judgement: Decision | None) -> State:
    if releases:
        return "released" if history[-1] == releases[-1] else "released before"
    if judgement is None:
        return "not judged"
    return "passed" if judgement.passed else "refused"


def _scores(store: Store) -> dict[str, str]:
    """The newest score of each model, in words."""
    said = {}
    for manifest in _score_manifests(store):
        facts = manifest.facts
        said[manifest.inputs["model"]] = f"{facts['label']} {facts['frechet']:.4g} at n = {facts['n']}"
    return said


def _score_manifests(store: Store) -> list[Manifest]:
    return [store.manifest("evaluations", version) for version in store.versions("evaluations")]
