from __future__ import annotations

import pytest

from app.work.links import link_parameters, link_to, read_link
from app.work.request_form import parse_request
from palm_assets.generation.generate import GenerationRequest


@pytest.mark.parametrize("request_", [GenerationRequest(3, 7), GenerationRequest(1000, 2**53, 0.35, 0.6)])
def test_a_link_asks_for_the_same_set_again(request_: GenerationRequest) -> None:
    link = read_link(link_parameters(request_, "ru"))
    assert parse_request(link.count, link.seed, link.truncation, link.min_score) == request_
    assert link.language == "ru"
    assert link.is_complete


def test_a_link_without_a_seed_only_fills_in_the_form() -> None:
    assert not read_link({"n": "5"}).is_complete


def test_a_link_with_nonsense_is_kept_for_the_error_but_short() -> None:
    link = read_link({"n": "<b>" * 100, "lang": "tlh", "other": "x"})
    assert len(link.count) == 40
    assert link.language == ""


def test_a_link_has_a_whole_address() -> None:
    assert link_to("http://h:1/?old=1#x", GenerationRequest(3, 7), "en") == "http://h:1/?n=3&seed=7&lang=en"
    assert link_to("http://h/palms", GenerationRequest(3, 7), "en") == "http://h/palms/?n=3&seed=7&lang=en"
