from __future__ import annotations

import pytest

from app.asking import AskingError, link_parameters, link_to, read_count, read_link, read_request, read_seed
from app.texts import LANGUAGES, Words
from palm_assets.generation.generate import Request


@pytest.mark.parametrize(
    ("typed", "count"), [("1", 1), ("1000", 1000), (" 12 ", 12), ("1 000", 1000), ("+5", 5), ("007", 7)]
)
def test_a_whole_number_from_1_to_1000_is_taken(typed: str, count: int) -> None:
    assert read_count(typed) == count


@pytest.mark.parametrize(
    ("typed", "why"),
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
def test_anything_else_is_refused_with_its_reason(typed: str, why: str) -> None:
    with pytest.raises(AskingError) as refusal:
        read_count(typed)
    assert refusal.value.key == why
    for language in LANGUAGES:
        told = Words(language)(why, **refusal.value.values)
        assert "1000" in told
        assert typed.strip() in told


def test_an_empty_seed_is_random_and_a_typed_one_is_kept() -> None:
    assert read_request("1", "7").seed == 7
    assert len({read_request("1", "").seed for _ in range(20)}) > 1


@pytest.mark.parametrize("typed", ["-1", "1.5", "x", str(2**53 + 1), "9" * 30])
def test_a_seed_that_is_none_is_refused(typed: str) -> None:
    with pytest.raises(AskingError, match="seed_wrong"):
        read_seed(typed)


def test_the_largest_seed_is_one() -> None:
    assert read_seed(str(2**53)) == 2**53


def test_variety_and_minimum_score_are_optional_and_take_a_decimal_comma() -> None:
    assert read_request("3", "7") == Request(3, 7)
    assert read_request("3", "7", "0,5", "0,25") == Request(3, 7, 0.5, 0.25)


@pytest.mark.parametrize(
    ("truncation", "min_score", "why"),
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
def test_shares_out_of_range_are_refused(truncation: str, min_score: str, why: str) -> None:
    with pytest.raises(AskingError, match=why):
        read_request("3", "7", truncation, min_score)


@pytest.mark.parametrize("request_", [Request(3, 7), Request(1000, 2**53, 0.35, 0.6)])
def test_a_link_asks_for_the_same_set_again(request_: Request) -> None:
    link = read_link(link_parameters(request_, "ru"))
    assert read_request(link.count, link.seed, link.truncation, link.min_score) == request_
    assert link.language == "ru"
    assert link.is_complete


def test_a_link_without_a_seed_only_fills_in_the_form() -> None:
    assert not read_link({"n": "5"}).is_complete


def test_a_link_with_nonsense_is_kept_for_the_error_but_short() -> None:
    link = read_link({"n": "<b>" * 100, "lang": "tlh", "other": "x"})
    assert len(link.count) == 40
    assert link.language == ""


def test_a_link_has_a_whole_address() -> None:
    assert link_to("http://h:1/?old=1#x", Request(3, 7), "en") == "http://h:1/?n=3&seed=7&lang=en"
    assert link_to("http://h/palms", Request(3, 7), "en") == "http://h/palms/?n=3&seed=7&lang=en"
