"""A ZIP or tar archive of photographs is a source, and the same artifact as its folder."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from palm_assets.errors import CorruptDownloadError
from palm_assets.release.retention import RetentionConfig, remove_unused
from palm_assets.sources.config import BoxesConfig, PhotosConfig
from palm_assets.stages.boxes import make_boxes, open_boxes
from palm_assets.stages.photos import make_photos, open_photos
from palm_assets.stages.source_folder import without_wrapper
from palm_assets.store.artifacts import Store
from tests.detector.exports import write_export
from tests.helpers import below, save_picture


@pytest.fixture
def hands(tmp_path: Path) -> Path:
    for number in range(8):
        save_picture(tmp_path / "hands" / f"person{number // 2}" / f"{number}.png", seed=number)
    (tmp_path / "hands" / ".DS_Store").write_bytes(b"x")
    return tmp_path / "hands"


@pytest.mark.parametrize("kind", ["zip", "gztar"])
@pytest.mark.parametrize("wrapped", [False, True])
def test_an_archive_gives_the_version_of_its_folder(
    store: Store, hands: Path, tmp_path: Path, kind: str, wrapped: bool
) -> None:
    base = None if not wrapped else "hands"
    root = hands.parent if wrapped else hands
    archive = shutil.make_archive(str(tmp_path / "packed" / "x"), kind, root, base)
    folder = make_photos(store, PhotosConfig(source="folder", folder=str(hands)))
    made = make_photos(store, PhotosConfig(source="folder", folder=archive))
    assert made.version == folder.version
    assert made.facts["people"] == 4
    index = open_photos(made)
    assert index.read(index.photos[0]).shape == (30, 40, 3)
    assert index.root.is_relative_to(store.home)


def test_an_archive_is_unpacked_once_wherever_it_lies(store: Store, hands: Path, tmp_path: Path) -> None:
    archive = Path(shutil.make_archive(str(tmp_path / "x"), "zip", hands))
    make_photos(store, PhotosConfig(source="folder", folder=str(archive)))
    (folder,) = (store.home / "unpacked").iterdir()
    before = below(folder)
    os.utime(folder, (1, 1))
    moved = archive.rename(tmp_path / "y.zip")
    make_photos(store, PhotosConfig(source="folder", folder=str(moved)))
    assert list((store.home / "unpacked").iterdir()) == [folder]
    assert below(folder) == before
    assert time.time() - folder.stat().st_mtime < 600  # retention leaves it to the run that asked for it


def test_a_yolo_export_can_be_an_archive(store: Store, tmp_path: Path) -> None:
    write_export(tmp_path / "export")
    archive = shutil.make_archive(str(tmp_path / "x"), "zip", tmp_path, "export")
    made = make_boxes(store, BoxesConfig(source="folder", folder=archive))
    assert open_boxes(made).of("train")


@pytest.mark.parametrize("name", ["hands", "hands.ZIP", "hands.zip.part", "hands.rar"])
def test_an_archive_is_known_by_its_content(store: Store, hands: Path, tmp_path: Path, name: str) -> None:
    packed = Path(shutil.make_archive(str(tmp_path / "packed" / "x"), "zip", hands))
    archive = packed.rename(packed.with_name(name))
    assert make_photos(store, PhotosConfig(source="folder", folder=str(archive))).facts["people"] == 4


def test_a_file_that_is_no_archive_is_refused_as_such(store: Store, hands: Path) -> None:
    photograph = hands / "person0" / "0.png"
    with pytest.raises(CorruptDownloadError, match="neither a ZIP nor a tar archive"):
        make_photos(store, PhotosConfig(source="folder", folder=str(photograph)))


def test_a_damaged_archive_leaves_nothing(store: Store, tmp_path: Path) -> None:
    (tmp_path / "x.zip").write_bytes(b"PK\x05\x06 no more")
    with pytest.raises(CorruptDownloadError):
        make_photos(store, PhotosConfig(source="folder", folder=str(tmp_path / "x.zip")))
    assert not list((store.home / "unpacked").glob("*"))
    assert not list((store.home / "work").glob("unpacking-*"))


def test_retention_removes_what_no_artifact_needs(store: Store, hands: Path, tmp_path: Path) -> None:
    archive = shutil.make_archive(str(tmp_path / "x"), "zip", hands)
    made = make_photos(store, PhotosConfig(source="folder", folder=archive))
    store.set_current("raw_hands", made)
    unused = store.home / "unpacked" / "0123456789ab"
    unused.mkdir()
    remove_unused(store, RetentionConfig())
    assert unused.is_dir()  # a run may just have unpacked it
    long_ago = time.time() - 100_000
    for folder in (store.home / "unpacked").iterdir():
        os.utime(folder, (long_ago, long_ago))
    remove_unused(store, RetentionConfig())
    assert not unused.exists()
    assert open_photos(made).root.is_dir()


@pytest.mark.parametrize(
    ("files", "root"),
    [
        (["hands/anna/1.jpg", "hands/ben/2.jpg"], "hands"),
        (["a/b/anna/1.jpg", "a/b/ben/2.jpg"], "a/b"),
        (["anna/1.jpg", "ben/2.jpg"], "."),
        (["anna/1.jpg", "anna/2.jpg"], "."),  # one person, not a set of people without folders
        (["anna/left/1.jpg", "anna/right/2.jpg"], "."),
        (["Hands/1.jpg", "HandInfo.csv"], "."),
        (["set/Hands/1.jpg", "set/HandInfo.csv"], "set"),
        (["set/HandInfo.csv", "set/1.jpg"], "set"),
        (["__MACOSX/x", "hands/anna/1.jpg", "hands/ben/1.jpg"], "hands"),
    ],
)
def test_only_a_folder_that_wraps_a_set_is_left_out(tmp_path: Path, files: list[str], root: str) -> None:
    for name in files:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    assert without_wrapper(tmp_path) == tmp_path / root


def test_the_path_of_a_folder_need_not_be_utf_8(store: Store, hands: Path, tmp_path: Path) -> None:
    strange = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff\xd0"))
    shutil.copytree(hands, strange)
    made = make_photos(store, PhotosConfig(source="folder", folder=str(strange)))
    index = open_photos(make_photos(store, PhotosConfig(source="folder", folder=str(strange))))
    assert made.facts["root"].endswith("/\\xff\\xd0")
    assert index.root == strange
    assert index.read(index.photos[0]).shape == (30, 40, 3)


def test_an_archive_is_unpacked_where_python_takes_names_for_ascii(hands: Path, tmp_path: Path) -> None:
    hands.joinpath("person0").rename(hands / "ладонь")
    archive = shutil.make_archive(str(tmp_path / "x"), "zip", hands)
    code = (
        "import sys; from pathlib import Path; from palm_assets.sources.unpack import unpack\n"
        "assert sys.getfilesystemencoding() == 'ascii'\n"
        "unpack(Path(sys.argv[1]), Path(sys.argv[2]), 'x.zip')"
    )
    environment = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    command = [sys.executable, "-c", code, archive, str(tmp_path / "out")]
    subprocess.run(command, check=True, env=environment)
    assert (tmp_path / "out" / "ладонь" / "0.png").is_file()
