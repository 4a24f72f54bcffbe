"""Marks the field that an error is about, for browsers and screen readers."""

from __future__ import annotations

import streamlit as st

_JS = """
export default function (component) {
  const { label, error } = component.data;
  const mark = (tries) => {
    for (const input of document.querySelectorAll("input[data-marked]")) {
      input.removeAttribute("aria-invalid");
      input.removeAttribute("aria-errormessage");
      delete input.dataset.marked;
    }
    if (!label) return;
    const input = document.querySelector(`input[aria-label="${CSS.escape(label)}"]`);
    const message = document.querySelector(`.st-key-${error} [role=alert]`);
    if (!input || !message) {
      if (tries) setTimeout(mark, 50, tries - 1);
      return;
    }
    message.id = error;
    input.dataset.marked = "";
    input.setAttribute("aria-invalid", "true");
    input.setAttribute("aria-errormessage", error);
  };
  mark(20);
}
"""

_invalid_field = st.components.v2.component("palm_invalid_field", js=_JS)


def mark_invalid(label: str, error: str) -> None:
    """Mark the text field with this label as invalid, and no other one.

    Args:
        label: of the field; "" if all fields are valid.
        error: key of the container with the message.
    """
    with st.container(key="invalid_field"):
        _invalid_field(data={"label": label, "error": error}, key="field_that_is_invalid")
