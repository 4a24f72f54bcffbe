"""Configuration of the reference statistics."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from palm_assets.cluster.config import EngineConfig
from palm_assets.quality.extractors.registry import ExtractorName
from palm_assets.store.identity import operational

__all__ = ["ExtractorName", "ReferenceConfig"]


class ReferenceConfig(EngineConfig):
    """How the statistics of real palms are computed."""

    extractor: ExtractorName = Field(
        "auto",
        description="network that computes the features; auto: Inception if its weights are on this machine, "
        "else EfficientNet-Lite0, which needs no download",
    )
    weights: str | None = operational(
        None,
        reason="the digest of the extractor's weights is the input `extractor`",
        description="file with the published weights of that network, for a machine that cannot download "
        "them; it is verified and copied into the cache",
    )
    subsample: int = Field(
        10_000,
        ge=8,
        description="most training features that are kept (5 kB each) for kernel distance, density, coverage "
        "and nearest neighbors; a memorized image is only found among these",
    )
    nearest_k: int = Field(
        5,
        ge=1,
        le=100,
        description="which nearest neighbor sets the radius of a real image in density and coverage",
    )
    floor_counts: list[int] = Field(
        [2, 4, 8, 16, 32, 64, 100, 200, 400, 800, 1600, 3200],
        description="set sizes at which held-out images are measured; larger ones than there are images are "
        "left out",
    )
    floor_repeats: int = Field(
        8, ge=2, le=1000, description="random subsets of the held-out images for each size"
    )
    seed: int = Field(0, ge=0, description="seed of the kept features and of the random subsets")
    shard_crops: int = operational(
        2000,
        reason="statistics of shards are merged to those of all crops",
        ge=1,
        le=100_000,
        description="with engine ray: number of crops whose features a process of a node computes at a time",
    )

    def identity(self) -> dict[str, Any]:
        """Set sizes count once, in any order."""
        return {**super().identity(), "floor_counts": sorted(set(self.floor_counts))}
