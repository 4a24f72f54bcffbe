"""The one place that imports Ultralytics, so that it is always imported the same, quiet way.

On import it reads its settings from the environment: here it is told to report nothing to anyone, to install
nothing by itself, and to unpickle only classes that it knows.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

os.environ.setdefault("YOLO_OFFLINE", "true")  # no usage reports and no self-updates; weights still download
os.environ.setdefault("YOLO_AUTOINSTALL", "false")
os.environ.setdefault("ULTRALYTICS_SAFE_LOAD", "true")
os.environ.setdefault("YOLO_VERBOSE", "false")
os.environ.setdefault(
    "YOLO_CONFIG_DIR", str(Path(tempfile.gettempdir()) / f"palms-ultralytics-{os.getuid()}")
)

from PIL import Image
from ultralytics.models import YOLO
from ultralytics.nn.tasks import DetectionModel
from ultralytics.utils.nms import non_max_suppression
from ultralytics.utils.patches import _image_open

# Ultralytics has put an opener of its own in place of Pillow's, which answers a damaged picture, anywhere in
# the process, by looking for another package.
Image.open = _image_open

__all__ = ["YOLO", "DetectionModel", "non_max_suppression"]
