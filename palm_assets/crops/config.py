"""Configuration of cropping."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from palm_assets.cluster.config import EngineConfig
from palm_assets.store.identity import operational

CONTACT_SHEET_FILE = "contact_sheet.png"
"""Some of the crops, in their folder."""


class CropConfig(EngineConfig):
    """How palms are cropped from photographs, and which people are trained on.

    The others are held out: those of validation choose the checkpoint and calibrate the score, those of test
    show what metrics real palms of unknown people have.
    """

    image_size: int = Field(64, ge=16, le=1024, description="Side of a crop in pixels.")
    margin: float = Field(
        0.06,
        ge=0,
        le=2,
        description="Margin added on each side of the palm's box, as a fraction of what `margin_of` names.",
    )
    margin_of: Literal["box", "photo"] = Field(
        "box",
        description="What `margin` is a fraction of: the box, or the photo (as in the published models).",
    )
    shape: Literal["square", "stretch"] = Field(
        "square",
        description="square extends the box to a square, which keeps proportions; stretch scales it to one.",
    )
    no_palm: Literal["set_aside", "whole_photo"] = Field(
        "set_aside",
        description="What happens to a photo in which no palm is detected: it is set aside, or used whole.",
    )
    min_confidence: float = Field(
        0.25, gt=0, lt=1, description="Detections with a lower confidence are ignored."
    )
    quarter_turns: bool = Field(
        False,
        description="Seek the palm also in the photo turned by 90, 180 and 270 degrees, and crop it in the "
        "most probable turn, given all photos of the set: for photos with fingers down or to the side.",
    )
    validation_share: float = Field(
        0.1,
        gt=0,
        lt=1,
        description="Fraction of the people who choose the checkpoint and calibrate the score.",
    )
    test_share: float = Field(
        0.1, gt=0, lt=1, description="Fraction of the people whom models are measured against."
    )
    min_split_people: int = Field(
        2,
        ge=1,
        description="At least so many people are in validation and in test, where half of all are enough for "
        "both; else the same people are in both. The gate asks for 2.",
    )
    hold_out: Literal["anyone", "not_in_starter"] = Field(
        "anyone",
        description="Who may be in validation and test: anyone, or only people whom the starter was not "
        "trained on. A training that starts from the starter needs the latter.",
    )
    seed: int = Field(0, ge=0, description="Seed of the assignment of people to the splits.")
    batch: int = operational(
        32,
        reason="each photo is scaled and cropped by itself",
        ge=1,
        le=512,
        description="Number of photos per call of the detector.",
    )
    shard_photos: int = operational(
        2000,
        reason="shards are merged in the order of the photos",
        ge=1,
        le=100_000,
        description="Number of photos that are cropped, kept and, after an interruption or a change, cropped "
        "again together.",
    )

    @model_validator(mode="after")
    def _somebody_is_trained_on(self) -> Self:
        if self.validation_share + self.test_share >= 1:
            raise ValueError("validation_share and test_share must leave people to train on: a sum below 1")
        return self
