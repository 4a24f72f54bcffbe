"""What the store knows about a model beside its weights: whose photographs, and how it was judged."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from app.texts import Words
from palm_assets.errors import ArtifactError
from palm_assets.evaluation.model_evaluation import BESIDE_FILE, EVALUATION_FILE
from palm_assets.store.artifacts import MANIFEST, Artifact, Kind, Manifest, Store

CROPS_BESIDE = "crops-manifest.json"
TONES = ("very fair", "fair", "medium", "dark")


@dataclass(frozen=True)
class Photographs:
    """What a model was trained on.

    Attributes:
        train: photographs, and `train_people` whom they are of.
        holdout: photographs held back, and `holdout_people`.
        skin: photographs of each skin tone, both together, from the fairest to the darkest.
        drawn: whether they are no photographs at all, but drawn by a program.
    """

    train: int
    train_people: int
    holdout: int
    holdout_people: int
    skin: tuple[tuple[str, int], ...]
    drawn: bool


@dataclass(frozen=True)
class Verdict:
    """How a model was judged.

    Attributes:
        figures: those of `SetMetrics.to_json`, without the long lists.
        floor: the same figures of real palms; empty if nobody was held back.
        picture: PNG of palms, each above its nearest real one; empty if there is none.
    """

    figures: Mapping[str, Any]
    floor: Mapping[str, Any]
    picture: bytes


def photographs_of(store: Store, model: Artifact) -> Photographs | None:
    """What a model was trained on; None if its crops are neither in the store nor told beside the model."""
    crops = _manifest(store, "crops", model.manifest.inputs.get("crops", "")) or _told_beside(model)
    if crops is None:
        return None
    photos = _manifest(store, "photos", crops.inputs.get("photos", ""))
    try:
        counts, people, skin = crops.facts["crops"], crops.facts["people"], crops.facts["skin"]
        known = [(tone, int(skin[tone])) for tone in TONES if tone in skin]
        unknown = sum(int(count) for tone, count in skin.items() if tone not in TONES)
        return Photographs(
            int(counts["train"]),
            int(people["train"]),
            int(counts.get("holdout", 0)),
            int(people.get("holdout", 0)),
            (*known, *([("unknown", unknown)] if unknown else [])),
            photos is not None and photos.facts.get("source") == "synthetic",
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        return None  # of another version of the program


def verdict_on(store: Store, model: Artifact) -> Verdict | None:
    """The newest scores of a model; None if it was never scored."""
    for version in reversed(store.versions("evaluations")):
        manifest = _manifest(store, "evaluations", version)
        if manifest is None or manifest.inputs.get("model") != model.version:
            continue
        with contextlib.suppress(ArtifactError, OSError, ValueError, AttributeError):
            return _verdict_in(store.open("evaluations", version).folder)
    with contextlib.suppress(OSError, ValueError, AttributeError):
        return _verdict_in(model.folder)  # a model that left its store took its figures along
    return None


def _verdict_in(folder: Path) -> Verdict:
    figures = json.loads((folder / EVALUATION_FILE).read_text())
    picture = (folder / BESIDE_FILE).read_bytes() if (folder / BESIDE_FILE).is_file() else b""
    short = {key: value for key, value in figures.items() if not isinstance(value, list)}
    return Verdict(short, figures.get("floor") or {}, picture)


def verdict_table(words: Words, verdict: Verdict) -> list[tuple[str, str, str]]:
    """Rows of name, the model's figure, and the figure of real palms; what is not known is left out."""
    from app.judging import label

    ours, real, unknown = verdict.figures, verdict.floor, "—"
    rows = [
        (
            label(words, ours["label"]),
            words.significant(ours["frechet"]),
            words.spread(real["frechet"], real["frechet_sd"]) if real else unknown,
        ),
        (
            label(words, ours["kid_label"]),
            words.spread(ours["kid"], ours["kid_sd"]),
            words.spread(real["kid"], real["kid_sd"]) if real else unknown,
        ),
    ]
    rows += [
        (
            words(f"about_{name}"),
            words.decimal(ours[name], digits),
            words.decimal(real[name], digits) if real else unknown,
        )
        for name, digits in (("density", 2), ("coverage", 2), ("auth_pct", 0))
    ]
    return [*rows, (words("judge_images"), str(ours["n"]), str(real["n"]) if real else unknown)]


def _told_beside(model: Artifact) -> Manifest | None:
    """The manifest of its crops that a model took along when it left its store, as the starter did."""
    try:
        return Manifest.model_validate_json((model.folder / CROPS_BESIDE).read_text())
    except (OSError, ValidationError, UnicodeDecodeError):
        return None


def _manifest(store: Store, kind: Kind, version: str) -> Manifest | None:
    """What is written down about an artifact, without a look at its files, which may be gigabytes."""
    if not version:
        return None
    try:
        return Manifest.model_validate_json((store.home / kind / version / MANIFEST).read_text())
    except (OSError, ValidationError, UnicodeDecodeError):
        return None
