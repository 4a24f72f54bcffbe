"""Detects the palm in photographs: a trained detector, run in batches."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from safetensors import SafetensorError, safe_open

from palm_assets.errors import DetectorError
from palm_assets.runtime import use_all_cores

DETECTOR_FILE = "detector.safetensors"
PADDING = 114  # the gray with which Ultralytics pads images in training


@dataclass(frozen=True)
class Detection:
    """A palm: corners (left, top, right, bottom) in pixels of the photo, confidence in [0, 1]."""

    box: tuple[float, float, float, float]
    confidence: float


class PalmDetector:
    """A trained YOLO11 that returns the most confident palm of each photo."""

    def __init__(self, model: Any, image_size: int) -> None:
        self._model = model.eval().fuse(verbose=False).to(memory_format=torch.channels_last)
        self._image_size = image_size

    @torch.inference_mode()
    def detect(self, photos: Sequence[np.ndarray], *, min_confidence: float = 0.25) -> list[Detection | None]:
        """The most confident palm of each photo (uint8 RGB, (H, W, 3), any sizes); None without one.

        The photos form one batch; 16 to 64 at a time are fast.
        """
        from palm_assets.detector.ultralytics_import import non_max_suppression

        if not photos:
            return []
        padded = [_letterbox(photo, self._image_size) for photo in photos]
        batch = torch.from_numpy(np.stack([image for image, _ in padded])).permute(0, 3, 1, 2)
        output = self._model(batch.float().div_(255).contiguous(memory_format=torch.channels_last))
        # Only one box is kept: the overlap threshold does not matter, and the time limit must not.
        found = non_max_suppression(output, conf_thres=min_confidence, max_det=1, max_time_img=60.0)
        return [
            _detection(rows, photo.shape, placement)
            for rows, photo, (_, placement) in zip(found, photos, padded, strict=True)
        ]


def load_detector(folder: Path) -> PalmDetector:
    """Load what `train_detector` wrote.

    Raises:
        DetectorError: the file is missing or is not a detector's.
    """
    from palm_assets.detector.ultralytics_import import DetectionModel

    use_all_cores()
    path = folder / DETECTOR_FILE
    try:
        with safe_open(path, framework="pt") as stored:
            metadata = stored.metadata()
            weights = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118
        image_size = int(metadata["image_size"])
        model = DetectionModel(json.loads(metadata["architecture"]), nc=1, verbose=False)  # type: ignore[no-untyped-call]
        model.load_state_dict(weights)
    except (OSError, SafetensorError, KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        raise DetectorError(
            f"Not a palm detector: {error}", where=path, hint="Materialize palm_detector again."
        ) from error
    return PalmDetector(model.float(), image_size)


def _letterbox(photo: np.ndarray, size: int) -> tuple[np.ndarray, tuple[float, float, int, int]]:
    """The photo scaled to fit a `size` square and padded with gray as in training, and its placement there.

    The placement is (x scale, y scale, left, top); sides are whole pixels, so the scales differ slightly.
    """
    height, width = photo.shape[:2]
    scale = size / max(height, width)
    new_width, new_height = max(1, round(width * scale)), max(1, round(height * scale))
    small = cv2.resize(photo, (new_width, new_height), interpolation=cv2.INTER_LINEAR)
    left, top = (size - new_width) // 2, (size - new_height) // 2
    canvas = np.full((size, size, 3), PADDING, np.uint8)
    canvas[top : top + new_height, left : left + new_width] = small
    return canvas, (new_width / width, new_height / height, left, top)


def _detection(
    rows: torch.Tensor, shape: tuple[int, ...], placement: tuple[float, float, int, int]
) -> Detection | None:
    if len(rows) == 0:
        return None
    x_scale, y_scale, left, top = placement
    height, width = shape[:2]
    x0, y0, x1, y1, confidence = rows[0, :5].tolist()
    corners = ((x0 - left) / x_scale, (y0 - top) / y_scale, (x1 - left) / x_scale, (y1 - top) / y_scale)
    x0, x1 = (min(max(x, 0.0), float(width)) for x in corners[0::2])
    y0, y1 = (min(max(y, 0.0), float(height)) for y in corners[1::2])
    if x1 <= x0 or y1 <= y0:  # it lies inside the padding
        return None
    return Detection((x0, y0, x1, y1), confidence)
