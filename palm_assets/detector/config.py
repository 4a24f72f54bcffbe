"""The knobs of the palm detector."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class DetectorConfig(BaseModel):
    """How the palm detector is trained.

    `start` decides the starting weights, and nothing else does: a name that ends in `.yaml` starts from
    scratch, one that ends in `.pt` starts from those weights (a path, or a name that Ultralytics publishes,
    which it downloads). If they cannot be had, training fails; it never starts from something else.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    start: str = Field("yolo11n.yaml", pattern=r"\.(yaml|pt)$", description="yolo11n.yaml or yolo11n.pt")
    epochs: int = Field(9, ge=1, le=1000, description="passes over the training pictures")
    image_size: int = Field(160, ge=64, le=1280, multiple_of=32, description="pixels, longer side")
    batch: int = Field(16, ge=1, le=512)
    seed: int = Field(0, ge=0)
