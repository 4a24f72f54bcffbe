"""The knobs of cropping."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class CropConfig(BaseModel):
    """How palms are cut out of photographs, and which people are held out of training."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    image_size: int = Field(64, ge=16, le=1024, description="pixels, side of a crop")
    margin: float = Field(
        0.06, ge=0, le=2, description="the box grows by this share of `margin_of` on every side"
    )
    margin_of: Literal["box", "photo"] = Field("box", description="`photo` is what the published models used")
    shape: Literal["square", "stretch"] = Field(
        "square", description="keep proportions, or fit the box's to a square"
    )
    no_palm: Literal["set_aside", "whole_photo"] = Field("set_aside", description="what to do without a box")
    min_confidence: float = Field(0.25, gt=0, lt=1, description="weaker boxes do not count")
    holdout_share: float = Field(0.1, gt=0, lt=1, description="share of people that training never sees")
    seed: int = Field(0, ge=0, description="of the choice of people to hold out")
    batch: int = Field(32, ge=1, le=512, description="photos detected at once")
