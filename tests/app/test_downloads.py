"""A download is there when the browser asks for it, whatever other visitors do meanwhile."""

from __future__ import annotations

import pytest
from streamlit.runtime.media_file_manager import MediaFileManager
from streamlit.runtime.media_file_storage import MediaFileStorageError
from streamlit.runtime.memory_media_file_storage import MemoryMediaFileStorage

from app.i18n.words import Words
from app.ui import downloads
from app.ui.style import download_error
from app.work.set_files import EvictedError
from palm_assets.gan.sampler import PalmModel
from palm_assets.generation.generate import GenerationRequest
from tests.app.test_generation import generated_set


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


def test_a_download_of_a_set_that_was_evicted_is_refused_and_not_empty(model: PalmModel) -> None:
    palms = generated_set(model, GenerationRequest(2, 0))
    files = MediaFileManager(MemoryMediaFileStorage("/media"))
    button = files.add_deferred(lambda: palms.archive, "application/zip", "1.2", file_name="palms.zip")
    assert files.execute_deferred(button)
    palms.evict()
    with pytest.raises(MediaFileStorageError) as refused:
        files.execute_deferred(button)
    assert isinstance(refused.value.__cause__, EvictedError)


@pytest.mark.parametrize("language", ["en", "ru"])
def test_the_text_below_its_button_is_in_the_language_of_the_page(language: str) -> None:
    text = Words(language)("set_evicted")
    assert f'content: "{text}"' in download_error(text)
    assert '"' not in text
