from __future__ import annotations

import pytest

from app.i18n.words import LANGUAGES, Words
from app.work.request_form import FormError, parse_count, parse_request, parse_seed
from palm_assets.generation.generate import GenerationRequest


@pytest.mark.parametrize(
    ("typed", "count"), [("1", 1), ("1000", 1000), (" 12 ", 12), ("1 000", 1000), ("+5", 5), ("007", 7)]
)
def test_a_whole_number_from_1_to_1000_is_accepted(typed: str, count: int) -> None:
    assert parse_count(typed) == count


@pytest.mark.parametrize(
    ("typed", "key"),
    [
        ("", "count_empty"),
        ("   ", "count_empty"),
        ("ten", "count_not_a_number"),
        ("десять", "count_not_a_number"),
        ("1e3", "count_not_a_number"),
        ("0x10", "count_not_a_number"),
        ("٣", "count_not_a_number"),
        ("NaN", "count_not_a_number"),
        ("1 2", "count_not_a_number"),
        ("9" * 40, "count_not_a_number"),
        ("2.5", "count_not_whole"),
        ("2,5", "count_not_whole"),
        ("-0.5", "count_not_whole"),
        ("0", "count_too_small"),
        ("-3", "count_too_small"),
        ("−3", "count_too_small"),
        ("1001", "count_too_large"),
        ("5000", "count_too_large"),
    ],
)
def test_anything_else_is_refused_with_its_reason(typed: str, key: str) -> None:
    with pytest.raises(FormError) as refusal:
        parse_count(typed)
    assert refusal.value.key == key
    for language in LANGUAGES:
        text = Words(language)(key, **refusal.value.values)
        assert "1000" in text
        assert typed.strip() in text


def test_an_empty_seed_is_random_and_a_typed_one_is_kept() -> None:
    assert parse_request("1", "7").seed == 7
    assert len({parse_request("1", "").seed for _ in range(20)}) > 1


@pytest.mark.parametrize("typed", ["-1", "1.5", "x", str(2**53 + 1), "9" * 30])
def test_a_seed_that_is_none_is_refused(typed: str) -> None:
    with pytest.raises(FormError, match="seed_wrong"):
        parse_seed(typed)


def test_the_largest_seed_is_one() -> None:
    assert parse_seed(str(2**53)) == 2**53


def test_variety_and_minimum_score_are_optional_and_take_a_decimal_comma() -> None:
    assert parse_request("3", "7") == GenerationRequest(3, 7)
    assert parse_request("3", "7", "0,5", "0,25") == GenerationRequest(3, 7, 0.5, 0.25)


@pytest.mark.parametrize(
    ("truncation", "min_score", "key"),
    [
        ("0", "", "truncation_wrong"),
        ("2", "", "truncation_wrong"),
        ("nan", "", "truncation_wrong"),
        ("", "1.1", "min_score_wrong"),
        ("", "-0.1", "min_score_wrong"),
        ("", "high", "min_score_wrong"),
        ("", "nan", "min_score_wrong"),
    ],
)
def test_shares_out_of_range_are_refused(truncation: str, min_score: str, key: str) -> None:
    with pytest.raises(FormError, match=key):
        parse_request("3", "7", truncation, min_score)
