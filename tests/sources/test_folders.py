"""Listing a folder: links, loops, litter, and what cannot be read."""

from __future__ import annotations

import os
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from palm_assets.errors import SourceNotFoundError
from palm_assets.sources.folders import LINK_REPEATED, is_disposable, is_litter, list_folder, reason_counts
from tests.sources.users import nobody

__all__ = ["nobody"]

LITTER = [
    "._IMG_1.jpg", ".DS_Store", "Thumbs.db", "thumbs.db", "__MACOSX", "desktop.ini", "Desktop.ini", "Icon\r",
    ".trashed-1699999999-IMG_1.jpg", ".picasa.ini", "@eaDir", "$RECYCLE.BIN", "~$notes.docx", ".nomedia",
    "@Recycle", "#recycle", "#snapshot", "RECYCLER", "System Volume Information", ".Trash-1000",
]  # fmt: skip


def touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"x")


def reasons(root: Path) -> dict[str, str]:
    return {entry.path: entry.reason for entry in list_folder(root).set_aside}


# Litter


@pytest.mark.parametrize("name", LITTER)
@pytest.mark.parametrize("place", ["{}", "person/{}", "{}/1.jpg", "a\\{}"])
def test_litter_is_litter_wherever_it_lies(name: str, place: str) -> None:
    assert is_litter(place.format(name))


@pytest.mark.parametrize(
    "name",
    ["1.jpg", "anna/1.jpg", "_1.jpg", "thumbs.db.jpg", "desktop.png", "MACOSX/1.jpg", "~1.jpg", "a/./b"],
)
def test_what_a_person_named_is_not_litter(name: str) -> None:
    assert not is_litter(name)


@settings(deadline=None)
@given(st.lists(st.sampled_from([*LITTER, "a", "b", "1.jpg"]), min_size=1, max_size=5))
def test_a_path_is_litter_if_one_of_its_parts_is(parts: list[str]) -> None:
    assert is_litter("/".join(parts)) == any(part in LITTER for part in parts)


def test_litter_is_not_listed_and_folders_of_it_are_not_entered(tmp_path: Path) -> None:
    touch(tmp_path, "a/1.jpg", *(f"a/{name}/x" for name in LITTER))
    listing = list_folder(tmp_path)
    assert listing.files == ("a/1.jpg",)
    assert listing.set_aside == ()


def test_a_hidden_root_is_a_root_like_any_other(tmp_path: Path) -> None:
    touch(tmp_path, ".hands/1.jpg")
    assert list_folder(tmp_path / ".hands").files == ("1.jpg",)


@pytest.mark.parametrize("name", [".DS_Store", "._palm_000000.png", "Thumbs.db", "desktop.ini"])
def test_view_settings_of_file_managers_may_be_deleted(name: str) -> None:
    assert is_disposable(name)
    assert is_litter(name)


@pytest.mark.parametrize("name", [".git", ".env", ".trashed-1-a.png", "a.png", "@eaDir"])
def test_other_hidden_files_may_not_be_deleted(name: str) -> None:
    assert not is_disposable(name)


def test_a_file_that_is_in_icloud_alone_is_reported(tmp_path: Path) -> None:
    touch(tmp_path, "anna/1.jpg", "anna/.2.jpg.icloud", ".3.heic.icloud", ".icloud", "anna/.hidden")
    listing = list_folder(tmp_path)
    assert listing.files == ("anna/1.jpg",)
    assert reasons(tmp_path) == dict.fromkeys(["3.heic", "anna/2.jpg"], "not downloaded from iCloud")


# Links


def test_links_to_folders_and_files_are_followed(tmp_path: Path) -> None:
    touch(tmp_path, "elsewhere/ben/1.jpg", "elsewhere/ben/deeper/2.jpg", "elsewhere/3.jpg", "root/anna/1.jpg")
    (tmp_path / "root" / "ben").symlink_to(tmp_path / "elsewhere" / "ben")
    (tmp_path / "root" / "carl").mkdir()
    (tmp_path / "root" / "carl" / "3.jpg").symlink_to("../../elsewhere/3.jpg")
    listing = list_folder(tmp_path / "root")
    assert listing.files == ("anna/1.jpg", "ben/1.jpg", "ben/deeper/2.jpg", "carl/3.jpg")
    assert listing.set_aside == ()


def test_a_root_that_is_itself_a_link_is_listed(tmp_path: Path) -> None:
    touch(tmp_path, "elsewhere/1.jpg")
    (tmp_path / "root").symlink_to("elsewhere")
    assert list_folder(tmp_path / "root").files == ("1.jpg",)


