"""Bounds of the gate's checks."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from palm_assets.store.origins import Origin


class GateConfig(BaseModel):
    """What photographs, a detector, crops and a model must reach.

    The first bounds stop a run before hours of training on unusable data; the others decide whether a trained
    model is released. Shares are in [0, 1]. "Relative to real palms" means: divided by the same metric of
    held-out people's crops.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    applies_to: Literal["all", "photographs", "synthetic"] = Field(
        "all",
        description="origin of the models and data that these bounds are for; those of the other origin are "
        "checked by the default bounds",
    )
    min_photos: int = Field(100, ge=1, description="usable photographs")
    min_people: int = Field(4, ge=2, description="different people in the photographs")
    max_set_aside: float = Field(0.1, ge=0, le=1, description="share of files that are not usable")
    min_ap50: float = Field(0.8, ge=0, le=1, description="the detector's AP50 on its test split")
    min_share_with_palm: float = Field(
        0.9, ge=0, le=1, description="share of photographs with a detected palm"
    )
    min_crops: int = Field(100, ge=1, description="crops to train on")
    min_people_held_out: int = Field(
        2, ge=1, description="people of the validation split, and of the test split"
    )
    min_count: int = Field(100, ge=2, description="samples in each set of an evaluation")
    min_sets: int = Field(4, ge=2, description="sets of an evaluation")
    allow_leak: bool = Field(
        False,
        description="release even a model that was trained on people who are held out, by a model that it "
        "started from; its metrics are too good, and its card and the page say so",
    )
    max_blank: float = Field(0.02, ge=0, le=1, description="share of samples with almost no contrast")
    min_variety: float = Field(0.3, ge=0, description="variance of the features, relative to real palms")
    min_nearest_other: float = Field(
        0.4, ge=0, description="distance from a sample to the most similar other one, relative to real palms"
    )
    min_coverage: float = Field(
        0.08, ge=0, description="share of real palms with a similar sample, relative to real palms"
    )
    max_repeats: float = Field(
        0.1, ge=0, le=1, description="share of samples that repeat another one, above that of real palms"
    )
    min_authentic: float = Field(
        0.5,
        ge=0,
        description="share of samples that are no near copy of a training image, relative to real palms",
    )
    max_copies: float = Field(
        0.05,
        ge=0,
        le=1,
        description="share of samples that are nearly a training image, mirrored, moved, rotated or "
        "recolored",
    )
    min_density: float = Field(
        0.03, ge=0, description="density of the samples among real palms, relative to real palms"
    )
    max_frechet: float = Field(
        2.0, gt=0, description="Fréchet distance, relative to that of a fully collapsed model"
    )
    max_kid: float = Field(
        0.38, gt=0, description="kernel distance, relative to that of a fully collapsed model"
    )
    standard_errors: float = Field(
        3.0, ge=0, description="standard errors of a difference that may be due to chance"
    )
    max_worse: float = Field(
        0.02,
        ge=0,
        description="share by which a candidate's distances may exceed those of a model that it would "
        "replace; the Fréchet distance even with the standard errors added to it",
    )

    def for_origin(self, origin: Origin | None) -> GateConfig:
        """The bounds for models and data of an origin: these, or the defaults if these are for the other one.

        None, an origin that is not known, has the defaults, too, unless these are for all.
        """
        return self if self.applies_to in ("all", origin) else GateConfig()
