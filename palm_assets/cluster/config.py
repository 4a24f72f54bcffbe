"""Configuration of where the shards of a stage are computed."""

from __future__ import annotations

from typing import Literal

from palm_assets.store.identity import StageConfig, operational


class EngineConfig(StageConfig):
    """Base of the configs of stages that can run on a Ray cluster."""

    engine: Literal["local", "ray"] = operational(
        "local",
        reason="both engines compute the same",
        description="Where the work is done: local, in this process; or ray, shard by shard on the nodes of "
        "a Ray cluster.",
    )
    ray_address: str | None = operational(
        None,
        reason="it says where the cluster is",
        description="Address of the Ray cluster: host:port from one of its nodes, ray://host:port from "
        "another machine. If none is given: RAY_ADDRESS, else the cluster that runs on this machine, else "
        "Ray is started here.",
    )
