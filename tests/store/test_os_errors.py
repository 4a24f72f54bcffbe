"""Errors of the operating system while writing, as typed errors."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from palm_assets.errors import ArtifactError, DatasetError, DiskFullError
from palm_assets.store.artifacts import Store
from palm_assets.store.os_errors import is_disk_full, typed_write_errors


def fail(error: Exception, place: Path, *, only_writes: bool = False) -> None:
    with typed_write_errors(
        place, ArtifactError, "It cannot be written", hint="Choose another place.", only_writes=only_writes
    ):
        raise error


def os_error(number: int, path: Path) -> OSError:
    return OSError(number, os.strerror(number), str(path))


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_no_space_left_is_a_full_disk_wherever_it_happens(tmp_path: Path, number: int) -> None:
    with pytest.raises(DiskFullError, match="The disk is full"):
        fail(os_error(number, Path("/elsewhere")), tmp_path)


@pytest.mark.parametrize("error", [OSError("No space left on device"), RuntimeError("write: No space left")])
def test_a_full_disk_is_recognized_without_an_error_number(tmp_path: Path, error: Exception) -> None:
    assert is_disk_full(error)
    with pytest.raises(DiskFullError):
        fail(error, tmp_path)


@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO])
def test_a_missing_permission_for_the_place_is_typed_and_gives_the_reason(
    tmp_path: Path, number: int
) -> None:
    for path in (tmp_path / "below" / "file", tmp_path, tmp_path.parent):
        with pytest.raises(ArtifactError, match=f"It cannot be written: {os.strerror(number)}"):
            fail(os_error(number, path), tmp_path)


@pytest.mark.parametrize("number", [errno.EACCES, errno.ENOENT, errno.EIO])
def test_an_error_about_a_file_elsewhere_is_not_translated(tmp_path: Path, number: int) -> None:
    with pytest.raises(OSError, match="elsewhere") as raised:
        fail(os_error(number, Path("/elsewhere")), tmp_path)
    assert raised.value.errno == number


@pytest.mark.parametrize("number", [errno.EISDIR, errno.EIO, errno.ENOENT])
def test_a_block_that_only_writes_translates_every_error_of_the_system(tmp_path: Path, number: int) -> None:
    with pytest.raises(ArtifactError, match="It cannot be written"):
        fail(os_error(number, Path("/elsewhere")), tmp_path, only_writes=True)


def test_a_file_in_the_place_of_a_folder_is_typed(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ArtifactError, match="It cannot be written"):
        fail(os_error(errno.EEXIST, tmp_path / "file"), tmp_path / "file")
    with pytest.raises(FileExistsError):
        fail(os_error(errno.EEXIST, tmp_path / "file"), tmp_path)


def test_typed_errors_and_other_errors_pass_through(tmp_path: Path) -> None:
    for error in (DatasetError("no", hint="Repair it."), ValueError("no")):
        with pytest.raises(type(error)) as raised:
            fail(error, tmp_path, only_writes=True)
        assert raised.value is error


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOTSUP])
def test_a_file_system_without_locks_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def no_locks(handle: object, operation: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("fcntl.flock", no_locks)
    with pytest.raises(ArtifactError, match=r"no file locks.*local disk"), Store(tmp_path / "home").lock("x"):
        pass
