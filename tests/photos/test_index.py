"""The index of a set of photographs: who is on them, what is left out and why."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from PIL import Image

from palm_assets.errors import DatasetError, SourceNotFoundError
from palm_assets.photos.index import PhotoIndex, folder_fingerprint, index_photos, read_index, write_index
from palm_assets.photos.people import labels_of
from tests.helpers import below, noise, save_picture

HEADER = "id,age,gender,skinColor,accessories,nailPolish,aspectOfHand,imageName,irregularities"


def kaggle_layout(root: Path, header: str = HEADER) -> Path:
    """Four photos of two people in `Hands/Hands`, as in the Kaggle download, and one that the table lacks."""
    rows = [header]
    for number, (person, aspect, skin) in enumerate(
        [
            ("0", "palmar right", "fair"),
            ("0", "dorsal left", "fair"),
            ("7", "palmar left", "dark"),
            ("7", "Palmar Right", "dark"),
        ]
    ):
        save_picture(root / "Hands" / "Hands" / f"Hand_{number}.jpg", seed=number)
        rows.append(f"{person},30,female,{skin},0,0,{aspect},Hand_{number}.jpg,0")
    save_picture(root / "Hands" / "Hands" / "Stranger.jpg", seed=99)
    (root / "HandInfo.csv").write_text("\n".join(rows) + "\n")
    return root


def names(index: PhotoIndex) -> list[str]:
    return [Path(photo.path).name for photo in index.photos]


def reasons(index: PhotoIndex) -> dict[str, str]:
    return {entry.path: entry.reason for entry in index.set_aside}


# Who is on them


def test_without_metadata_a_subfolder_is_a_person_and_a_loose_photo_is_a_person_of_its_own(
    tmp_path: Path,
) -> None:
    for number, name in enumerate(["anna/1.jpg", "anna/2.png", "ben/left/1.webp", "loose.JPG", "alone.tiff"]):
        save_picture(tmp_path / name, seed=number)
    index = index_photos(tmp_path)
    assert {photo.path: photo.person for photo in index.photos} == {
        "anna/1.jpg": "anna",
        "anna/2.png": "anna",
        "ben/left/1.webp": "ben",
        "loose.JPG": "loose.JPG",
        "alone.tiff": "alone.tiff",
    }
    assert {(p.aspect, p.skin) for p in index.photos} == {("unknown", "unknown")}
    assert [photo.path for photo in index.photos if photo.side == "left"] == ["ben/left/1.webp"]
    assert [photo.path for photo in index.photos] == sorted(photo.path for photo in index.photos)


def test_the_kaggle_layout_gives_person_aspect_side_and_skin(tmp_path: Path) -> None:
    index = index_photos(kaggle_layout(tmp_path))
    assert [(Path(p.path).name, p.person, p.aspect, p.side, p.skin) for p in index.photos] == [
        ("Hand_0.jpg", "0", "palmar", "right", "fair"),
        ("Hand_2.jpg", "7", "palmar", "left", "dark"),
        ("Hand_3.jpg", "7", "palmar", "right", "dark"),
        ("Stranger.jpg", "Hands", "unknown", "unknown", "unknown"),
    ]
    assert index.photos[0].path == "Hands/Hands/Hand_0.jpg"
    assert index.facts()["people"] == 3
    assert index.facts()["aspects"] == {"palmar": 3, "unknown": 1}


@pytest.mark.parametrize(
    ("aspects", "kept"),
    [
        (("palmar",), ["Hand_0.jpg", "Hand_2.jpg", "Hand_3.jpg"]),
        (("dorsal",), ["Hand_1.jpg"]),
        (("palmar", "dorsal"), ["Hand_0.jpg", "Hand_1.jpg", "Hand_2.jpg", "Hand_3.jpg"]),
        (("unknown",), ["Stranger.jpg"]),
    ],
)
def test_only_the_aspects_asked_for_are_kept_and_the_rest_is_listed_but_no_fault(
    tmp_path: Path, aspects: tuple[str, ...], kept: list[str]
) -> None:
    index = index_photos(kaggle_layout(tmp_path), aspects=aspects, max_set_aside=0)  # type: ignore[arg-type]
    assert names(index) == kept
    listed = {Path(entry.path).name: entry.reason for entry in index.set_aside}
    assert len(listed) + len(kept) == 5
    reasons = {
        "Hand_0.jpg": "aspect palmar",
        "Hand_1.jpg": "aspect dorsal",
        "Hand_2.jpg": "aspect palmar",
        "Hand_3.jpg": "aspect palmar",
        "Stranger.jpg": "not in HandInfo.csv",
    }
    assert listed.items() <= reasons.items()
    strangers = int("Stranger.jpg" in listed)
    assert index.facts()["set_aside"] == strangers
    assert index.facts()["other_aspects"] == len(listed) - strangers


def test_sizes_are_those_that_a_viewer_shows(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(noise(40, 30)).save(tmp_path / "turned.jpg", exif=exif)
    (photo,) = index_photos(tmp_path).photos
    assert (photo.width, photo.height) == (30, 40)


# What is left out


def test_photos_with_the_same_pixels_are_kept_once_whatever_the_file(tmp_path: Path) -> None:
    save_picture(tmp_path / "a.png", seed=1)
    save_picture(tmp_path / "b.bmp", seed=1)
    shutil.copy(tmp_path / "a.png", tmp_path / "c.png")
    save_picture(tmp_path / "d.png", seed=2)
    save_picture(tmp_path / "e.png", noise(seed=1).reshape(40, 30, 3))  # the same bytes, another shape
    index = index_photos(tmp_path, max_set_aside=0)
    assert names(index) == ["a.png", "d.png", "e.png"]
    assert reasons(index) == {"b.bmp": "duplicate: a.png", "c.png": "duplicate: a.png"}


def test_bad_files_are_set_aside_with_the_reason_and_counted(tmp_path: Path) -> None:
    for number in range(5):
        save_picture(tmp_path / f"good{number}.png", seed=number)
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "text.jpg").write_text("hello " * 50)
    save_picture(tmp_path / "big.png", noise(200, 100))
    Image.new("RGB", (8, 8)).save(
        tmp_path / "moves.gif", save_all=True, append_images=[Image.new("RGB", (8, 8), "red")]
    )
    save_picture(tmp_path / "cut.jpg", noise(200, 60, seed=9))
    os.truncate(tmp_path / "cut.jpg", 2000)
    (tmp_path / "notes.txt").write_text("not even tried")
    index = index_photos(tmp_path, max_set_aside=0.5, max_megapixels=0.015)
    assert len(index.photos) == 5
    why = reasons(index)
    assert why.pop("cut.jpg").startswith("damaged")
    assert why == {
        "big.png": "too large: 200x100 pixels, max_megapixels is 0.015",
        "empty.jpg": "empty file",
        "moves.gif": "animated, not a photograph",
        "text.jpg": "not an image",
    }
    assert index.facts()["set_aside"] == 5
    assert index.facts()["set_aside_reasons"] == {
        "too large": 1,
        "damaged": 1,
        "empty file": 1,
        "animated, not a photograph": 1,
        "not an image": 1,
    }


def test_too_large_a_share_of_bad_files_is_an_error_that_names_them(tmp_path: Path) -> None:
    for number in range(8):
        save_picture(tmp_path / f"{number}.png", seed=number)
    for name in ("bad1.jpg", "bad2.jpg"):
        (tmp_path / name).touch()
    assert len(index_photos(tmp_path, max_set_aside=0.2).photos) == 8
    with pytest.raises(
        DatasetError, match=r"2 of 10 files are unusable \(2 empty file, the first bad1\.jpg\)"
    ):
        index_photos(tmp_path, max_set_aside=0.19)


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    kaggle_layout(tmp_path, header=HEADER.replace("aspectOfHand", "aspect").replace("skinColor", "skin"))
    with pytest.raises(DatasetError, match="Missing column skinColor, aspectOfHand"):
        index_photos(tmp_path)


@pytest.mark.parametrize("content", [b"", "id,имя\n1,ладонь".encode("cp1251"), b"\x00" * 50])
def test_an_unreadable_table_is_a_typed_error(tmp_path: Path, content: bytes) -> None:
    kaggle_layout(tmp_path)
    (tmp_path / "HandInfo.csv").write_bytes(content)
    with pytest.raises(DatasetError) as refused:
        index_photos(tmp_path)
    assert "HandInfo.csv" in str(refused.value)


def test_a_table_with_a_byte_order_mark_or_with_short_rows_is_read(tmp_path: Path) -> None:
    table = kaggle_layout(tmp_path) / "HandInfo.csv"
    table.write_text("\ufeff" + table.read_text() + "8,20\n", encoding="utf-8")
    assert index_photos(tmp_path).photos[0].person == "0"


def test_an_empty_folder_a_missing_folder_and_nothing_of_the_aspect_are_typed_errors(tmp_path: Path) -> None:
    with pytest.raises(SourceNotFoundError):
        index_photos(tmp_path / "nowhere")
    with pytest.raises(DatasetError, match="holds no images"):
        index_photos(tmp_path)
    save_picture(tmp_path / "x.png")
    with pytest.raises(DatasetError, match="aspects"):
        index_photos(tmp_path, aspects=["palmar"])


# Keeping it


def test_an_index_is_read_as_it_was_written(tmp_path: Path) -> None:
    photos = kaggle_layout(tmp_path / "photos")
    save_picture(photos / "with, comma and 'quote'.png", seed=50)
    save_picture(photos / "ладонь.png", seed=51)
    (photos / "empty.jpg").touch()
    index = index_photos(photos, max_set_aside=0.5)
    write_index(index, tmp_path)
    assert read_index(tmp_path, photos) == index


def test_file_names_that_are_not_utf8_pass_through(tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    save_picture(photos / "a.png", seed=1)
    (photos / "a.png").rename(photos / os.fsdecode(b"Hand\xe9.png"))
    index = index_photos(photos)
    write_index(index, tmp_path)
    again = read_index(tmp_path, photos)
    assert again == index
    assert (photos / again.photos[0].path).is_file()
    assert len(folder_fingerprint(photos)) == 64


def test_reading_an_index_whose_photos_are_gone_is_a_typed_error(tmp_path: Path) -> None:
    save_picture(tmp_path / "photos" / "x.png")
    write_index(index_photos(tmp_path / "photos"), tmp_path)
    shutil.rmtree(tmp_path / "photos")
    with pytest.raises(SourceNotFoundError, match="gone"):
        read_index(tmp_path, tmp_path / "photos")


def test_indexing_reports_progress_and_writes_nothing_beside_the_photos(tmp_path: Path) -> None:
    for number in range(4):
        save_picture(tmp_path / f"{number}.png", seed=number)
    before = below(tmp_path)
    reported: list[tuple[int, int]] = []
    index_photos(tmp_path, progress=lambda done, total: reported.append((done, total)))
    assert reported == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert below(tmp_path) == before


def test_a_fingerprint_changes_with_any_name_or_content_and_with_nothing_else(tmp_path: Path) -> None:
    root = tmp_path / "photos"
    save_picture(root / "a.png", seed=1)
    save_picture(root / "b" / "c.png", seed=2)
    first = folder_fingerprint(root)
    os.utime(root / "a.png", (0, 0))
    (root / "labels.cache").write_text("by Ultralytics")
    assert folder_fingerprint(root) == first
    root.rename(tmp_path / "moved")
    root = tmp_path / "moved"
    assert folder_fingerprint(root) == first
    (root / "a.png").rename(root / "d.png")
    renamed = folder_fingerprint(root)
    before = (root / "d.png").stat()
    save_picture(root / "d.png", seed=3)
    os.utime(root / "d.png", ns=(before.st_atime_ns, before.st_mtime_ns))
    assert len({first, renamed, folder_fingerprint(root)}) == 3
    with pytest.raises(SourceNotFoundError):
        folder_fingerprint(tmp_path / "nowhere")


def flat(root: Path, *names: str) -> Path:
    """Photographs of these names, all different."""
    for seed, name in enumerate(names):
        save_picture(root / name, seed=seed)
    return root


def test_a_flat_folder_is_asked_about(tmp_path: Path) -> None:
    root = flat(tmp_path, "anna_1.png", "anna_2.png", "bert1.png", "left/bert2.png")
    with pytest.raises(DatasetError, match=r"4 of 4 photographs lie in no folder.*loose_photos"):
        index_photos(root, loose_photos="refuse")
    by_name = index_photos(root, loose_photos="by_file_name")
    assert [photo.person for photo in by_name.photos] == ["anna", "anna", "bert", "bert"]
    assert len({photo.person for photo in index_photos(root, loose_photos="each_a_person").photos}) == 4


def test_a_few_loose_photographs_are_set_aside(tmp_path: Path) -> None:
    root = flat(tmp_path, *(f"anna/{number}.png" for number in range(19)), "stray.png")
    index = index_photos(root, loose_photos="refuse")
    assert len(index.photos) == 19
    assert [(entry.path, entry.reason) for entry in index.set_aside] == [
        ("stray.png", "no folder says who is on it")
    ]


@pytest.mark.parametrize(
    ("name", "person"),
    [
        ("anna-left-2.jpg", "anna"),
        ("Мария 3.jpg", "Мария"),
        ("p01_2.jpg", "p01"),
        ("anna12.jpg", "anna"),
        ("0012.jpg", "0012"),
        ("_1.jpg", "_1"),
    ],
)
def test_a_person_by_the_file_name(name: str, person: str) -> None:
    assert labels_of(name, by_file_name=True).person == person
    assert labels_of(f"somebody/{name}", by_file_name=True).person == "somebody"
