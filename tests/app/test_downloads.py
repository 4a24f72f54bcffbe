"""A download is there when the browser asks for it, whatever other visitors do meanwhile."""

from __future__ import annotations

import pytest
from streamlit.runtime.media_file_manager import MediaFileManager
from streamlit.runtime.memory_media_file_storage import MemoryMediaFileStorage

from app.ui import downloads


def test_a_download_outlives_the_runs_of_other_visitors(monkeypatch: pytest.MonkeyPatch) -> None:
    downloads.keep_downloads()
    now = 100.0
    monkeypatch.setattr(downloads.time, "monotonic", lambda: now)
    storage = MemoryMediaFileStorage("/media")
    files = MediaFileManager(storage)
    button = files.add_deferred(lambda: b"PK", "application/zip", "1.2", file_name="palms.zip")
    address = files.execute_deferred(button)
    name = address.rpartition("/")[2]
    for _ in range(50):
        files.remove_orphaned_files()
    assert storage.get_file(name).content == b"PK"
    now += downloads.SECONDS
    for _ in range(2):
        files.remove_orphaned_files()
    with pytest.raises(Exception, match="No media file"):
        storage.get_file(name)
