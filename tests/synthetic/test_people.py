"""People: traits that stay, and differ from person to person."""

from __future__ import annotations

from palm_assets.synthetic import render_hand, sample_person
from palm_assets.synthetic.creases import palm_creases
from palm_assets.synthetic.people import BOXES_STREAM, HANDS_STREAM


def test_a_person_is_the_same_each_time_and_unlike_the_next() -> None:
    assert sample_person(3, 8) == sample_person(3, 8)
    assert sample_person(3, 8) != sample_person(3, 9)
    assert sample_person(3, 8) != sample_person(4, 8)


def test_all_monk_tones_and_all_words_for_skin_occur_in_order() -> None:
    people = [sample_person(0, n) for n in range(300)]
    assert {p.monk_tone for p in people} == set(range(1, 11))
    order = ["very fair", "fair", "medium", "dark"]
    words = [order.index(p.skin_color) for p in sorted(people, key=lambda p: p.monk_tone)]
    assert words == sorted(words)
    assert set(words) == {0, 1, 2, 3}


def test_ages_and_genders_are_plausible() -> None:
    people = [sample_person(1, n) for n in range(300)]
    assert {p.gender for p in people} == {"female", "male"}
    assert all(18 <= p.age <= 75 for p in people)
    assert len({p.age for p in people}) > 20


def test_ids_are_unique_and_the_people_of_the_two_kinds_of_set_differ() -> None:
    hands = [sample_person(2, n, stream=HANDS_STREAM) for n in range(100)]
    boxes = [sample_person(2, n, stream=BOXES_STREAM) for n in range(100)]
    assert len({p.id for p in hands + boxes}) == 200
    assert all(len(p.id) == 7 and p.id.isdigit() for p in hands)
    assert not {p.crease_seeds for p in hands} & {p.crease_seeds for p in boxes}


def test_creases_are_fixed_for_a_palm_and_differ_between_the_two_palms_of_a_person() -> None:
    person = sample_person(5, 5)
    left, again, right = (palm_creases(person, side) for side in ("left", "left", "right"))
    assert all((a.path == b.path).all() for a, b in zip(left, again, strict=True))
    assert not (left[0].path == right[0].path).all()
    # Alike all the same: the life lines of the two hands are closer than those of strangers on average.
    own = abs(left[0].path - right[0].path).mean()
    strangers = [
        abs(left[0].path - palm_creases(sample_person(6, n), "left")[0].path).mean() for n in range(20)
    ]
    assert own < sum(strangers) / 20


def test_the_traits_survive_in_every_photo_of_a_person() -> None:
    photos = [render_hand(9, i, size=32) for i in range(8)]
    assert {p.person for p in photos} == {sample_person(9, 0)}
