"""Two models side by side: what differs in their configs, their figures, and images of the same seeds."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from palm_assets.errors import ArtifactError
from palm_assets.evaluation.evaluation_files import PER_IMAGE_KEYS, read_evaluation
from palm_assets.gan.config import GanConfig
from palm_assets.gan.sampler import PalmModel
from palm_assets.image_grid import GAP, WHITE, grid
from palm_assets.release.figures import rounded
from palm_assets.release.model_choices import origin_of_folder
from palm_assets.stages.evaluation import newest_evaluation
from palm_assets.store.artifacts import MANIFEST, Store
from palm_assets.store.identity import operational_fields
from palm_assets.store.manifests import read_manifest
from palm_assets.store.origins import Origin

MAX_SIDE = 256  # of an image in the picture; larger ones are reduced
ABSENT = "-"
_LABELS = {
    "kimg": "thousand images trained on",
    "chosen_kimg": "of those at the chosen checkpoint",
    "score_auc": "score, AUC",
    "score_brier": "score, Brier",
    "score_calibration_error": "score, calibration error",
    "excess": "  above real images",
    "auth_pct": "authentic, %",
    "n": "samples evaluated",
}
_FACTS = ("kimg", "chosen_kimg", "rollbacks", "score_auc", "score_brier", "score_calibration_error")
_METRICS = ("frechet", "excess", "kid", "density", "coverage", "auth_pct")
_CONTEXT = ("extractor", "digest", "reference", "reference_n", "n", "min_score")


@dataclass(frozen=True)
class ModelSummary:
    """What is known about a model.

    Attributes:
        version: of the model.
        origin: what it was trained on; None if nobody knows.
        inputs: versions of the crops it was trained on and of the model it started from.
        config: every setting of the stage that made it, else of its networks.
        facts: what its stage recorded.
        metrics: of its newest evaluation, as `SetMetrics.to_json`, with the version of the reference; empty
            if it was never evaluated.
    """

    version: str
    origin: Origin | None
    inputs: Mapping[str, str]
    config: Mapping[str, Any]
    facts: Mapping[str, Any]
    metrics: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Row:
    """One line of the comparison: a value of each model; None where a model has none.

    Attributes:
        name: key in JSON.
        a, b: the values.
        label: for people; the name if empty.
    """

    name: str
    a: Any
    b: Any
    label: str = ""


@dataclass(frozen=True)
class ModelComparison:
    """Two models.

    Attributes:
        a, b: the models.
        config: settings that differ.
        figures: from training, and of the evaluations.
        note: why the evaluations cannot be compared with each other; "" if they can.
    """

    a: ModelSummary
    b: ModelSummary
    config: tuple[Row, ...]
    figures: tuple[Row, ...]
    note: str

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "a": {"model": self.a.version, "origin": self.a.origin, "metrics": dict(self.a.metrics)},
            "b": {"model": self.b.version, "origin": self.b.origin, "metrics": dict(self.b.metrics)},
            "config": {row.name: [row.a, row.b] for row in self.config},
            "figures": {row.name: [row.a, row.b] for row in self.figures},
            "note": self.note,
        }

    def describe(self) -> str:
        """A table for people."""
        rows = [("", "A", "B"), ("model", self.a.version, self.b.version)]
        rows.append(("learned from", _origin_text(self.a.origin), _origin_text(self.b.origin)))
        rows += _block("settings that differ", self.config) or [("settings", "the same", "the same")]
        rows += _block("figures", self.figures)
        widths = [max(len(row[column]) for row in rows) for column in range(2)]
        lines = [f"{name:<{widths[0]}}  {a:<{widths[1]}}  {b}".rstrip() for name, a, b in rows]
        return "\n".join([*lines, *([self.note] if self.note else [])])


def summarize(store: Store, model: PalmModel) -> ModelSummary:
    """What a loaded model's manifest says, and its newest evaluation in the store or in its folder.

    A folder without a manifest has the config of its networks only.
    """
    inputs, facts, config = {}, {}, model.networks.model_dump(mode="json")
    if (model.folder / MANIFEST).is_file():
        manifest = read_manifest(model.folder, "models", None)
        inputs, facts, config = manifest.inputs, manifest.facts, manifest.config
    return ModelSummary(
        model.version,
        origin_of_folder(store, model.folder),
        {role: inputs[role] for role in ("crops", "start") if role in inputs},
        config,
        facts,
        _newest_metrics(store, model),
    )


def compare_models(a: ModelSummary, b: ModelSummary) -> ModelComparison:
    """Settings that differ, and all figures that one of them has."""
    settings = {**a.inputs, **a.config}, {**b.inputs, **b.config}
    operational = operational_fields(GanConfig)
    names = [name for name in dict.fromkeys([*settings[0], *settings[1]]) if name not in operational]
    differing = [Row(name, settings[0].get(name), settings[1].get(name)) for name in names]
    figures = [Row(name, a.facts.get(name), b.facts.get(name)) for name in _FACTS]
    figures += [Row(name, a.metrics.get(name), b.metrics.get(name), _label(name, a, b)) for name in _METRICS]
    figures += [Row(name, a.metrics.get(name), b.metrics.get(name)) for name in ("n", "reference")]
    return ModelComparison(
        a,
        b,
        tuple(row for row in differing if row.a != row.b),
        tuple(row for row in figures if row.a is not None or row.b is not None),
        _note(a, b),
    )


def side_by_side(a: PalmModel, b: PalmModel, *, seed: int, count: int) -> Image.Image:
    """A picture of the same seeds, A's images in the upper row and B's below them.

    Images of the smaller size are enlarged, so that both rows align. The latents of one seed are the same for
    both models only if these have as many latent dimensions.
    """
    side = min(MAX_SIDE, max(a.image_size, b.image_size))
    rows = [_resized(model.sample(count, seed=seed), side) for model in (a, b)]
    picture = grid(np.concatenate(rows), columns=count)
    font = ImageFont.load_default(size=max(12, side // 12))
    margin = math.ceil(max(font.getlength(name) for name in ("A", "B"))) + 4 * GAP
    canvas = Image.new("RGB", (picture.width + margin, picture.height), (WHITE,) * 3)
    canvas.paste(picture, (margin, 0))
    draw = ImageDraw.Draw(canvas)
    for number, name in enumerate(("A", "B")):
        middle = GAP + number * (side + GAP) + side / 2
        draw.text((margin / 2, middle), name, fill="black", font=font, anchor="mm")
    return canvas


def _resized(images: np.ndarray, side: int) -> np.ndarray:
    if images.shape[-1] == side:
        return images
    resized = [
        np.asarray(Image.fromarray(image.transpose(1, 2, 0)).resize((side, side), Image.Resampling.BICUBIC))
        for image in images
    ]
    return np.stack(resized).transpose(0, 3, 1, 2)


def _newest_metrics(store: Store, model: PalmModel) -> dict[str, Any]:
    """Metrics of the newest evaluation in the store, else of the one in the folder of a packed model."""
    stored = newest_evaluation(store, model.version)
    with contextlib.suppress(ArtifactError):
        folder, reference = model.folder, None
        if stored is not None:
            folder, reference = stored.folder, stored.manifest.inputs["reference"]
        metrics = {k: v for k, v in read_evaluation(folder).items() if k not in PER_IMAGE_KEYS}
        return metrics if reference is None else metrics | {"reference": reference}
    return {}


def _note(a: ModelSummary, b: ModelSummary) -> str:
    if not (a.metrics and b.metrics):
        return "" if a.metrics or b.metrics else "Neither model was evaluated; --measure evaluates both."
    differing = [name for name in _CONTEXT if a.metrics.get(name) != b.metrics.get(name)]
    if not differing:
        return ""
    return (
        f"The evaluations cannot be compared: they differ in {', '.join(differing)}. "
        "--measure evaluates both against one reference."
    )


def _label(name: str, a: ModelSummary, b: ModelSummary) -> str:
    """The metric's own label, such as FID, where all evaluations agree on it; "" if it has none."""
    key = {"frechet": "label", "kid": "kid_label"}.get(name, "")
    labels = {model.metrics[key] for model in (a, b) if key in model.metrics}
    return str(labels.pop()) if len(labels) == 1 else ""


def _block(title: str, rows: tuple[Row, ...]) -> list[tuple[str, str, str]]:
    if not rows:
        return []
    return [
        (title, "", ""),
        *((f"  {row.label or _LABELS.get(row.name, row.name)}", _text(row.a), _text(row.b)) for row in rows),
    ]


def _text(value: Any) -> str:
    if value is None:
        return ABSENT
    if isinstance(value, float):
        return rounded(value)
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    return str(value)


def _origin_text(origin: Origin | None) -> str:
    return {"photographs": "photographs", "synthetic": "synthetic hands", None: "not known"}[origin]
