"""The Enter key in text fields that are in no form of Streamlit's.

A form of Streamlit's keeps what is entered in the browser until its button is clicked: after a change of
language the page shows other values than the button then sends.
"""

from __future__ import annotations

import streamlit as st

_JS = """
export default function (component) {
  const { fields, button } = component.data;
  const press = (event) => {
    if (event.key !== "Enter" || event.isComposing || event.repeat) return;
    const field = event.target;
    const isText = field.matches?.("input[type=text]:not([role=combobox])");
    if (!isText || !field.closest(`.st-key-${fields}`)) return;
    // Streamlit takes over the text first.
    setTimeout(() => document.querySelector(`.st-key-${button} button`)?.click(), 50);
  };
  document.addEventListener("keydown", press);
  return () => document.removeEventListener("keydown", press);
}
"""

_enter_key = st.components.v2.component("palm_enter_key", js=_JS)


def click_on_enter(fields: str, button: str) -> None:
    """Let the Enter key in a text field of one container click the button in the other.

    Args:
        fields: key of the container with the text fields.
        button: key of the button.
    """
    with st.container(key="enter_key"):
        _enter_key(data={"fields": fields, "button": button}, key="button_of_enter_key")
