"""Moves the keyboard focus to what has just appeared."""

from __future__ import annotations

import streamlit as st

_JS = """
export default function (component) {
  const { key, token } = component.data;
  const root = component.parentElement.host ?? component.parentElement;
  if (root.dataset.token === token) return;
  root.dataset.token = token;
  const find = (tries) => {
    const target = document.querySelector(`.st-key-${key}`);
    if (target) {
      target.tabIndex = -1;
      target.focus();
    } else if (tries) setTimeout(find, 50, tries - 1);
  };
  find(20);
}
"""

_focus = st.components.v2.component("palm_focus", js=_JS)


def focus_on(key: str, token: str) -> None:
    """Focus the container with this key, once for each token."""
    with st.container(key=f"focus_{key}"):
        _focus(data={"key": key, "token": token}, key=f"focus_on_{key}")
