"""The address of the page: taken up when the visitor moves along it, written when something else is shown.

An address that was written takes its way to the browser and back. Until it is there, requests still name the
one before it, which must not be taken for a visitor who goes back to it.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from app.i18n.words import LANGUAGES, language_for
from app.views import model_choice
from app.work.links import Link, is_same_place, read_link

ROUND_TRIP = 3.0  # seconds, over a slow connection
Place = tuple[str, dict[str, str]]  # path of the page, and its parameters
state = st.session_state


@dataclass(frozen=True)
class Replaced:
    """The address before the one that was written last.

    Attributes:
        place: that address.
        time: when another was written, in seconds of `time.monotonic`.
    """

    place: Place
    time: float


def language_of_address() -> str | None:
    """The language to change to: that of an address the visitor has just come to; None if nobody moved."""
    known: Place | None = state.get("address")
    if known is not None and not _has_moved(known[0], known):
        return None
    named = st.query_params.get("lang", "")
    return named if named in LANGUAGES else language_for(st.context.locale)


def arrived_at(page: str) -> Link | None:
    """The link that the visitor has just come to, at first or by Back or Forward; None if nobody moved.

    Args:
        page: path of the page that is shown; "" for the main one.
    """
    known: Place | None = state.get("address")
    return read_link(st.query_params.to_dict()) if _has_moved(page, known) else None


def followed(page: str) -> None:
    """Remember that the link was followed: last, so that a run that is interrupted before is repeated.

    Args:
        page: path of the page that is shown.
    """
    state.address = (page, st.query_params.to_dict())


def write(page: str, parameters: Mapping[str, str], *, model: str) -> None:
    """Make the address name what is shown; one that names it already stays as it is.

    Args:
        page: path of the page that is shown.
        parameters: what is shown, as `link_parameters` names it.
        model: name of the model that is meant where an address names none.
    """
    known: Place = state.address
    defaults = {"model": model, "lang": language_for(st.context.locale)}
    if is_same_place(with_version(known[1]), parameters, defaults):
        return
    st.query_params.from_dict(parameters)
    state.replaced_address = Replaced(known, time.monotonic())
    state.address = (page, st.query_params.to_dict())


def with_version(parameters: Mapping[str, str]) -> dict[str, str]:
    """The same parameters with the version of the model, where they name it otherwise."""
    versions = {name: model_choice.version_of(text) for name, text in parameters.items() if name == "model"}
    return {**parameters, **versions}


def _has_moved(page: str, known: Place | None) -> bool:
    here: Place = (page, st.query_params.to_dict())
    if here == known:
        return False
    replaced = _just_replaced()
    return replaced is None or replaced.place != here or _is_along_history()


def _just_replaced() -> Replaced | None:
    """The address before the one that was just written, as long as the browser may not know that one."""
    replaced: Replaced | None = state.get("replaced_address")
    return replaced if replaced is not None and time.monotonic() - replaced.time < ROUND_TRIP else None


def _is_along_history() -> bool:
    """Whether this run answers Back or Forward."""
    context = get_script_run_ctx()
    return context is not None and context.is_history_navigation
