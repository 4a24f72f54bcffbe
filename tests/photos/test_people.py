"""Who is on a photograph, as its folders say."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from palm_assets.crops.config import CropConfig
from palm_assets.crops.splits import assign_people
from palm_assets.errors import DatasetError
from palm_assets.photos.index import index_photos
from palm_assets.photos.people import labels_of
from tests.helpers import save_picture


@pytest.mark.parametrize(
    ("image", "person", "side", "aspect"),
    [
        ("loose.JPG", "loose.JPG", "unknown", "unknown"),
        ("anna/1.jpg", "anna", "unknown", "unknown"),
        ("anna/left/1.jpg", "anna", "left", "unknown"),
        ("anna/2024-05-01/right/1.jpg", "anna", "right", "unknown"),
        ("anna/Right_Hand/palm/1.jpg", "anna", "right", "palmar"),
        ("anna/back/1.jpg", "anna", "unknown", "dorsal"),
        ("anna/DORSAL/Left/1.jpg", "anna", "left", "dorsal"),
        ("anna/left-palm/1.jpg", "anna", "left", "palmar"),
        ("left/anna/1.jpg", "anna", "left", "unknown"),
        ("palms/right/anna/1.jpg", "anna", "right", "palmar"),
        ("left/1.jpg", "1.jpg", "left", "unknown"),
        ("leftovers/1.jpg", "leftovers", "unknown", "unknown"),
        ("anna/Back of the left hand/1.jpg", "anna", "left", "dorsal"),
        ("palm side/anna/1.jpg", "anna", "unknown", "palmar"),
        ("Left hands/anna/1.jpg", "anna", "left", "unknown"),
        ("правая рука/анна/1.jpg", "анна", "right", "unknown"),
        ("анна/Ладонь, левая/1.jpg", "анна", "left", "palmar"),
        ("анна/тыльная сторона/1.jpg", "анна", "unknown", "dorsal"),
        ("hands/1.jpg", "hands", "unknown", "unknown"),
        ("Anna Palm/1.jpg", "Anna Palm", "unknown", "unknown"),
        ("Hand of Anna/1.jpg", "Hand of Anna", "unknown", "unknown"),
        ("Backman/1.jpg", "Backman", "unknown", "unknown"),
    ],
)
def test_the_first_folder_that_is_no_side_of_a_hand_is_the_person(
    image: str, person: str, side: str, aspect: str
) -> None:
    labels = labels_of(image)
    assert (labels.person, labels.side, labels.aspect) == (person, side, aspect)


@pytest.mark.parametrize(
    ("image", "level", "person"),
    [
        ("hands/anna/1.jpg", 2, "anna"),
        ("hands/left/anna/1.jpg", 2, "anna"),
        ("clinic/2024/anna/deeper/1.jpg", 3, "anna"),
        ("hands/1.jpg", 2, "hands"),
        ("1.jpg", 2, "1.jpg"),
    ],
)
def test_the_level_of_the_folder_can_be_chosen(image: str, level: int, person: str) -> None:
    assert labels_of(image, person_level=level).person == person


_NOT_PEOPLE = st.lists(
    st.sampled_from(["left", "Right", "palm", "BACK", "right_hand", "dorsal", "Левая рука", "тыл"]),
    max_size=3,
)


@settings(deadline=None)
@given(_NOT_PEOPLE, st.sampled_from(["anna", "J. Smith", "0001", "Анна"]), _NOT_PEOPLE)
def test_sides_before_and_behind_a_person_never_make_another_one(
    before: list[str], person: str, behind: list[str]
) -> None:
    assert labels_of("/".join([*before, person, *behind, "1.jpg"])).person == person


def test_both_hands_of_a_person_are_on_the_same_side_of_the_split(tmp_path: Path) -> None:
    seed = 0
    for person in range(4):
        for side in ("left", "right"):
            for number in range(2):
                save_picture(tmp_path / f"person{person}" / side / f"{number}.jpg", seed=seed)
                seed += 1
    index = index_photos(tmp_path)
    assert index.facts()["people"] == 4
    assert {photo.side for photo in index.photos} == {"left", "right"}
    for split_seed in range(20):
        everybody = {photo.person for photo in index.photos}
        held_out = assign_people(everybody, CropConfig(seed=split_seed)).held_out
        sides = {photo.path.split("/")[0] for photo in index.photos if photo.person in held_out}
        assert len(sides) == len(held_out)


def test_backs_of_hands_in_folders_that_say_so_are_not_used(tmp_path: Path) -> None:
    for seed, name in enumerate(["anna/palm/1.jpg", "anna/back/2.jpg", "ben/palm/3.jpg", "ben/back/4.jpg"]):
        save_picture(tmp_path / name, seed=seed)
    index = index_photos(tmp_path, max_set_aside=0)
    assert [photo.path for photo in index.photos] == ["anna/palm/1.jpg", "ben/palm/3.jpg"]
    assert [entry.reason for entry in index.set_aside] == ["aspect dorsal"] * 2


@pytest.mark.parametrize("other", ["anna", "ANNA", "Anna\u0308"])
def test_folders_whose_names_differ_in_case_or_composition_alone_are_refused(
    tmp_path: Path, other: str
) -> None:
    """One may be held out and the other trained on, though they are one person."""
    first = "Ann\u00e4" if "\u0308" in other else "Anna"
    for seed, folder in enumerate((first, other, "Anne")):
        save_picture(tmp_path / folder / "1.png", seed=seed)
    with pytest.raises(DatasetError, match="one person"):
        index_photos(tmp_path)
    (tmp_path / other / "1.png").rename(tmp_path / first / "2.png")
    assert {photo.person for photo in index_photos(tmp_path).photos} == {first, "Anne"}


def test_loose_files_may_differ_in_case_alone(tmp_path: Path) -> None:
    for seed, name in enumerate(("a.png", "A.png")):
        save_picture(tmp_path / name, seed=seed)
    assert len(index_photos(tmp_path).photos) == 2


@pytest.mark.parametrize("other", ["anna b ", "anna  b", "anna\u00a0b", "Anna B"])
def test_folders_whose_names_differ_in_blanks_alone_are_refused(tmp_path: Path, other: str) -> None:
    for seed, folder in enumerate(("anna b", other, "carl")):
        save_picture(tmp_path / folder / "1.png", seed=seed)
    with pytest.raises(DatasetError, match="one person"):
        index_photos(tmp_path)


@pytest.mark.parametrize(("one", "other"), [("1", "01"), ("7", "7.0"), ("0", "000")])
def test_folders_of_one_number_are_refused(tmp_path: Path, one: str, other: str) -> None:
    for seed, folder in enumerate((one, other, "10", "100")):
        save_picture(tmp_path / folder / "1.png", seed=seed)
    with pytest.raises(DatasetError, match="one person"):
        index_photos(tmp_path)


def test_beginnings_of_file_names_that_differ_in_case_alone_are_refused(tmp_path: Path) -> None:
    for seed, name in enumerate(("Anna_1.png", "anna_2.png", "ben_1.png")):
        save_picture(tmp_path / name, seed=seed)
    with pytest.raises(DatasetError, match="one person"):
        index_photos(tmp_path, loose_photos="by_file_name")
    assert len(index_photos(tmp_path, loose_photos="each_a_person").photos) == 3
