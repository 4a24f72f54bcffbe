"""What a visitor types, checked by us: Streamlit's own number field hides or bends what is out of range."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from palm_assets.gan.config import MAX_SEED
from palm_assets.generation.generate import Request

MOST = 1000
LEAST_TRUNCATION = 0.01
LANGUAGES = ("ru", "en")
_DIGITS = re.compile(r"\+?[0-9]{1,20}")
_DECIMAL = re.compile(r"[+-]?[0-9]*[.,][0-9]+")
_NEGATIVE = re.compile(r"[-−–][0-9]+")


class AskingError(ValueError):
    """What was typed cannot be used: a key of `app.texts` that says why, and what goes into that text."""

    def __init__(self, key: str, **values: Any) -> None:
        super().__init__(key)
        self.key = key
        self.values = values


@dataclass(frozen=True)
class Link:
    """What an address asks for, as it stands there: nothing in it is checked yet.

    Attributes:
        count: text of `?n=`.
        seed: text of `&seed=`.
        language: "ru", "en", or "" if the address names none that we have.
        truncation: text of `&t=`.
        min_score: text of `&min=`.
    """

    count: str = ""
    seed: str = ""
    language: str = ""
    truncation: str = ""
    min_score: str = ""

    @property
    def is_complete(self) -> bool:
        """Whether it names one certain set, so that the page makes it without being asked again."""
        return bool(self.count and self.seed)


def read_link(parameters: Mapping[str, str]) -> Link:
    """The part of an address after the question mark; what we do not know is ignored."""
    language = parameters.get("lang", "")
    return Link(
        parameters.get("n", "")[:40],
        parameters.get("seed", "")[:40],
        language if language in LANGUAGES else "",
        parameters.get("t", "")[:40],
        parameters.get("min", "")[:40],
    )


def link_parameters(request: Request, language: str) -> dict[str, str]:
    """What makes this set again, for the address; what is as usual is left out."""
    parameters = {"n": str(request.count), "seed": str(request.seed), "lang": language}
    if request.truncation != 1:
        parameters["t"] = f"{request.truncation:g}"
    if request.min_score is not None:
        parameters["min"] = f"{request.min_score:g}"
    return parameters


def link_to(address: str, request: Request, language: str) -> str:
    """The whole address of a set."""
    page = address.split("?")[0].split("#")[0].rstrip("/")
    return f"{page}/?{urlencode(link_parameters(request, language))}"


def read_request(count: str, seed: str, truncation: str = "", min_score: str = "") -> Request:
    """What the visitor asks for; an empty seed is a random one.

    Raises:
        AskingError: one of them makes no sense; the first that does not is told.
    """
    return Request(
        read_count(count),
        read_seed(seed) if seed.strip() else secrets.randbelow(10**6),  # short enough to be read out
        _read_share(truncation, LEAST_TRUNCATION, "truncation_wrong") if truncation.strip() else 1.0,
        _read_share(min_score, 0, "min_score_wrong") if min_score.strip() else None,
    )


def read_count(text: str) -> int:
    """A whole number from 1 to 1000, in digits.

    Raises:
        AskingError: anything else, with what is wrong about it.
    """
    text = _tidied(text)
    if not text:
        raise AskingError("count_empty", most=MOST)
    if _DECIMAL.fullmatch(text):
        raise AskingError("count_not_whole", typed=text, most=MOST)
    if _NEGATIVE.fullmatch(text):
        raise AskingError("count_too_small", typed=text, most=MOST)
    if not _DIGITS.fullmatch(text):
        raise AskingError("count_not_a_number", typed=text, most=MOST)
    if int(text) < 1:
        raise AskingError("count_too_small", typed=text, most=MOST)
    if int(text) > MOST:
        raise AskingError("count_too_large", typed=text, most=MOST)
    return int(text)


def read_seed(text: str) -> int:
    """A whole number from 0 to 2**53, in digits.

    Raises:
        AskingError: anything else.
    """
    text = _tidied(text)
    if not _DIGITS.fullmatch(text) or int(text) > MAX_SEED:
        raise AskingError("seed_wrong", typed=text, most=MAX_SEED)
    return int(text)


def _read_share(text: str, least: float, key: str) -> float:
    text = _tidied(text)
    try:
        value = float(text.replace(",", "."))
    except ValueError:
        raise AskingError(key, typed=text) from None
    if not least <= value <= 1:  # NaN fails too
        raise AskingError(key, typed=text)
    return value


def _tidied(text: str) -> str:
    """Without the spaces that people and phones put into numbers: around them, and between thousands."""
    text = text.strip()
    return re.sub(r"(?<=\d)[\s\u00a0\u202f](?=\d{3}\b)", "", text)
