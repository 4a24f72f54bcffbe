"""What the Dagster UI shows of an artifact."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipelines.reporting import MAX_IMAGE_BYTES, image_metadata


@pytest.mark.parametrize(("side", "kind", "shown"), [(64, "PNG", 64), (1800, "JPEG", 1600)])
def test_an_image_too_large_for_the_event_log_is_shown_smaller(
    tmp_path: Path, side: int, kind: str, shown: int
) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (side, side, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "samples.png")
    text = str(image_metadata(tmp_path / "samples.png").value)
    assert text.startswith("![samples](data:image/")
    content = base64.b64decode(text.split("base64,")[1].rstrip(")"))
    opened = Image.open(io.BytesIO(content))
    assert (opened.format, opened.size) == (kind, (shown, shown))
    assert len(content) < MAX_IMAGE_BYTES
