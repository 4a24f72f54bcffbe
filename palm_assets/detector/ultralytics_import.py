"""Imports Ultralytics with the same settings everywhere: all other modules import it from here.

On import it reads its settings from the environment. These turn off usage reports and automatic installs, and
let it unpickle known classes only. The last two hold also where a program imported Ultralytics before.
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

from palm_assets.errors import PackageMissingError

try:
    from ultralytics.models import YOLO
    from ultralytics.nn import tasks
    from ultralytics.nn.tasks import DetectionModel
    from ultralytics.utils import checks
    from ultralytics.utils.downloads import attempt_download_asset
    from ultralytics.utils.nms import non_max_suppression
    from ultralytics.utils.patches import _image_open
except ModuleNotFoundError as error:
    if error.name is not None and error.name.partition(".")[0] == "ultralytics":
        raise PackageMissingError(
            "Ultralytics, which detects palms, is not installed",
            hint="Use an installation of the whole program: the page's image leaves it out.",
        ) from error
    raise

# Ultralytics replaces Pillow's `Image.open` by one that tries to install another package for every damaged
# image, anywhere in the process.
Image.open = _image_open

# Copies of what it read from the environment on its first import.
tasks.SAFE_LOAD = True  # type: ignore[attr-defined]  # imported there from elsewhere
checks.AUTOINSTALL = False  # type: ignore[attr-defined]

__all__ = ["YOLO", "DetectionModel", "attempt_download_asset", "non_max_suppression"]
