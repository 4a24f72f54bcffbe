"""Values of widgets, held by the page: no change of language, no rerun and no way back loses or revives one.

With each request, a browser sends the values of all widgets: as texts in the language that they were shown
in, and before it knows what the page has set since. So no widget is ever set. Where it has to show something
else than the visitor entered, or the same in another language, another widget takes its place, and what the
browser still sends for the one before is dropped.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import streamlit as st

state = st.session_state


@dataclass(frozen=True)
class _Held:
    """One widget, and what is entered in it.

    Attributes:
        name: the same for all widgets that take one another's place.
        initial: value that it began with.
        value: last one that the page took over from it.
        number: counts the widgets of this name.
        language: that it is shown in.
        options: what can be chosen; None if anything can be entered.
    """

    name: str
    initial: Any
    value: Any
    number: int = 0
    language: str = ""
    options: tuple[Any, ...] | None = None

    @property
    def key(self) -> str:
        return f"{self.name}-{self.number}"

    @property
    def entered(self) -> Any:
        """What is entered now; what was before, if it is none of the options."""
        entered = state.get(self.key, self.value)
        return entered if self.options is None or entered in self.options else self.value

    def followed_by(self, value: object, language: str) -> _Held:
        """The widget that takes its place."""
        return _Held(self.name, value, value, self.number + 1, language)


def put(name: str, value: object) -> None:
    """Show this value from now on, whatever was entered until now."""
    held = _get(name)
    _set(_Held(name, value, value) if held is None else held.followed_by(value, held.language))


def get(name: str) -> Any:
    """What is entered in the widget of this name, or was when it was shown last.

    Raises:
        KeyError: nothing was ever put there.
    """
    held = _get(name)
    if held is None:
        raise KeyError(name)
    return held.entered


def widget(name: str, language: str = "", options: Sequence[Any] | None = None) -> tuple[str, Any]:
    """Key of the widget that is to be shown now, and the value that it begins with.

    Args:
        name: of the value, which was put there.
        language: of the texts that the browser sends as its value; "" if they are the same in all languages.
        options: what can be chosen; None if anything can be entered.

    Raises:
        KeyError: nothing was ever put there.
    """
    held = before = _get(name)
    if held is None:
        raise KeyError(name)
    value = held.entered
    is_fresh = held.initial != value and held.key not in state  # was not shown meanwhile
    if held.language != language or is_fresh:
        held = held.followed_by(value, language)
    held = replace(held, options=None if options is None else tuple(options))
    if held != before:
        _set(held)
    return held.key, held.initial


def showing(
    name: str, value: object, language: str = "", options: Sequence[Any] | None = None
) -> tuple[str, Any]:
    """`widget` for a value that the page keeps elsewhere: the widget shows it, whatever set it."""
    held = _get(name)
    if held is None:
        _set(_Held(name, value, value, language=language))
    elif held.entered != value:
        put(name, value)
    return widget(name, language, options)


def entered(name: str, key: str) -> Any:
    """For callbacks: what a visitor has entered in the widget of this key; None if another took its place."""
    held = _get(name)
    return held.entered if held is not None and held.key == key else None


def capture() -> None:
    """Take over what is entered, when a run begins: Streamlit forgets a widget that a run does not show."""
    for held in list(_all().values()):
        value = held.entered
        if value != held.value:
            _set(replace(held, value=value))


def section(label: str, name: str, language: str) -> Any:
    """An expander that stays as the visitor left it; closed at first."""
    key, expanded = showing(name, False, language) if _get(name) is None else widget(name, language)
    return st.expander(label, expanded=expanded, key=key, on_change="rerun")


def _all() -> dict[str, _Held]:
    """By name, for this visitor."""
    all_held: dict[str, _Held] = state.setdefault("held", {})
    return all_held


def _get(name: str) -> _Held | None:
    return _all().get(name)


def _set(held: _Held) -> None:
    _all()[held.name] = held
