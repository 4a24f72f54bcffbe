"""The address of the page: taken up when the visitor moves along it, written when something else is shown."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from app.i18n.words import LANGUAGES, language_for
from app.work.links import Link, is_same_place, read_link

state = st.session_state


def language_of_address() -> str | None:
    """The language to change to: that of an address the visitor has just come to; None if nobody moved."""
    if "address" in state and state.address[1] == st.query_params.to_dict():
        return None
    named = st.query_params.get("lang", "")
    return named if named in LANGUAGES else language_for(st.context.locale)


def arrived_at(page: str) -> Link | None:
    """The link that the visitor has just come to, at first or by Back or Forward; None if nobody moved.

    Args:
        page: path of the page that is shown; "" for the main one.
    """
    here = (page, st.query_params.to_dict())
    if state.get("address") == here:
        return None
    state.address = here
    return read_link(here[1])


def write(page: str, parameters: Mapping[str, str], *, model: str) -> None:
    """Make the address name what is shown; one that names it already stays as it is.

    Args:
        page: path of the page that is shown.
        parameters: what is shown, as `link_parameters` names it.
        model: name of the model that is meant where an address names none.
    """
    defaults = {"model": model, "lang": language_for(st.context.locale)}
    if not is_same_place(st.query_params.to_dict(), parameters, defaults):
        st.query_params.from_dict(parameters)
    state.address = (page, st.query_params.to_dict())
