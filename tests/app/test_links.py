from __future__ import annotations

import pytest

from app.work.links import View, is_same_place, link_parameters, link_to, read_link, read_view, unknown_path
from app.work.request_form import parse_request
from palm_assets.gan.hand_labels import HandLabels
from palm_assets.generation.generate import GenerationRequest


@pytest.mark.parametrize(
    "request_",
    [
        GenerationRequest(3, 7),
        GenerationRequest(1000, 2**53, 0.35, 0.6),
        GenerationRequest(3, 7, labels=HandLabels("back", "left", "dark")),
        GenerationRequest(3, 7, labels=HandLabels(skin="fair")),
    ],
)
def test_a_link_asks_for_the_same_set_again(request_: GenerationRequest) -> None:
    link = read_link(link_parameters(request_, "ru"))
    assert parse_request(link.count, link.seed, link.truncation, link.min_score, link.labels) == request_
    assert link.language == "ru"
    assert link.is_complete


def test_a_link_without_a_seed_only_fills_in_the_form() -> None:
    assert not read_link({"n": "5"}).is_complete


def test_a_link_with_nonsense_is_kept_for_the_error_but_short() -> None:
    link = read_link({"n": "<b>" * 100, "lang": "tlh", "other": "x"})
    assert len(link.count) == 40
    assert link.language == ""


@pytest.mark.parametrize(
    "view", [View(), View(5), View(5, 2, "score"), View(page=3), View(5, like=()), View(5, like=(5, 12))]
)
def test_a_link_shows_the_same_of_a_set_again(view: View) -> None:
    assert read_view(read_link(link_parameters(GenerationRequest(30, 7), "ru", "m", view))) == view


@pytest.mark.parametrize("nonsense", ["-1", "1e3", "²", "9" * 40, "x"])
def test_what_a_link_cannot_show_is_ignored(nonsense: str) -> None:
    names = ("palm", "page", "order", "like")
    assert read_view(read_link(dict.fromkeys(names, nonsense))) == View()
    assert read_view(read_link({"palm": "2", "like": "13"})) == View(2)  # there are twelve


def test_a_link_that_asks_for_hands_that_there_are_not_asks_for_any() -> None:
    link = read_link({"n": "3", "seed": "7", "aspect": "fist", "skin": "dark"})
    assert link.labels == HandLabels(skin="dark")
    assert link.parameters == {"n": "3", "seed": "7", "skin": "dark"}


def test_addresses_of_the_same_place_are_equal_and_others_are_not() -> None:
    shown = link_parameters(GenerationRequest(3, 7, 0.5), "en", "m")
    defaults = {"model": "m", "lang": "en"}
    assert is_same_place({"n": "3", "seed": "7", "t": "0.50"}, shown, defaults)
    assert not is_same_place({"n": "3", "seed": "7", "t": "0.50", "model": "n"}, shown, defaults)
    assert not is_same_place({"n": "3", "seed": "7", "t": "0.50", "palm": "1"}, shown, defaults)
    assert is_same_place({}, link_parameters(None, "en", "m"), defaults)
    large = 2**53  # the largest seeds differ by less than a float can hold
    assert not is_same_place({"seed": str(large)}, {"seed": str(large - 1)}, {})


@pytest.mark.parametrize(
    ("address", "path"),
    [
        ("http://h:1/", ""),
        ("http://h:1/about?lang=ru", ""),
        ("http://h:1/palms/about/", ""),
        ("http://h:1/nowhere?n=3", "nowhere"),
        ("http://h:1/<b>", ""),
        (None, ""),
    ],
)
def test_an_unknown_page_is_recognized(address: str | None, path: str) -> None:
    assert unknown_path(address, ["", "about"]) == path


def test_a_link_has_a_whole_address() -> None:
    assert link_to("http://h:1/?old=1#x", GenerationRequest(3, 7), "en") == "http://h:1/?n=3&seed=7&lang=en"
    assert link_to("http://h/palms", GenerationRequest(3, 7), "en") == "http://h/palms/?n=3&seed=7&lang=en"