def test_loops_end_and_are_reported(tmp_path: Path) -> None:
    touch(tmp_path, "root/anna/1.jpg", "other/2.jpg")
    (tmp_path / "root" / "anna" / "up").symlink_to("..")
    (tmp_path / "root" / "outside").symlink_to("../other")
    (tmp_path / "other" / "back").symlink_to("../root")
    (tmp_path / "root" / "itself").symlink_to("itself")
    listing = list_folder(tmp_path / "root")
    assert listing.files == ("anna/1.jpg", "outside/2.jpg")
    why = reasons(tmp_path / "root")
    assert why.pop("itself").startswith("the file cannot be read")
    assert why == {"anna/up": LINK_REPEATED, "outside/back": LINK_REPEATED}


def test_a_link_to_a_folder_above_the_root_does_not_list_the_root_twice(tmp_path: Path) -> None:
    touch(tmp_path, "root/1.jpg", "2.jpg")
    (tmp_path / "root" / "above").symlink_to("..")
    listing = list_folder(tmp_path / "root")
    assert listing.files == ("1.jpg", "above/2.jpg")
    assert reasons(tmp_path / "root") == {"above/root": LINK_REPEATED}


def test_a_folder_keeps_its_own_path_even_if_a_link_to_it_sorts_first(tmp_path: Path) -> None:
    touch(tmp_path, "ben/1.jpg")
    (tmp_path / "anna").symlink_to("ben")
    assert list_folder(tmp_path).files == ("ben/1.jpg",)
    assert reasons(tmp_path) == {"anna": LINK_REPEATED}


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), max_size=12))
def test_however_links_lie_every_file_is_listed_once(links: list[tuple[int, int]]) -> None:
    with tempfile.TemporaryDirectory() as home:
        root = Path(home, "root")
        for number in range(6):
            touch(root if number < 3 else Path(home), f"{number}/file{number}")
        folders = [root / str(n) if n < 3 else Path(home, str(n)) for n in range(6)]
        for count, (start, end) in enumerate(links):
            (folders[start] / f"link{count}").symlink_to(folders[end])
        reachable, todo = {0, 1, 2}, [0, 1, 2]
        while todo:
            here = todo.pop()
            new = {end for start, end in links if start == here} - reachable
            reachable |= new
            todo += new
        found = [name.rpartition("/")[2] for name in list_folder(root).files]
        assert sorted(found) == [f"file{number}" for number in sorted(reachable)]


# What cannot be listed


def test_dangling_links_and_things_that_are_no_files_are_reported_and_not_opened(tmp_path: Path) -> None:
    touch(tmp_path, "1.jpg")
    (tmp_path / "2.jpg").symlink_to(".git/annex/objects/2.jpg")
    os.mkfifo(tmp_path / "3.jpg")
    with socket.socket(socket.AF_UNIX) as server:
        here = Path.cwd()
        os.chdir(tmp_path)  # a socket's path may not be long
        try:
            server.bind("4.jpg")
        finally:
            os.chdir(here)
        listing = list_folder(tmp_path)
    assert listing.files == ("1.jpg",)
    assert reasons(tmp_path) == {
        "2.jpg": "a link to a file that does not exist: .git/annex/objects/2.jpg",
        "3.jpg": "not a regular file",
        "4.jpg": "not a regular file",
    }
    assert reason_counts(listing.set_aside) == {
        "a link to a file that does not exist": 1,
        "not a regular file": 2,
    }


def test_an_unreadable_folder_is_reported(nobody: Path) -> None:
    touch(nobody, "anna/1.jpg", "ben/1.jpg")
    (nobody / "ben").chmod(0)
    listing = list_folder(nobody)
    assert listing.files == ("anna/1.jpg",)
    assert reasons(nobody) == {"ben": "the folder cannot be read: Permission denied"}
    (nobody / "ben").chmod(0o755)


def test_an_unreadable_root_is_a_typed_error(nobody: Path) -> None:
    (nobody / "root").mkdir(mode=0)
    with pytest.raises(SourceNotFoundError, match="Permission denied"):
        list_folder(nobody / "root")
    with pytest.raises(SourceNotFoundError, match="no such folder"):
        list_folder(nobody / "nowhere")


@pytest.fixture(autouse=True)
def _no_leftovers(tmp_path: Path) -> Iterator[None]:
    yield
    for path in tmp_path.rglob("*"):
        if path.is_fifo() or path.is_socket():
            path.unlink()
