"""Configuration of an evaluation."""

from __future__ import annotations

from pydantic import Field

from palm_assets.store.identity import StageConfig


class EvaluationConfig(StageConfig):
    """How many samples of a model are evaluated.

    The Fréchet distance grows as sets shrink. By default a set is therefore as large as the largest one of
    the reference's floor, so that samples and real images are compared at the same size. Several sets show
    how much the distances vary from set to set.
    """

    count: int | None = Field(
        None, ge=2, le=100_000, description="images in each set; null: as many as in the reference's largest"
    )
    sets: int = Field(8, ge=2, le=100, description="sets of that many images")
