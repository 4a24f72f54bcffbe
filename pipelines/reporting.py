"""What the Dagster UI shows of an artifact: images and facts; and progress in the run's log."""

from __future__ import annotations

import base64
import math
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import dagster as dg

from palm_assets.gan.plot_files import SAMPLES_FILE
from palm_assets.progress import Progress
from palm_assets.store.artifacts import Artifact
from palm_assets.store.releases import Release

SECONDS_BETWEEN_LINES = 5.0
PAGE_URL = "http://localhost:8501"
PLOTTED = {
    "photos",
    "people",
    "set_aside",
    "share_with_palm",
    "ap50",
    "ap50_95",
    "chosen_kimg",
    "score_auc",
    "score_brier",
    "score_calibration_error",
    "frechet",
    "frechet_floor",
    "kid",
    "density",
    "coverage",
    "auth_pct",
}
"""Facts that differ from run to run, so that a plot over the runs tells something."""
LABELS = {
    "ap50": "AP50",
    "ap50_95": "AP50-95",
    "augment_probability": "probability of augmentation",
    "auth_pct": "authentic samples, %",
    "chosen_kimg": "chosen checkpoint, thousand images",
    "digest": "extractor digest",
    "excess": "Fréchet distance above real images",
    "frechet": "Fréchet distance",
    "frechet_at_floor": "Fréchet distance at the floor's size",
    "frechet_collapsed": "Fréchet distance of a collapsed model",
    "frechet_floor": "Fréchet distance of real palms",
    "frechet_sd": "Fréchet distance, standard deviation",
    "held_out_unknown": "people of the start model are unknown",
    "kernel_distance_to_held_out": "kernel distance to validation people",
    "kid": "kernel distance",
    "kid_collapsed": "kernel distance of a collapsed model",
    "kid_floor": "kernel distance of real hands",
    "kid_sd": "kernel distance, standard deviation",
    "kimg": "trained on, thousand images",
    "label": "kind of Fréchet distance",
    "kid_label": "kind of kernel distance",
    "logit_fake": "logit of generated images",
    "logit_real": "logit of real images",
    "loss_d": "loss of the discriminator",
    "loss_g": "loss of the generator",
    "metrics/mAP50(B)": "validation AP50",
    "metrics/mAP50-95(B)": "validation AP50-95",
    "metrics/precision(B)": "validation precision",
    "metrics/recall(B)": "validation recall",
    "n": "images measured",
    "not_square": "images that are not square",
    "other_aspects": "photographs of other aspects",
    "real_repeat_share": "share of repeated images, real palms",
    "reference_n": "images of the reference",
    "score_auc": "score: AUC",
    "score_auc_sd": "score: AUC, standard deviation",
    "score_brier": "score: Brier",
    "score_brier_sd": "score: Brier, standard deviation",
    "score_calibration_error": "score: calibration error",
    "set_aside": "files set aside",
    "set_aside_reasons": "files set aside, by reason",
    "share_with_palm": "share of photographs with a palm",
    "shared_holdout": "validation and test share people",
    "text": "metrics",
    "trained_on_held_out": "held-out people who were trained on",
    "turned": "photographs turned upright",
    "val/box_loss": "validation loss of the boxes",
    "val/cls_loss": "validation loss of the classes",
    "val/dfl_loss": "validation loss of the box edges",
}
"""Names of facts and of metrics during training in the UI where their own names do not tell."""
MAX_IMAGE_BYTES, MAX_IMAGE_PIXELS = 200_000, 1600  # of an image in the event log, which keeps it for ever


def artifact_result(
    context: dg.AssetExecutionContext, artifact: Artifact, *, images: Sequence[str] = ()
) -> dg.MaterializeResult[Artifact]:
    """The result of an asset: its version is the data version; its images and facts are the metadata."""
    context.log.info(f"{artifact.kind} {artifact.version}: {'reused' if artifact.reused else 'made'}")
    paths = {name: artifact.folder / name for name in images}
    metadata: dict[str, Any] = {
        **{label(path.stem): image_metadata(path) for path in paths.values() if path.is_file()},
        **facts_metadata(artifact.facts),
        "version": artifact.version,
        "made": dg.MetadataValue.timestamp(artifact.manifest.created),
        "reused": artifact.reused,
        "folder": dg.MetadataValue.path(str(artifact.folder)),
    }
    return dg.MaterializeResult(
        value=artifact, data_version=dg.DataVersion(artifact.version), metadata=metadata
    )


def release_metadata(release: Release, model: Artifact, evaluation: Artifact) -> dict[str, Any]:
    """What the UI shows of a release."""
    metrics = {name: value for name, value in evaluation.facts.items() if name in PLOTTED}
    return {
        "page": dg.MetadataValue.url(page_url()),
        "samples": image_metadata(model.folder / SAMPLES_FILE),
        "metrics": dg.MetadataValue.md(f"```\n{evaluation.facts['text']}\n```"),
        **facts_metadata(metrics),
        "model": release.model,
        "reference": release.reference,
        "trained on": release.origin,
        "released by": release.by,
        "released at": dg.MetadataValue.timestamp(release.released_at),
    }


