"""The model that draws for a visitor: the default one, or another that the visitor or a link chose."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from app.i18n.words import Words, escape_markdown
from app.ui import held
from app.work.resources import model_watcher
from palm_assets.release.model_choices import HANDS_NAME, STARTER_NAME, ModelChoice
from palm_assets.release.serving import Served

state = st.session_state


def served_to_visitor() -> Served:
    """The chosen model; the default one if none was chosen, or if the chosen one is gone or broken."""
    watcher = model_watcher()
    chosen = state.get("chosen_model", "")
    if chosen:
        served = watcher.served(chosen)
        if served.model is not None:
            return served
        state.missing_model, state.chosen_model = chosen, ""
    return watcher.served()


def default_version() -> str:
    """Version of the model that generates if none is chosen; "" if there is none."""
    model = model_watcher().served().model
    return "" if model is None else model.version


def labels() -> tuple[str, ...]:
    """What the model that draws for the visitor can be asked for; known without loading it."""
    chosen = state.get("chosen_model", "")
    for choice in model_watcher().choices():
        if chosen in (choice.name, choice.version) or (not chosen and choice.is_default):
            return choice.labels
    return ()


def is_available(version: str) -> bool:
    """Whether a visitor can choose the model of this version."""
    return any(version == choice.version for choice in model_watcher().choices())


def version_of(name: str) -> str:
    """Version of the model that a link names, by its name or version; the name itself if there is none."""
    return next((choice.version for choice in model_watcher().choices() if choice.name == name), name)


def choose(name: str) -> None:
    """Choose a model by its name or version; "" for the default one, which then follows the release."""
    version = version_of(name)
    state.chosen_model = "" if version == default_version() else version
    state.missing_model = ""


def show_choice(words: Words, served: Served, on_change: Callable[[], None]) -> None:
    """The name of the model, and the others to choose from; `on_change` is called after a choice."""
    choices = {choice.version: choice for choice in model_watcher().choices()}
    if served.model is None:
        return
    shown = served.model.version
    options = list(dict.fromkeys([*choices, shown]))
    key, initial = held.showing("model_choice", shown, words.language, options)

    def change() -> None:
        chosen = held.entered("model_choice", key)
        if chosen in choices and chosen != shown:
            choose(chosen)
            on_change()

    st.selectbox(
        words("model"),
        options,
        index=options.index(initial) if initial in options else 0,
        format_func=lambda version: _describe(words, version, choices.get(version)),
        key=key,
        on_change=change,
        filter_mode=None,
        placeholder=words("model"),  # Streamlit's own is English in every language
        help=words("model_help"),
        width=360,
    )


def show_missing(words: Words) -> None:
    """Say so if the model that a link names is gone."""
    if state.get("missing_model"):
        st.warning(words("model_missing", name=escape_markdown(state.missing_model)))


def _describe(words: Words, version: str, choice: ModelChoice | None) -> str:
    if choice is None:
        return version
    bundled = {STARTER_NAME: "model_starter", HANDS_NAME: "model_hands"}
    name = words(bundled[choice.name]) if choice.name in bundled else choice.name
    return words(f"model_of_{choice.origin}", name=name, size=choice.image_size)
