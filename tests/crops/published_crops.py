"""Crops of noise, of people whose splits the test chooses, published into a store."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import asdict, fields
from pathlib import Path

import numpy as np

from palm_assets.crops.config import CropConfig
from palm_assets.crops.extraction import CROPS_FILE, INDEX_FILE, Crop
from palm_assets.crops.splits import LABELS, PeopleSplit
from palm_assets.store.artifacts import Artifact, Store

SIDE = 16


def split(train: Collection[str], validation: Collection[str], test: Collection[str]) -> PeopleSplit:
    """People of each split; each letter of a text is a person."""
    return PeopleSplit(frozenset(train), frozenset(validation), frozenset(test))


def publish_crops_of(
    store: Store,
    people: PeopleSplit,
    each: int = 4,
    *,
    population: str = "photographs",
    kinds: Sequence[tuple[str, str, str]] = (("palmar", "left", "fair"),),
) -> Artifact:
    """Publish `each` crops of every person, of these kinds (aspect, side, skin) in turn."""
    everybody = sorted(people.train | people.held_out, key=lambda p: (LABELS.index(people.label(p)), p))
    names = [person for person in everybody for _ in range(each)]

    def build(folder: Path) -> dict[str, object]:
        noise = np.random.default_rng(0).integers(0, 256, (len(names), 3, SIDE, SIDE), dtype=np.uint8)
        np.save(folder / CROPS_FILE, noise)
        index = [
            Crop(row, f"{row}.jpg", person, *kinds[row % len(kinds)], people.label(person), 0.9, 0, 0, 9, 9)
            for row, person in enumerate(names)
        ]
        with (folder / INDEX_FILE).open("w", newline="", encoding="utf-8") as stream:
            rows = csv.DictWriter(stream, [field.name for field in fields(Crop)])
            rows.writeheader()
            rows.writerows(asdict(crop) for crop in index)
        sizes = {name: len(getattr(people, name)) for name in ("train", "validation", "test")}
        return {
            "crops": {name: each * size for name, size in sizes.items()},
            "people": sizes,
            "shared_holdout": people.shared,
            "skin": dict(Counter(crop.skin for crop in index)),
            "population": population,
        }

    inputs = {"people": repr([(p, people.label(p)) for p in everybody]), "each": str(each), "of": population}
    inputs["kinds"] = repr(kinds)
    return store.make("crops", build, inputs=inputs, config=CropConfig(image_size=SIDE), code_version="test")
