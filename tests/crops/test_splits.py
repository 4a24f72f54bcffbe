"""Who is in which split: stable as a set grows, whatever its size."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from palm_assets.crops.config import CropConfig
from palm_assets.crops.splits import LABELS, PeopleSplit, assign_people
from palm_assets.errors import DatasetError


def people(count: int) -> set[str]:
    """Names as in the 11k Hands set."""
    return {f"{number:07d}" for number in range(count)}


def sizes(split: PeopleSplit) -> tuple[int, int, int]:
    """Numbers of people in train, validation and test."""
    return len(split.train), len(split.validation), len(split.test)


@pytest.mark.parametrize("seed", range(20))
def test_a_set_that_grows_from_113_to_190_people_moves_nobody(seed: int) -> None:
    config = CropConfig(seed=seed)
    before, after = assign_people(people(113), config), assign_people(people(190), config)
    for person in people(113):
        assert before.label(person) == after.label(person), person


@given(
    st.sets(st.integers(0, 10_000), min_size=2, max_size=60),
    st.sets(st.integers(0, 10_000), max_size=60),
    st.integers(0, 100),
    st.integers(1, 4),
)
def test_newcomers_never_move_anybody_towards_test(
    some: set[int], newcomers: set[int], seed: int, least: int
) -> None:
    """Else a model would be tested on people whom an earlier one was trained on, or chosen by.

    Two kinds of small sets are excepted: where validation and test are shared, they part as the set grows;
    and where nearly everybody would be held out by chance, some are trained on nevertheless.
    """
    config = CropConfig(seed=seed, min_split_people=least, validation_share=0.2, test_share=0.2)
    if len(some) < 4 * least:
        return
    before = assign_people({str(number) for number in some}, config)
    if len(before.train) <= least:
        return
    after = assign_people({str(number) for number in some | newcomers}, config)
    for person in (str(number) for number in some):
        order = LABELS.index(after.label(person)), LABELS.index(before.label(person))
        assert order[0] <= order[1], person


def test_the_shares_are_those_asked_for_in_a_large_set() -> None:
    train, validation, test = sizes(
        assign_people(people(20_000), CropConfig(validation_share=0.2, test_share=0.05))
    )
    assert train + validation + test == 20_000
    assert validation == pytest.approx(4000, rel=0.05)
    assert test == pytest.approx(1000, rel=0.1)


@pytest.mark.parametrize(
    ("count", "expected"),
    [(2, (1, 1, 1)), (3, (2, 1, 1)), (4, (2, 2, 2)), (7, (5, 2, 2)), (8, (4, 2, 2)), (16, (12, 2, 2))],
)
def test_small_sets_hold_out_as_many_as_the_checks_want(count: int, expected: tuple[int, int, int]) -> None:
    config = CropConfig(validation_share=0.001, test_share=0.001)
    split = assign_people(people(count), config)
    assert sizes(split) == expected
    assert split.shared == (count < 8)


@given(st.integers(2, 60), st.floats(0.01, 0.49), st.floats(0.01, 0.49), st.integers(1, 5), st.integers(0, 9))
def test_any_number_of_people_can_be_split(
    count: int, validation_share: float, test_share: float, least: int, seed: int
) -> None:
    config = CropConfig(
        validation_share=validation_share, test_share=test_share, min_split_people=least, seed=seed
    )
    split = assign_people(people(count), config)
    assert split.train | split.held_out == people(count)
    assert not split.train & split.held_out
    assert min(sizes(split)) >= min(least, count // 2)
    assert split.shared == (split.validation == split.test) == (count // 2 < 2 * least)
    assert split == assign_people(people(count), config)


def test_the_seed_decides() -> None:
    everyone = people(200)
    assert assign_people(everyone, CropConfig()) != assign_people(everyone, CropConfig(seed=1))


def test_a_single_person_cannot_be_split() -> None:
    with pytest.raises(DatasetError, match="one person"):
        assign_people({"anna"}, CropConfig())


def test_shares_that_leave_nobody_to_train_on_are_refused() -> None:
    with pytest.raises(ValidationError, match="sum below 1"):
        CropConfig(validation_share=0.6, test_share=0.4)


@given(
    st.sets(st.integers(0, 500), min_size=2, max_size=40), st.sets(st.integers(0, 500)), st.integers(0, 99)
)
def test_people_whom_the_starter_knows_are_trained_on_and_the_others_are_split_as_before(
    some: set[int], known: set[int], seed: int
) -> None:
    config = CropConfig(seed=seed)
    everybody, trained_on = ({str(number) for number in numbers} for numbers in (some, known))
    strangers = everybody - trained_on
    if len(strangers) < 2:
        with pytest.raises(DatasetError, match=f"{len(everybody & trained_on)} of these {len(everybody)}"):
            assign_people(everybody, config, trained_on)
        return
    split, alone = assign_people(everybody, config, trained_on), assign_people(strangers, config)
    assert (split.validation, split.test) == (alone.validation, alone.test)
    assert split.train == alone.train | (everybody & trained_on)
