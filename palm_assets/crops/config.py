"""Configuration of cropping."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

CONTACT_SHEET_FILE = "contact_sheet.png"
"""Some of the crops, in their folder."""


class CropConfig(BaseModel):
    """How palms are cropped from photographs, and which people are held out of training."""

    model_config = ConfigDict(frozen=True, extra="forbid")

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
    holdout_share: float = Field(
        0.1, gt=0, lt=1, description="Fraction of the people who are held out of training, for the checks."
    )
    min_holdout_people: int = Field(
        2,
        ge=1,
        description="At least so many people are held out, but at most half of them; the gate asks for 2.",
    )
    seed: int = Field(0, ge=0, description="Seed of the choice of people who are held out.")
    batch: int = Field(32, ge=1, le=512, description="Number of photos per call of the detector.")
