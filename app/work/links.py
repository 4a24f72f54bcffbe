"""Links to a set: the query string of the page's address, read and written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from app.i18n.words import LANGUAGES
from palm_assets.generation.generate import GenerationRequest

MAX_LENGTH = 40


@dataclass(frozen=True)
class Link:
    """The request in a page's address, as text: nothing in it is checked yet.

    Attributes:
        count: value of `n`.
        seed: value of `seed`.
        language: "ru", "en", or "" if the address names no language of ours.
        truncation: value of `t`.
        min_score: value of `min`.
    """

    count: str = ""
    seed: str = ""
    language: str = ""
    truncation: str = ""
    min_score: str = ""

    @property
    def is_complete(self) -> bool:
        """Whether it names one particular set, which the page then generates without a click."""
        return bool(self.count and self.seed)


def read_link(parameters: Mapping[str, str]) -> Link:
    """Read the query parameters of an address; unknown ones are ignored."""
    language = parameters.get("lang", "")
    return Link(
        parameters.get("n", "")[:MAX_LENGTH],
        parameters.get("seed", "")[:MAX_LENGTH],
        language if language in LANGUAGES else "",
        parameters.get("t", "")[:MAX_LENGTH],
        parameters.get("min", "")[:MAX_LENGTH],
    )


def link_parameters(request: GenerationRequest, language: str) -> dict[str, str]:
    """Query parameters that reproduce a set; defaults are left out."""
    parameters = {"n": str(request.count), "seed": str(request.seed), "lang": language}
    if request.truncation != 1:
        parameters["t"] = f"{request.truncation:g}"
    if request.min_score is not None:
        parameters["min"] = f"{request.min_score:g}"
    return parameters


def link_to(address: str, request: GenerationRequest, language: str) -> str:
    """The full address of a set, given any address of the page."""
    page = address.split("?")[0].split("#")[0].rstrip("/")
    return f"{page}/?{urlencode(link_parameters(request, language))}"
