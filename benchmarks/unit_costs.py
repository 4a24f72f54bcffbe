"""Costs of one item of each stage on this machine, in seconds of one core, for benchmarks/scaling.py.

Processor time is counted, not time on the clock: other work that waits its turn does not change it.
"""

from __future__ import annotations

import os
import platform
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from palm_assets.runtime import configure, keep_freed_memory

if TYPE_CHECKING:
    from palm_assets.gan.trainer import Trainer

PRESETS = Path(__file__).parents[1] / "pipelines" / "presets"
SYNTHETIC_PHOTOS, SYNTHETIC_SIDE, CROPPED = 200, 1024, 300
FEATURES, SAMPLES, COPIES = 256, 128, (256, 4096)

Costs = dict[str, Any]


def core_seconds(work: Callable[[], object], items: int, repeats: int = 2) -> float:
    """Processor time of one item: the best of some repetitions, for other work shares the caches."""
    times = []
    for _ in range(repeats):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return min(times) / items


def measure(folder: Path | None) -> Costs:
    """The costs of each stage on this machine, with one thread and the settings of a training process."""
    configure()
    keep_freed_memory()
    import torch

    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        costs = {"processor": processor(), **measure_photos(folder, work), **measure_hashing(work)}
        return {**costs, **measure_training(), **measure_drawing(work), **measure_metrics()}


def processor() -> str:
    """Name of the processor."""
    with Path("/proc/cpuinfo").open(encoding="utf-8") as lines:
        names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def measure_photos(folder: Path | None, work: Path) -> Costs:
    """Fingerprint, index and crops of a set of photographs, and the sizes of what they leave."""
    import torch

    from palm_assets.crops.config import CropConfig
    from palm_assets.crops.extraction import INDEX_FILE, make_crops
    from palm_assets.crops.shards import LocalEngine
    from palm_assets.detector.detection import load_detector
    from palm_assets.photos.index import (
        PHOTOS_FILE,
        folder_fingerprint,
        index_photos,
        read_index,
        write_index,
    )
    from palm_assets.store.starter import STARTER
    from palm_assets.synthetic import write_kaggle_hands

    root = folder or work / "photos"
    if folder is None:
        write_kaggle_hands(root, photos=SYNTHETIC_PHOTOS, people=20, seed=0, size=SYNTHETIC_SIDE)
    out = work / "crops"
    out.mkdir()

    def index() -> None:
        write_index(index_photos(root, aspects=("palmar", "dorsal", "unknown")), out)

    spent = core_seconds(index, 1, 1)
    photos = read_index(out, root)
    count = len(photos.photos)
    part = replace(photos, photos=photos.photos[:: max(count // CROPPED, 1)])
    detector = load_detector(STARTER / "detector")
    torch.set_num_threads(1)  # loading it takes all cores
    config = CropConfig(image_size=256, no_palm="whole_photo")
    files = [(root / photo.path).stat().st_size for photo in photos.photos]
    pixels = [photo.width * photo.height for photo in photos.photos]
    crop = core_seconds(lambda: make_crops(part, LocalEngine(detector), config, out), len(part.photos), 1)
    rows = (out / PHOTOS_FILE).stat().st_size / count + (out / INDEX_FILE).stat().st_size / len(part.photos)
    return {
        "photographs": f"{count:,} {'synthetic photographs' if folder is None else 'photographs of hands'}",
        "megapixels": sum(pixels) / count / 1e6,
        "photo_bytes": sum(files) / count,
        "fingerprint": core_seconds(lambda: folder_fingerprint(root), count),
        "index": spent / count,
        "crop": crop,
        "row_bytes": rows,
        "entry_bytes": memory_of(lambda: read_index(out, root)) / count,
    }


def memory_of(make: Callable[[], object]) -> float:
    """Bytes of Python objects that a result holds."""
    import tracemalloc

    tracemalloc.start()
    kept = make()
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    del kept
    return held


def measure_hashing(work: Path) -> Costs:
    """SHA-256 of a file, as at the opening of each artifact."""
    import hashlib

    file, size = work / "bytes", 256 * 2**20
    file.write_bytes(os.urandom(2**20) * 256)

    def digest() -> None:
        with file.open("rb") as stream:
            hashlib.file_digest(stream, "sha256")

    return {"hash_bytes_per_second": 1 / core_seconds(digest, size, 3)}


def measure_training() -> Costs:
    """Images of whole training steps, one with the gradient penalty; the starter's networks at 256 px."""
    import numpy as np

    from palm_assets.gan.config import GanConfig
    from palm_assets.gan.trainer import Trainer

    preset = yaml.safe_load((PRESETS / "local-256.yaml").read_text(encoding="utf-8"))
    settings = preset["ops"]["dcgan_checkpoint"]["config"]
    large = {key: value for key, value in settings.items() if key != "start"}
    configs = {64: GanConfig(), 256: GanConfig(**large)}
    found: Costs = {"train": {}, "parameters": {}}
    for size, config in configs.items():
        shape = (4 * config.batch, 3, size, size)
        images = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
        trainer = Trainer(images, config)
        trainer.step()
        steps = partial(take_steps, trainer, config.penalty_every)
        found["train"][str(size)] = core_seconds(steps, config.penalty_every * config.batch, 1)
        networks = (trainer.generator, trainer.discriminator)
        found["parameters"][str(size)] = sum(p.numel() for network in networks for p in network.parameters())
    return found


def take_steps(trainer: Trainer, steps: int) -> None:
    """Some steps of a training."""
    for _ in range(steps):
        trainer.step()


def measure_drawing(work: Path) -> Costs:
    """Images that a model draws, and bytes of a PNG file; random weights at 64 px, the starter at 256 px."""
    import io

    from PIL import Image

    from palm_assets.gan.checkpoint import save_networks
    from palm_assets.gan.config import NetworkConfig
    from palm_assets.gan.networks import Discriminator, Generator
    from palm_assets.gan.sampler import load_model
    from palm_assets.store.starter import STARTER

    small = NetworkConfig()
    (work / "model").mkdir()
    save_networks(Generator(small), Discriminator(small), small, work / "model")
    found: Costs = {"draw": {}}
    for size, folder in ((64, work / "model"), (256, STARTER)):
        model = load_model(folder, "bench")
        model.sample(8)
        found["draw"][str(size)] = core_seconds(partial(model.sample, SAMPLES), SAMPLES)
    with io.BytesIO() as stream:
        for pixels in model.sample(16):
            Image.fromarray(pixels.transpose(1, 2, 0)).save(stream, "PNG")
        return {**found, "png_bytes": stream.tell() / 16}


def measure_metrics() -> Costs:
    """Features of images, and pairs of images that are compared in the search for copies."""
    import numpy as np

    from palm_assets.quality.copies import copy_similarity, thumbnails
    from palm_assets.quality.features import extract, load_extractor

    random = np.random.default_rng(0)
    images = random.integers(0, 256, (FEATURES, 3, 64, 64), dtype=np.uint8)
    extractor = load_extractor("efficientnet-lite0")
    extractor.threads = 1
    few, many = (thumbnails(random.integers(0, 256, (n, 3, 24, 24), dtype=np.uint8)) for n in COPIES)
    return {
        "features": core_seconds(lambda: extract(extractor, images), FEATURES),
        "pair": core_seconds(lambda: copy_similarity(few, many), COPIES[0] * COPIES[1]),
    }
