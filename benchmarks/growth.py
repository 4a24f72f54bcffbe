"""How time and memory of the stages that read photographs grow with their number.

Each step runs in a process of its own, with one thread, on tiny photographs that are made once: JPEG files
of 16 px, all different (equal ones would be set aside), twenty of a person. A stub stands for the detector,
as the network takes the same time for each photograph. Processor time is counted, which other work on the
machine changes little. Memory is the largest resident size of the process (VmHWM of Linux), without what the
imports take.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from palm_assets.crops.config import CropConfig
from palm_assets.crops.extraction import make_crops, read_crops
from palm_assets.crops.shards import LocalEngine
from palm_assets.detector.detection import Detection
from palm_assets.photos.index import index_photos, read_index, write_index
from palm_assets.quality.statistics import FeatureStatistics

SIDE, CROP, EACH, DIM, SHARD = 16, 32, 20, 256, 2000


class StubDetector:
    """Finds a palm in every photograph."""

    def detect(self, photos: Sequence[np.ndarray], *, min_confidence: float = 0.25) -> list[Detection | None]:
        """The middle of each photograph."""
        return [Detection((2.0, 2.0, 14.0, 14.0), 0.9) for _ in photos]


def write_photos(root: Path, count: int) -> None:
    """Write so many different photographs, or those that are still missing."""
    random = np.random.default_rng(0)
    for number in range(count):
        pixels = random.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
        folder = root / f"person{number // EACH:07d}"
        path = folder / f"{number % EACH:02d}.jpg"
        if path.exists():
            continue
        if number % EACH == 0:
            folder.mkdir(parents=True, exist_ok=True)
        with io.BytesIO() as stream:
            Image.fromarray(pixels).save(stream, "JPEG", quality=90)
            path.write_bytes(stream.getvalue())


def features(count: int) -> Iterator[np.ndarray]:
    """Random features in batches, as an extractor yields them."""
    random = np.random.default_rng(0)
    for start in range(0, count, 64):
        yield random.standard_normal((min(64, count - start), DIM), np.float32)


def statistics(count: int) -> None:
    """Statistics of each shard, merged."""
    merged: FeatureStatistics | None = None
    for start in range(0, count, SHARD):
        stream = features(min(SHARD, count - start))
        part = FeatureStatistics.from_features(stream, extractor="random", digest="0")
        merged = part if merged is None else merged.merge(part)


def steps(work: Path, count: int) -> dict[str, Callable[[], object]]:
    """What is measured, in this order: each step reads what the ones before have written."""
    root, index, crops = (work / name / str(count) for name in ("photos", "index", "crops"))
    index.mkdir(parents=True, exist_ok=True)
    crops.mkdir(parents=True, exist_ok=True)
    config = CropConfig(image_size=CROP)
    return {
        "nothing": lambda: None,
        "index": lambda: write_index(index_photos(root), index),
        "read the index": lambda: read_index(index, root),
        "crop and merge": lambda: make_crops(
            read_index(index, root), LocalEngine(StubDetector()), config, crops
        ),
        "open the crops": lambda: read_crops(crops),
        "statistics": lambda: statistics(count),
    }


def measure(work: Path, count: int, step: str) -> dict[str, Any]:
    """Run one step in this process."""
    start = time.process_time()
    steps(work, count)[step]()
    seconds = time.process_time() - start
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    peak = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))
    return {"seconds": seconds, "megabytes": peak * 1024 / 1e6}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "work", type=Path, help="folder for the photographs and what is made of them; it is kept"
    )
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000], help="photographs")
    parser.add_argument("--only", nargs="+", help="steps to run")
    parser.add_argument("--step", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.step:
        print(json.dumps(measure(args.work, args.sizes[0], args.step)))
        return
    print("| step | photographs | time, one core | of a photograph | largest memory |")
    print("| --- | --- | --- | --- | --- |")
    for count in args.sizes:
        write_photos(args.work / "photos" / str(count), count)
    imports = run(args.work, args.sizes[0], "nothing")["megabytes"]
    for step in args.only or list(steps(args.work, args.sizes[0]))[1:]:
        for count in args.sizes:
            found = run(args.work, count, step)
            each = 1e6 * found["seconds"] / count
            cells = f"{found['seconds']:.2f} s | {each:.1f} µs | {found['megabytes'] - imports:.0f} MB"
            print(f"| {step} | {count:,} | {cells} |", flush=True)


def run(work: Path, count: int, step: str) -> dict[str, Any]:
    """Measure a step in a process of its own."""
    command = [sys.executable, __file__, str(work), "--sizes", str(count), "--step", step]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, env=environment)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


if __name__ == "__main__":
    main()
