"""Keeps what a visitor downloads until the browser has asked for it.

Streamlit makes the file of a download when its button is clicked, and no session refers to it. It deletes
such files when the second script run ends from then on, whoever's that is: on a busy page within
milliseconds, and the browser gets a 404 (Streamlit 1.67).
"""

from __future__ import annotations

import time
from weakref import WeakKeyDictionary

from streamlit.runtime.media_file_manager import MediaFileMetadata

SECONDS = 20.0  # for a slow connection; the file is in memory as long
_unused_since: WeakKeyDictionary[MediaFileMetadata, float] = WeakKeyDictionary()
_mark_for_delete = MediaFileMetadata.mark_for_delete


def _mark_old_for_delete(file: MediaFileMetadata) -> None:
    """Mark a file for deletion, unless this is asked for the first time or was so a short time ago."""
    if time.monotonic() - _unused_since.setdefault(file, time.monotonic()) >= SECONDS:
        _mark_for_delete(file)


def keep_downloads() -> None:
    """From now on, keep each file for at least `SECONDS`."""
    MediaFileMetadata.mark_for_delete = _mark_old_for_delete  # type: ignore[assignment, method-assign]
