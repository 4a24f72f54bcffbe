"""Links to what the page shows: the query string of its address, read, written and compared."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit

from app.i18n.words import LANGUAGES
from app.work.gallery import Order
from palm_assets.gan.hand_labels import ANY, LABELS, HandLabels
from palm_assets.generation.config import MAX_VARIATION_STEPS, VARIATION_COUNT
from palm_assets.generation.generate import GenerationRequest

MAX_LENGTH = 40
_DIGITS = re.compile(r"[0-9]{1,9}")
_STEPS = re.compile(rf"[0-9]{{1,2}}(\.[0-9]{{1,2}}){{0,{MAX_VARIATION_STEPS - 1}}}")


@dataclass(frozen=True)
class Link:
    """What a page's address names, as text: nothing in it is checked yet.

    Attributes:
        count: value of `n`.
        seed: value of `seed`.
        language: "ru", "en", or "" if the address names no language of ours.
        truncation: value of `t`.
        min_score: value of `min`.
        model: name of the model in links; "" for the one that the page serves by default.
        palm: value of `palm`, the number of the palm that is shown large.
        page: value of `page`, of the gallery.
        order: value of `order`, of the gallery.
        like: value of `like`, the steps of variations.
        aspect: palm or back; "" for any, and likewise:
        side: left or right.
        skin: fair, medium or dark.
    """

    count: str = ""
    seed: str = ""
    language: str = ""
    truncation: str = ""
    min_score: str = ""
    model: str = ""
    palm: str = ""
    page: str = ""
    order: str = ""
    like: str = ""
    aspect: str = ""
    side: str = ""
    skin: str = ""

    @property
    def labels(self) -> HandLabels:
        """What the set shows."""
        return HandLabels(self.aspect or ANY, self.side or ANY, self.skin or ANY)

    @property
    def is_complete(self) -> bool:
        """Whether it names one particular set, which the page then generates without a click."""
        return bool(self.count and self.seed)

    @property
    def parameters(self) -> dict[str, str]:
        """The query parameters, in the order in which the page writes them."""
        named = {
            "n": self.count,
            "seed": self.seed,
            "t": self.truncation,
            "min": self.min_score,
            **self.labels.known,
            "model": self.model,
            "order": self.order,
            "page": self.page,
            "palm": self.palm,
            "like": self.like,
            "lang": self.language,
        }
        return {name: text for name, text in named.items() if text}

    @property
    def is_empty(self) -> bool:
        """Whether it names no request at all."""
        return not (self.count or self.seed or self.truncation or self.min_score or self.labels.known)


@dataclass(frozen=True)
class View:
    """What is shown of a set.

    Attributes:
        palm: number of the palm that is shown large; None if none is.
        page: of the gallery, from 1.
        order: of the gallery.
        like: steps to the variation that is shown, with its own variations, instead of the palm; None if the
            palm itself is shown alone.
    """

    palm: int | None = None
    page: int = 1
    order: Order = "number"
    like: tuple[int, ...] | None = None


def read_link(parameters: Mapping[str, str]) -> Link:
    """Read the query parameters of an address; unknown ones are ignored."""

    def value(name: str, max_length: int = MAX_LENGTH) -> str:
        return parameters.get(name, "")[:max_length]

    language = value("lang")
    return Link(
        count=value("n"),
        seed=value("seed"),
        language=language if language in LANGUAGES else "",
        truncation=value("t"),
        min_score=value("min"),
        model=value("model"),
        palm=value("palm"),
        page=value("page"),
        order=value("order"),
        like=value("like", 3 * MAX_VARIATION_STEPS),
        **{name: value(name) for name, known in LABELS.items() if value(name) in known},
    )


def read_view(link: Link) -> View:
    """What a link shows of its set; a value that cannot be used is ignored."""
    palm, page = (int(text) if _DIGITS.fullmatch(text) else 0 for text in (link.palm, link.page))
    steps = tuple(map(int, link.like.split("."))) if _STEPS.fullmatch(link.like) else None
    if steps == (0,):
        steps = ()
    elif steps is not None and not all(1 <= step <= VARIATION_COUNT for step in steps):
        steps = None
    order: Order = "score" if link.order == "score" else "number"
    return View(palm or None, page or 1, order, steps if palm else None)


def link_parameters(
    request: GenerationRequest | None, language: str, model: str = "", view: View | None = None
) -> dict[str, str]:
    """Query parameters that reproduce what is shown; defaults are left out.

    Args:
        request: the set; None for the examples that the page begins with.
        language: of the page.
        model: its name in links; "" leaves it to the page.
        view: what is shown of the set.
    """
    parameters: dict[str, str] = {}
    if request is not None:
        parameters |= {"n": str(request.count), "seed": str(request.seed)}
        if request.truncation != 1:
            parameters["t"] = f"{request.truncation:g}"
        if request.min_score is not None:
            parameters["min"] = f"{request.min_score:g}"
        parameters |= request.labels.known
    if model:
        parameters["model"] = model
    if view is not None and view.order != "number":
        parameters["order"] = view.order
    if view is not None and view.page != 1:
        parameters["page"] = str(view.page)
    if view is not None and view.palm is not None:
        parameters["palm"] = str(view.palm)
        if view.like is not None:
            parameters["like"] = ".".join(map(str, view.like)) or "0"
    return {**parameters, "lang": language}


def is_same_place(first: Mapping[str, str], second: Mapping[str, str], defaults: Mapping[str, str]) -> bool:
    """Whether two addresses show the same, given what the page assumes where an address is silent."""
    return {**defaults, **_spelled_alike(first)} == {**defaults, **_spelled_alike(second)}


def link_to(
    address: str, request: GenerationRequest, language: str, model: str = "", view: View | None = None
) -> str:
    """The full address of a set, given any address of the page."""
    page = address.split("?")[0].split("#")[0].rstrip("/")
    return f"{page}/?{urlencode(link_parameters(request, language, model, view))}"


def unknown_path(address: str | None, pages: Collection[str]) -> str:
    """The last part of an address that is none of the pages' paths; "" if it is one."""
    path = urlsplit(address or "").path.rstrip("/").rpartition("/")[2]
    return "" if path in pages or not re.fullmatch(r"[\w.%-]{1,80}", path) else path


def _spelled_alike(parameters: Mapping[str, str]) -> dict[str, str]:
    """Numbers in the form in which `link_parameters` writes them."""
    spelled = {}
    for name, text in parameters.items():
        try:
            spelled[name] = (
                f"{float(text):.17g}" if name in ("n", "seed", "t", "min", "page", "palm") else text
            )
        except ValueError:
            spelled[name] = text
    return spelled
