"""Crops palms from photographs: decode, detect and crop, with decoding running ahead."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from palm_assets.crops.config import CropConfig
from palm_assets.crops.geometry import Box, crop_box
from palm_assets.crops.turns import Detector, TurnedDetections, choose_turns, detect_in_turns, detect_upright
from palm_assets.detector.detection import Detection
from palm_assets.photos.index import Photo, PhotoIndex
from palm_assets.progress import Progress, no_progress
from palm_assets.runtime import usable_cores


@dataclass(frozen=True, eq=False)
class CroppedPhoto:
    """One photo and its crop.

    Attributes:
        photo: as the index lists it.
        turn: degrees against the clock by which it was turned before it was cropped.
        detection: of the palm in the turned photo; None if the whole photo was taken.
        box: region of the turned photo, in pixels.
        pixels: uint8 (3, S, S).
    """

    photo: Photo
    turn: int
    detection: Detection | None
    box: Box
    pixels: np.ndarray


def crop_photos(
    photos: PhotoIndex, detector: Detector, config: CropConfig, *, progress: Progress = no_progress
) -> tuple[list[CroppedPhoto], list[Photo]]:
    """Crop the palm from every photo; returns the crops, and the photos in which none was detected.

    All crops are in memory.
    """
    detected: list[TurnedDetections] = []
    crops: dict[Photo, CroppedPhoto] = {}
    for candidates, crop in first_crops(photos, photos.photos, detector, config, progress=progress):
        detected.append(candidates)
        if crop is not None:
            crops[crop.photo] = crop
    # Only all photos together show which way up most are. The few that turn out otherwise are cropped again.
    turns = dict(zip(photos.photos, zip(choose_turns(detected), detected, strict=True), strict=True))
    again = [photo for photo, crop in crops.items() if crop.turn != 90 * turns[photo][0]]
    for batch, decoded in decoded_ahead(photos, again, config.batch):
        for photo, pixels in zip(batch, decoded, strict=True):
            turn, candidates = turns[photo]
            crops[photo] = cropped(photo, pixels, turn, candidates.detections[turn], config)
    return list(crops.values()), [photo for photo in photos.photos if not turns[photo][1].found]


def first_crops(
    photos: PhotoIndex,
    chosen: Sequence[Photo],
    detector: Detector,
    config: CropConfig,
    *,
    progress: Progress = no_progress,
) -> Iterator[tuple[TurnedDetections, CroppedPhoto | None]]:
    """What is detected in each photo, and its crop in the turn that is the most probable within its batch.

    The crop is None if no palm was detected and such photos are set aside.
    """
    detect = detect_in_turns if config.quarter_turns else detect_upright
    done = 0
    for batch, decoded in decoded_ahead(photos, chosen, config.batch):
        found = detect(detector, decoded, config.min_confidence)
        for photo, pixels, candidates, turn in zip(batch, decoded, found, choose_turns(found), strict=True):
            kept = candidates.found or config.no_palm == "whole_photo"
            yield (
                candidates,
                cropped(photo, pixels, turn, candidates.detections[turn], config) if kept else None,
            )
        done += len(batch)
        progress(done, len(chosen))


def cropped(
    photo: Photo, pixels: np.ndarray, turn: int, detection: Detection | None, config: CropConfig
) -> CroppedPhoto:
    """The crop of a photo, turned by so many quarters against the clock, in which the palm was detected."""
    turned = np.rot90(pixels, turn)
    height, width = turned.shape[:2]
    box = region(width, height, detection, config)
    return CroppedPhoto(photo, 90 * turn, detection, box, resized(turned, box, config.image_size))


def decoded_ahead(
    photos: PhotoIndex, chosen: Sequence[Photo], batch: int
) -> Iterator[tuple[list[Photo], list[np.ndarray]]]:
    """Batches of photos with their pixels; while one is used, the next one is decoded, and no more."""
    batches = [list(chosen[i : i + batch]) for i in range(0, len(chosen), batch)]
    with ThreadPoolExecutor(usable_cores()) as pool:

        def start(number: int) -> list[Any]:
            return [pool.submit(photos.read, photo) for photo in batches[number]]

        ahead = start(0) if batches else []
        for number, current in enumerate(batches):
            decoding, ahead = ahead, start(number + 1) if number + 1 < len(batches) else []
            yield current, [future.result() for future in decoding]


def region(width: int, height: int, detection: Detection | None, config: CropConfig) -> Box:
    """What is cropped of a photo: around the palm, or the whole as far as the shape allows."""
    whole = (0.0, 0.0, float(width), float(height))
    return crop_box(whole if detection is None else detection.box, width, height, config)


def resized(pixels: np.ndarray, box: Box, size: int) -> np.ndarray:
    """The region `box`, resized to (3, size, size) with antialiasing: Pillow widens its filter to shrink."""
    shrunk = Image.fromarray(pixels).resize((size, size), Image.Resampling.BICUBIC, box=box)
    return np.asarray(shrunk).transpose(2, 0, 1)
