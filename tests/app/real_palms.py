"""Small real crops and statistics of them, published into a store."""

from __future__ import annotations

import csv
from dataclasses import asdict, fields
from pathlib import Path

import numpy as np

from palm_assets.crops.extraction import Crop
from palm_assets.crops.splits import SplitLabel
from palm_assets.quality.config import ReferenceConfig
from palm_assets.quality.reference_builder import build_reference
from palm_assets.quality.reference_files import save_reference
from palm_assets.store.artifacts import Artifact, Store

TRAIN, HOLDOUT = 32, 16
FACTS = {
    "crops": {"train": TRAIN, "validation": HOLDOUT // 2, "test": HOLDOUT // 2},
    "people": {"train": 5, "validation": 1, "test": 1},
    "shared_holdout": False,
    "skin": {"fair": 30, "dark": 12, "medium": 6},
}


def patches(count: int = TRAIN + HOLDOUT, size: int = 16) -> np.ndarray:
    """Images uint8 (N, 3, S, S), smooth and all different."""
    coarse = np.random.default_rng(0).integers(40, 230, (count, 3, 4, 4), np.uint8)
    return coarse.repeat(size // 4, axis=2).repeat(size // 4, axis=3)


def publish_crops(store: Store, size: int = 16) -> Artifact:
    def build(folder: Path) -> dict[str, object]:
        images = patches(size=size)
        np.save(folder / "crops.npy", images)
        with (folder / "crops.csv").open("w", newline="") as stream:
            rows = csv.DictWriter(stream, [field.name for field in fields(Crop)])
            rows.writeheader()
            for row in range(len(images)):
                split: SplitLabel = "train" if row < TRAIN else "test"
                if TRAIN <= row < TRAIN + HOLDOUT // 2:
                    split = "validation"
                crop = Crop(row, f"{row}.jpg", str(row), "palmar", "left", "fair", split, 0.9, 0, 0, 9, 9)
                rows.writerow(asdict(crop))
        return dict(FACTS)

    return store.make("crops", build, inputs={}, config=ReferenceConfig(), code_version="1")


def publish_reference(store: Store, crops: Artifact) -> Artifact:
    config = ReferenceConfig(extractor="efficientnet-lite0", floor_counts=[4, 8], floor_repeats=3)

    def build(folder: Path) -> dict[str, object]:
        images = np.load(crops.folder / "crops.npy")
        save_reference(build_reference(images[:TRAIN], images[TRAIN + HOLDOUT // 2 :], config), folder)
        return {}

    inputs = {"crops": crops.version}
    return store.make("reference", build, inputs=inputs, config=config, code_version="1")
