"""Configuration of the palm detector's training."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from palm_assets.store.identity import StageConfig, operational

DETECTIONS_FILE = "detections.png"
"""Some test images with the detected palms, in the detector's folder."""


class DetectorConfig(StageConfig):
    """How the palm detector is trained.

    `start` decides the starting weights. If they are not available, training fails. The content of a
    weights file is part of the detector's version, its path is not. The starter's detector is not trained on.
    """

    start: str = operational(
        "yolo11n.yaml",
        reason="the content of the file, or the name that comes with Ultralytics, is the input `start`",
        pattern=r"(^starter|\.(yaml|pt))$",
        description="Starting weights: a name ending in .yaml trains from scratch, one in .pt continues "
        "from that file, or from published weights of that name, which Ultralytics downloads. With starter, "
        "nothing is trained: the detector that comes with the program is used as it is.",
    )
    epochs: int = Field(9, ge=1, le=1000, description="Number of passes over the training images.")
    image_size: int = Field(
        160,
        ge=64,
        le=1280,
        multiple_of=32,
        description="Longer side, in pixels, to which images are scaled for the detector.",
    )
    batch: int = Field(16, ge=1, le=512, description="Images per training step.")
    seed: int = Field(0, ge=0, description="Seed of the initial weights and of the augmentation.")

    def identity(self) -> dict[str, Any]:
        """Without a training its settings do not matter."""
        return {} if self.start == "starter" else super().identity()
