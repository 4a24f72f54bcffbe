"""What the Dagster UI shows of an artifact: images and facts; and progress in the run's log."""

from __future__ import annotations

import base64
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import dagster as dg

from palm_assets.progress import Progress
from palm_assets.store.artifacts import Artifact

SECONDS_BETWEEN_LINES = 5.0
MAX_IMAGE_BYTES, MAX_IMAGE_PIXELS = 200_000, 1600  # of an image in the event log, which keeps it for ever


def artifact_result(
    context: dg.AssetExecutionContext, artifact: Artifact, *, images: Sequence[str] = ()
) -> dg.MaterializeResult[Artifact]:
    """The result of an asset: its version is the data version; its images and facts are the metadata."""
    context.log.info(f"{artifact.kind} {artifact.version}: {'reused' if artifact.reused else 'made'}")
    metadata: dict[str, Any] = {
        "version": artifact.version,
        "reused": artifact.reused,
        "folder": dg.MetadataValue.path(str(artifact.folder)),
    }
    paths = {name: artifact.folder / name for name in images}
    metadata |= {name: image_metadata(path) for name, path in paths.items() if path.is_file()}
    metadata |= {name: value for name, value in artifact.facts.items() if value is not None}
    return dg.MaterializeResult(
        value=artifact, data_version=dg.DataVersion(artifact.version), metadata=metadata
    )


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


def numeric_facts(facts: Mapping[str, Any]) -> dict[str, float]:
    """The numbers among facts: the UI plots them over the materializations."""
    return {k: v for k, v in facts.items() if isinstance(v, int | float) and not isinstance(v, bool)}


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
