"""Pins are held, or say why not."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import threading
import time
from pathlib import Path

import pytest

from palm_assets.errors import ArtifactError, ArtifactMissingError
from palm_assets.release.retention import RetentionConfig, remove_unused
from palm_assets.store import pins
from palm_assets.store.artifacts import Artifact, Store
from palm_assets.store.pins import Pin, lock_if_unpinned, pin
from tests.models import SMALL

ONE = RetentionConfig(keep_models=1, keep_releases=1)


def two(store: Store) -> tuple[Artifact, Artifact]:
    made = [
        store.make("models", lambda folder: {}, inputs={"n": str(n)}, config=SMALL, code_version="1")
        for n in range(2)
    ]
    return store.open("models", made[0].version), store.open("models", made[1].version)


def test_a_pin_waits_for_whoever_only_asks_whether_there_is_one(store: Store) -> None:
    """It was taken for a file system without locks, and the artifact was removed under the page."""
    model, _ = two(store)
    pinned: list[Artifact] = []
    with lock_if_unpinned(model.manifest_file) as unpinned:
        assert unpinned
        thread = threading.Thread(target=lambda: pinned.append(pin(model)))
        thread.start()
        time.sleep(0.1)
        assert not pinned
    thread.join()
    assert pinned == [model]
    remove_unused(store, ONE)
    assert model.folder.is_dir()


def test_a_pin_on_what_is_being_removed_says_so(store: Store, tmp_path: Path) -> None:
    model, _ = two(store)
    raised: list[BaseException] = []

    def try_to_pin() -> None:
        try:
            Pin(model)
        except ArtifactError as error:
            raised.append(error)

    with lock_if_unpinned(model.manifest_file):
        thread = threading.Thread(target=try_to_pin)
        thread.start()
        time.sleep(0.1)  # it has the file open by now
        model.folder.rename(tmp_path / "removed")
    thread.join()
    assert isinstance(raised[0], ArtifactMissingError)
    with pytest.raises(ArtifactMissingError):
        Pin(model)
    shutil.copytree(tmp_path / "removed", model.folder)
    Pin(model).close()


def refuse_locks(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    def flock(handle: int, operation: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", flock)


@pytest.mark.parametrize("number", [errno.EIO, errno.EACCES, errno.EAGAIN])
def test_a_pin_that_is_not_held_is_an_error_with_the_reason(
    store: Store, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    model, _ = two(store)
    monkeypatch.setattr(pins, "SECONDS_TO_LOCK", 0.05)
    refuse_locks(monkeypatch, number)
    before = len(list(Path("/proc/self/fd").iterdir()))
    with pytest.raises(ArtifactError, match=f"cannot be pinned: {os.strerror(number)}"):
        Pin(model)
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_where_there_are_no_locks_nothing_is_removed(
    store: Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    model, _ = two(store)
    refuse_locks(monkeypatch, errno.ENOTSUP)
    Pin(model).close()
    assert "has no locks" in caplog.text
    with lock_if_unpinned(model.manifest_file) as unpinned:
        assert not unpinned
