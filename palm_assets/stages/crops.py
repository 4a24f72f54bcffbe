"""Stage "crops": palms cropped from photographs, with some people held out."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from palm_assets.crops.config import CropConfig
from palm_assets.progress import Progress, no_progress
from palm_assets.stages.code_versions import CODE_VERSIONS
from palm_assets.stages.photos import open_photos
from palm_assets.store.artifacts import Artifact, Store

if TYPE_CHECKING:
    from palm_assets.crops.extraction import Crops


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
    """

    def build(folder: Path) -> Mapping[str, Any]:
        from palm_assets.crops import extraction
        from palm_assets.detector.detection import load_detector

        index, loaded = open_photos(photos), load_detector(detector.folder)
        return extraction.make_crops(index, loaded, config, folder, progress=progress)

    inputs = {"photos": photos.version, "detector": detector.version}
    return store.make("crops", build, inputs=inputs, config=config, code_version=CODE_VERSIONS["crops"])


def open_crops(artifact: Artifact) -> Crops:
    """Read the crops of an artifact."""
    from palm_assets.crops.extraction import read_crops

    return read_crops(artifact.folder)


def split_people(crops: Artifact) -> tuple[set[str], set[str]]:
    """People whose crops are trained on, and people who are held out."""
    index = open_crops(crops).index
    train, held_out = ({crop.person for crop in index if crop.split == side} for side in ("train", "holdout"))
    return train, held_out
