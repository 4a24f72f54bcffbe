"""What the Dagster UI shows of an artifact: pictures first, then figures."""

from __future__ import annotations

import base64
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import dagster as dg

from palm_assets.progress import Progress
from palm_assets.store.artifacts import Artifact

LOG_SECONDS = 5.0
PICTURE_BYTES, SHOWN_PIXELS = 3_000_000, 1600


def materialized(
    context: dg.AssetExecutionContext, artifact: Artifact, *, pictures: Sequence[str] = ()
) -> dg.MaterializeResult[Artifact]:
    """The result of an asset: its version is the data version, its pictures and facts the metadata."""
    context.log.info(f"{artifact.kind} {artifact.version}: {'reused' if artifact.reused else 'made'}")
    metadata: dict[str, Any] = {
        "version": artifact.version,
        "reused": artifact.reused,
        "folder": dg.MetadataValue.path(str(artifact.folder)),
    }
    metadata |= {name: picture(artifact.folder / name) for name in pictures}
    metadata |= {name: value for name, value in artifact.facts.items() if value is not None}
    return dg.MaterializeResult(
        value=artifact, data_version=dg.DataVersion(artifact.version), metadata=metadata
    )


def picture(path: Path) -> dg.MetadataValue:
    """A PNG shown in the UI itself, as a smaller JPEG where it is too large for the event log."""
    content, kind = path.read_bytes(), "png"
    if len(content) > PICTURE_BYTES:
        from PIL import Image  # what takes long to import, the code server can wait for

        from palm_assets.image_grid import jpeg

        content, kind = jpeg(Image.open(path).convert("RGB"), SHOWN_PIXELS), "jpeg"
    shown = base64.b64encode(content).decode()
    return dg.MetadataValue.md(f"![{path.stem}](data:image/{kind};base64,{shown})")


def figures(facts: Mapping[str, Any]) -> dict[str, float]:
    """The plain figures among facts: the UI plots them over the materializations."""
    return {k: v for k, v in facts.items() if isinstance(v, int | float) and not isinstance(v, bool)}


def logged(context: dg.AssetExecutionContext, what: str) -> Progress:
    """Progress as log lines with an ETA, at most one in five seconds."""
    started = last = time.monotonic()

    def progress(done: int, total: int) -> None:
        nonlocal last
        now = time.monotonic()
        if done and now - last >= LOG_SECONDS:
            last = now
            left = int((now - started) / done * (total - done))
            context.log.info(f"{what}: {done}/{total}, ETA {left // 60}:{left % 60:02d}")

    return progress
