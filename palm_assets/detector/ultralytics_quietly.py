"""The one place that imports Ultralytics, so that it is always imported the same, quiet way.

On import it reads its settings from the environment: here it is told to report nothing to anyone, to install
nothing by itself, and to unpickle only classes that it knows.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

os.environ.setdefault("YOLO_OFFLINE", "true")  # no usage reports and no self-updates; weights still download
os.environ.setdefault("YOLO_AUTOINSTALL", "false")
os.environ.setdefault("ULTRALYTICS_SAFE_LOAD", "true")
os.environ.setdefault("YOLO_VERBOSE", "false")
os.environ.setdefault("YOLO_CONFIG_DIR", str(Path(tempfile.gettempdir()) / f"palms-ultralytics-{os.getuid()}"))

from ultralytics import YOLO
from ultralytics.nn.tasks import DetectionModel
from ultralytics.utils.nms import non_max_suppression

__all__ = ["YOLO", "DetectionModel", "non_max_suppression", "yolo_from_scratch"]


def yolo_from_scratch(architecture: str, class_names: list[str]) -> Any:
    """An Ultralytics model with fresh weights, one output a class."""
    yolo = YOLO(architecture, task="detect")
    yolo.model = DetectionModel(architecture, nc=len(class_names), verbose=False)
    yolo.model.names = dict(enumerate(class_names))
    return yolo
