"""Work for the nodes of a cluster that shows how often and in which order it was done."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

from palm_assets.progress import Progress


@dataclass(frozen=True)
class Numbers:
    """A shard: the numbers of a range.

    Attributes:
        failures: how often the work with it fails.
        seconds: that it takes.
    """

    first: int
    end: int
    failures: int = 0
    seconds: float = 0.0

    def __len__(self) -> int:
        return self.end - self.first


def calls_of(folder: Path, shard: Numbers) -> int:
    """How often the work with a shard has begun."""
    return len(list(folder.glob(f"{shard.first}-*")))


def total_on_node(shard: Numbers, folder: Path, *, progress: Progress) -> int:
    """The sum of a shard's numbers."""
    (folder / f"{shard.first}-{time.time_ns()}-{os.getpid()}").touch()
    if calls_of(folder, shard) <= shard.failures:
        raise OSError(f"{shard.first} cannot be read")
    progress(1, len(shard))
    time.sleep(shard.seconds)
    return sum(range(shard.first, shard.end))


def note_of(shard: Numbers) -> str:
    """What is added to errors."""
    return f"in the shard from {shard.first}"
