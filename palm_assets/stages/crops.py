"""Stage "crops": palms cropped from photographs, and people assigned to train, validation and test."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from palm_assets.crops.config import CropConfig
from palm_assets.errors import PalmError
from palm_assets.gan.people_record import NOBODY, read_people
from palm_assets.progress import Progress, no_progress
from palm_assets.stages.code_versions import CODE_VERSIONS
from palm_assets.stages.photos import open_photos
from palm_assets.stages.start_model import open_start_model
from palm_assets.store.artifacts import Artifact, Store, remove_folder

if TYPE_CHECKING:
    from palm_assets.crops.extraction import Crops
    from palm_assets.crops.shards import Engine
    from palm_assets.crops.splits import PeopleSplit


def make_crops(
    store: Store,
    photos: Artifact,
    detector: Artifact,
    config: CropConfig,
    *,
    progress: Progress = no_progress,
) -> Artifact:
    """Crop the palm of every photograph and pack the crops.

    Raises:
        DatasetError: the photographs do not make a usable set of crops.
        DetectorError: the detector cannot be loaded.
        PackageMissingError, ClusterError: `engine` is ray, which is not installed or cannot be reached.
        ArtifactMissingError: `hold_out` asks for the starter's people, and there is no starter.
    """
    inputs = {"photos": photos.version, "detector": detector.version}
    record = NOBODY
    if config.hold_out == "not_in_starter":
        starter = open_start_model(store, "starter")
        assert starter is not None
        inputs["starter"], record = starter.version, read_people(starter.folder)

    key = shards_key(detector, config)

    def build(folder: Path) -> Mapping[str, Any]:
        from palm_assets.crops import extraction

        engine = _engine(detector, config)
        index = open_photos(photos)
        people, population = {photo.person for photo in index.photos}, _population(photos)
        known = record.known_among(people, population)
        with store.lock(key):  # against retention, and other sets that share shards with this one
            shards = store.work_folder("crops", f"{key.removeprefix('crops-')}-shards")
            os.utime(shards)  # retention removes what was not used for long
            facts = extraction.make_crops(
                index, engine, config, folder, known=known, shards=shards, progress=progress
            )
        return {**facts, "population": population}

    made = store.make("crops", build, inputs=inputs, config=config, code_version=CODE_VERSIONS["crops"])
    if not made.reused:
        _tidy_shards(store, key, photos, config)
    return made


def _engine(detector: Artifact, config: CropConfig) -> Engine:
    if config.engine == "ray":
        from palm_assets.crops.ray_engine import RayEngine

        return RayEngine(detector.folder, config.ray_address)
    from palm_assets.crops.shards import LocalEngine
    from palm_assets.detector.detection import load_detector

    return LocalEngine(load_detector(detector.folder))


def shards_key(detector: Artifact, config: CropConfig) -> str:
    """Name of the lock, and beginning of the name of the work folder, of the shards that one setup makes.

    Shards depend on the detector's weights and on how palms are cropped, not on who is held out.
    """
    left_out = {"validation_share", "test_share", "min_split_people", "hold_out", "seed"}
    identity = {name: value for name, value in config.identity().items() if name not in left_out}
    made_of = [detector.manifest.content, identity, CODE_VERSIONS["crops"]]
    return "crops-" + hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()[:16]


def _tidy_shards(store: Store, key: str, photos: Artifact, config: CropConfig) -> None:
    """Remove the shards that the newest set does not use; all of them if it has one, which nothing can reuse.

    If that fails, retention does it later.
    """
    from palm_assets.crops.shards import split_into_shards, tidy

    folder = store.home / "work" / f"{key}-shards"
    with contextlib.suppress(OSError, PalmError), store.lock(key):
        shards = split_into_shards(open_photos(photos).photos, config.shard_photos)
        if len(shards) > 1:
            tidy(folder, shards)
        elif folder.is_dir():
            remove_folder(folder, store.home / "work")


def open_crops(artifact: Artifact) -> Crops:
    """Read the crops of an artifact."""
    from palm_assets.crops.extraction import read_crops

    return read_crops(artifact.folder)


def split_people(crops: Artifact) -> PeopleSplit:
    """The people of each split."""
    return open_crops(crops).people


def held_out_counts(facts: Mapping[str, Any]) -> tuple[int, int]:
    """Numbers of crops and of people who are held out of training, from the facts of crops."""
    crops, people = facts["crops"], facts["people"]
    if "holdout" in people:  # made by an older version of the program
        return int(crops.get("holdout", 0)), int(people["holdout"])
    splits = ("test",) if facts["shared_holdout"] else ("validation", "test")
    return sum(int(crops[split]) for split in splits), sum(int(people[split]) for split in splits)


def _population(photos: Artifact) -> str:
    """Among whom equal names mean the same person: the synthetic people of a seed, or photographed ones."""
    synthetic = photos.facts.get("source") == "synthetic"
    return f"synthetic-{photos.manifest.config.get('seed', 0)}" if synthetic else "photographs"