def page_url(environment: Mapping[str, str] = os.environ) -> str:
    """The address of the page (PALM_PAGE_URL)."""
    return environment.get("PALM_PAGE_URL") or PAGE_URL


def facts_metadata(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Facts with readable names: measured values as rounded numbers, which the UI plots; the rest as text."""
    found: dict[str, Any] = {}
    for name, value in facts.items():
        match value:
            case None | dict() | list() | str() if not value:
                continue
            case bool():
                found[label(name)] = value
            case int() | float() if name in PLOTTED and math.isfinite(value):
                found[label(name)] = float(f"{value:.4g}") if isinstance(value, float) else value
            case float():
                found[label(name)] = f"{value:.4g}"
            case dict() if all(isinstance(part, int | str) for part in value.values()):
                found[label(name)] = ", ".join(f"{key} {part}" for key, part in value.items())
            case dict():
                found[label(name)] = _table(
                    [{"metric": label(k), "value": _cell(v)} for k, v in value.items()]
                )
            case list() if all(isinstance(row, dict) for row in value):
                found[label(name)] = _table(value)
            case list():
                found[label(name)] = ", ".join(map(str, value))
            case str() if "\n" in value:
                found[label(name)] = dg.MetadataValue.md(f"```\n{value}\n```")
            case _:
                found[label(name)] = str(value)
    return found


def metrics_metadata(metrics: Mapping[str, float]) -> dict[str, float | str]:
    """Metrics of a training or a check: rounded numbers with readable names, which the UI plots.

    What is not finite is text: GraphQL, and so the UI, has no number for it.
    """
    return {
        label(name): _rounded(value) if math.isfinite(value) else str(value)
        for name, value in metrics.items()
    }


def label(name: str) -> str:
    """The name of a fact as people read it."""
    return LABELS.get(name, name.replace("_", " "))


def _table(rows: Sequence[Mapping[str, Any]]) -> dg.TableMetadataValue:
    """A table with a row for each dict; what is None stays empty."""
    cells = [{name: "" if cell is None else _rounded(cell) for name, cell in row.items()} for row in rows]
    return dg.MetadataValue.table(
        [dg.TableRecord(row) for row in cells],
        schema=dg.TableSchema([dg.TableColumn(name, description=label(name)) for name in cells[0]]),
    )


def _cell(value: Any) -> str:
    """A value, or the values of several sets, as text."""
    return ", ".join(map(_cell, value)) if isinstance(value, list) else str(_rounded(value))


def _rounded(value: Any) -> Any:
    """A JSON value with four significant digits."""
    match value:
        case float():
            return float(f"{value:.4g}")
        case dict():
            return {key: _rounded(part) for key, part in value.items()}
        case list():
            return [_rounded(part) for part in value]
        case _:
            return value


def image_metadata(path: Path) -> dg.MarkdownMetadataValue:
    """A PNG that the UI shows; a JPEG of it, smaller if it must be, if it is too large for the event log."""
    content, kind = path.read_bytes(), "png"
    if len(content) > MAX_IMAGE_BYTES:
        from PIL import Image  # not imported above: the code server starts faster without

        from palm_assets.image_grid import jpeg

        with Image.open(path) as opened:
            image, side = opened.convert("RGB"), MAX_IMAGE_PIXELS
        while len(content) > MAX_IMAGE_BYTES:
            content, kind, side = jpeg(image, side), "jpeg", side * 4 // 5
    encoded = base64.b64encode(content).decode()
    return dg.MetadataValue.md(f"![{path.stem}](data:image/{kind};base64,{encoded})")


def evidence_metadata(
    path: Path, *, embedded: bool
) -> dg.MarkdownMetadataValue | dg.PathMetadataValue | dg.TextMetadataValue:
    """What a check looked at: the image itself if it is embedded, else where it is.

    A failed check embeds it, because retention may remove its file.
    """
    if not path.is_file():
        return dg.MetadataValue.text(f"{path.name} is missing")
    return image_metadata(path) if embedded else dg.MetadataValue.path(str(path))


def logged_progress(context: dg.AssetExecutionContext, what: str) -> Progress:
    """Progress as log lines with an ETA, at most one in five seconds."""
    started = last = time.monotonic()

    def progress(done: int, total: int) -> None:
        nonlocal last
        now = time.monotonic()
        if done and now - last >= SECONDS_BETWEEN_LINES:
            last = now
            left = int((now - started) / done * (total - done))
            context.log.info(f"{what}: {done}/{total}, ETA {left // 60}:{left % 60:02d}")

    return progress
