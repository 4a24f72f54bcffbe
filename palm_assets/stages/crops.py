"""Stage "crops": palms cropped from photographs, and people assigned to train, validation and test."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from palm_assets.crops.config import CropConfig
from palm_assets.gan.people_record import NOBODY, read_people
from palm_assets.progress import Progress, no_progress
from palm_assets.stages.code_versions import CODE_VERSIONS
from palm_assets.stages.photos import open_photos
from palm_assets.stages.start_model import open_start_model
from palm_assets.store.artifacts import Artifact, Store

if TYPE_CHECKING:
    from palm_assets.crops.extraction import Crops
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
        ArtifactMissingError: `hold_out` asks for the starter's people, and there is no starter.
    """
    inputs = {"photos": photos.version, "detector": detector.version}
    record = NOBODY
    if config.hold_out == "not_in_starter":
        starter = open_start_model(store, "starter")
        assert starter is not None
        inputs["starter"], record = starter.version, read_people(starter.folder)

    def build(folder: Path) -> Mapping[str, Any]:
        from palm_assets.crops import extraction
        from palm_assets.detector.detection import load_detector

        index, loaded = open_photos(photos), load_detector(detector.folder)
        people, population = {photo.person for photo in index.photos}, _population(photos)
        known = record.known_among(people, population)
        facts = extraction.make_crops(index, loaded, config, folder, known=known, progress=progress)
        return {**facts, "population": population}

    return store.make("crops", build, inputs=inputs, config=config, code_version=CODE_VERSIONS["crops"])


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
