"""A folder of generated images that a file manager has looked into can be written again."""

from __future__ import annotations

from pathlib import Path

import pytest

from palm_assets.errors import RequestError
from palm_assets.generation.archives import _refuse_foreign


@pytest.mark.parametrize("name", [".DS_Store", "Thumbs.db", "._palm_000000.png", "desktop.ini"])
def test_settings_of_a_file_manager_do_not_stand_in_the_way(tmp_path: Path, name: str) -> None:
    (tmp_path / "palm_000000.png").write_bytes(b"x")
    (tmp_path / name).write_bytes(b"x")
    _refuse_foreign(tmp_path)


@pytest.mark.parametrize("name", [".git", ".env", "notes.txt", "palm.png"])
def test_anything_else_does(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"x")
    with pytest.raises(RequestError, match=name):
        _refuse_foreign(tmp_path)


def test_a_folder_with_the_name_of_such_a_file_does(tmp_path: Path) -> None:
    (tmp_path / ".DS_Store").mkdir()
    with pytest.raises(RequestError, match="DS_Store"):
        _refuse_foreign(tmp_path)
