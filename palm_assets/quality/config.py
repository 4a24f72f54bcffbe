"""The knobs of the reference statistics."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from palm_assets.quality.extractors.identity import ExtractorName

__all__ = ["ExtractorName", "ReferenceConfig"]


class ReferenceConfig(BaseModel):
    """How a reference is made.

    Attributes:
        extractor: network of the features; "auto" is Inception if its weights are at hand.
        weights: file with the published weights of that network, where the download is not possible; it is
            checked and taken into the cache, where every later score finds it.
        subsample: most training features kept for kernel distance and prdc; a planted photo
            is only found among these, so keep all of them while they fit (5 kB each).
        prdc: which neighbor sets the radius in density and coverage (k of Naeem et al.).
        floor_counts: set sizes of the floor table; those above the holdout's size are left out.
        floor_repeats: random subsets of the holdout for each size.
        seed: of the subsample and the floor's subsets.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    extractor: ExtractorName = "auto"
    weights: str | None = None
    subsample: int = Field(10_000, ge=8)
    prdc: int = Field(5, ge=1, le=100)
    floor_counts: list[int] = [2, 4, 8, 16, 32, 64, 100, 200, 400, 800, 1600, 3200]
    floor_repeats: int = Field(8, ge=2, le=1000)
    seed: int = Field(0, ge=0)
