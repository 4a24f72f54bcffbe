"""The weights that the detector's training starts from, and what identifies them."""

from __future__ import annotations

from pathlib import Path

from palm_assets.errors import DetectorError
from palm_assets.store.atomic import sha256_of


def identify_start(start: str) -> str:
    """Twelve hex digits of a file's SHA-256, or the name of an architecture that comes with Ultralytics.

    Published weights are downloaded by Ultralytics if they are not there, so that their content identifies
    them before and after.

    Args:
        start: path of a file, or a name that Ultralytics knows; see `DetectorConfig.start`.

    Raises:
        DetectorError: there are no such weights.
    """
    path = Path(start)
    if not path.is_file():
        if path.suffix == ".yaml":
            return start
        path = _downloaded(start)
    return sha256_of(path)[:12]


def _downloaded(start: str) -> Path:
    from palm_assets.detector.ultralytics_import import attempt_download_asset

    try:
        path = Path(attempt_download_asset(start))
        if path.is_file():
            return path
        reason = "there is no such file, nor published weights of that name"
    except Exception as error:  # whatever a download may raise
        reason = str(error)
    raise DetectorError(
        f"Cannot start from {start}: {reason}",
        hint="Put the file there, check the network, or set `start: yolo11n.yaml` to train from scratch.",
    )
