"""The bounds that a candidate must keep to be released."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class GateConfig(BaseModel):
    """What a set, a detector and a model must reach.

    The first bounds keep a bad set from costing a night of training; the others stand between a checkpoint
    and its release. Shares are in [0, 1]; what is said "of real palms" is relative to what held-out people's
    palms reach at the same count.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    min_photos: int = Field(100, ge=1, description="usable photographs")
    min_people: int = Field(4, ge=2, description="different people on them")
    max_set_aside: float = Field(0.1, ge=0, le=1, description="share of files that could not be used")
    min_ap50: float = Field(0.8, ge=0, le=1, description="detector's AP50 on its test split")
    min_share_with_palm: float = Field(0.9, ge=0, le=1, description="photographs on which a palm was found")
    min_crops: int = Field(100, ge=1, description="palms to train on")
    min_people_held_out: int = Field(2, ge=1, description="people that training never sees")
    max_blank: float = Field(0.02, ge=0, le=1, description="palms almost without contrast")
    min_variety: float = Field(0.3, ge=0, description="variance of the features, of real palms")
    min_nearest_other: float = Field(
        0.4, ge=0, description="distance to the most similar other, of real palms"
    )
    min_authentic: float = Field(0.5, ge=0, description="palms that are no near copy, of real palms")
    max_frechet: float = Field(
        4.0, gt=0, description="Fréchet distance, of what one average palm repeated would score"
    )
    spread: float = Field(
        2.0, ge=0, description="standard errors by which distances may exceed the released model's"
    )
