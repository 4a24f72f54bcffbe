"""What the Dagster UI shows of an artifact."""

from __future__ import annotations

import base64
import io
from dataclasses import fields
from pathlib import Path

import dagster as dg
import numpy as np
import pytest
from PIL import Image

from palm_assets.gan.metrics import TrainingMetrics
from pipelines.reporting import (
    LABELS,
    MAX_IMAGE_BYTES,
    evidence_metadata,
    facts_metadata,
    image_metadata,
    label,
    metrics_metadata,
)


def noise(path: Path, side: int) -> Path:
    """An image that does not compress."""
    pixels = np.random.default_rng(0).integers(0, 256, (side, side, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def embedded(metadata: dg.MetadataValue) -> tuple[bytes, Image.Image]:
    text = str(metadata.value)
    assert text.startswith("![samples](data:image/")
    content = base64.b64decode(text.split("base64,")[1].rstrip(")"))
    return content, Image.open(io.BytesIO(content))


@pytest.mark.parametrize(("side", "kind"), [(64, "PNG"), (400, "JPEG"), (1800, "JPEG")])
def test_an_image_in_the_event_log_takes_little_space(tmp_path: Path, side: int, kind: str) -> None:
    content, image = embedded(image_metadata(noise(tmp_path / "samples.png", side)))
    assert image.format == kind
    assert image.width == image.height
    assert image.width == side or (image.width > 300 and side == 1800)
    assert len(content) <= MAX_IMAGE_BYTES <= 200_000


def test_a_check_embeds_what_it_saw_only_if_it_failed(tmp_path: Path) -> None:
    path = noise(tmp_path / "samples.png", 64)
    passed, failed = (evidence_metadata(path, embedded=embed) for embed in (False, True))
    assert isinstance(passed, dg.PathMetadataValue)
    assert passed.path == str(path)
    assert embedded(failed)[0] == path.read_bytes()
    assert "missing" in str(evidence_metadata(tmp_path / "none.png", embedded=True).value)


def test_measured_values_are_plotted_rounded_and_constants_are_text() -> None:
    facts = {
        "frechet": 994.5944348168136,
        "photos": 61,
        "image_size": 16,
        "share_of_nothing": 0.123456789,
        "crops": {"train": 48, "test": 8},
        "floor": {"n": 8, "frechet": 688.7309803211012, "kid": [0.3, 0.25000001]},
        "shared_holdout": False,
        "set_aside_reasons": {},
        "score_missing": "",
        "text": "two\nlines",
    }
    shown = facts_metadata(facts)
    assert shown["Fréchet distance"] == 994.6
    assert shown["photos"] == 61
    assert shown["image size"] == "16"
    assert shown["share of nothing"] == "0.1235"
    assert shown["crops"] == "train 48, test 8"
    assert [record.data for record in shown["floor"].records] == [
        {"metric": "images measured", "value": "8"},
        {"metric": "Fréchet distance", "value": "688.7"},
        {"metric": "kernel distance", "value": "0.3, 0.25"},
    ]
    assert shown["validation and test share people"] is False
    assert "files set aside, by reason" not in shown
    assert "score missing" not in shown
    assert shown["metrics"] == dg.MetadataValue.md("```\ntwo\nlines\n```")


def test_facts_of_several_classes_are_a_table_with_a_row_each() -> None:
    rows = [{"value": "palm", "kid": 0.123456}, {"value": "back", "kid": None}]
    table = facts_metadata({"classes": rows})["classes"]
    assert [column.name for column in table.schema.columns] == ["value", "kid"]
    assert [record.data for record in table.records] == [
        {"value": "palm", "kid": 0.1235},
        {"value": "back", "kid": ""},
    ]


def test_metrics_during_training_have_readable_names_and_few_digits() -> None:
    shown = metrics_metadata({"loss_d": 0.569717526435852, "metrics/mAP50(B)": 0.99, "epoch": 12})
    assert shown == {"loss of the discriminator": 0.5697, "validation AP50": 0.99, "epoch": 12}
    assert all(
        "_" not in label(field.name) and "/" not in label(field.name) for field in fields(TrainingMetrics)
    )


def test_what_is_not_finite_is_text() -> None:
    assert metrics_metadata({"kid": float("nan"), "frechet": float("inf")}) == {
        "kernel distance": "nan",
        "Fréchet distance": "inf",
    }
    assert facts_metadata({"kid": float("nan")}) == {"kernel distance": "nan"}


def test_no_two_facts_have_one_name() -> None:
    assert len(LABELS) == len({*LABELS.values()})
