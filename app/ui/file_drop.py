"""A place to drop a PNG on: the browser sends only the beginning of the file, never the whole of it."""

from __future__ import annotations

import base64
import binascii

import streamlit as st

from app.origin import HEAD

_CSS = """
label { display: block; padding: 1.2rem 1rem; text-align: center; cursor: pointer; border-radius: .8rem;
  border: 2px dashed #8886; color: var(--st-text-color); font-family: var(--st-font); }
label.over, label:hover { border-color: var(--st-primary-color); }
label:focus-within { outline: 3px solid var(--st-primary-color); outline-offset: 3px; }
input { position: absolute; opacity: 0; width: 1px; height: 1px; }
"""

_JS = """
export default function (component) {
  const { data, parentElement, setTriggerValue } = component;
  const label = parentElement.querySelector("label");
  const input = parentElement.querySelector("input");
  parentElement.querySelector("span").textContent = data.invitation;
  const send = async (file) => {
    if (!file) return;
    const head = new Uint8Array(await file.slice(0, data.head).arrayBuffer());
    setTriggerValue("dropped", btoa(String.fromCharCode(...head)));
  };
  const hold = (event) => {
    if (![...event.dataTransfer.types].includes("Files")) return;
    event.preventDefault();
    label.classList.add("over");
  };
  const leave = () => label.classList.remove("over");
  const drop = (event) => {
    if (!event.dataTransfer.files.length) return;
    event.preventDefault();
    leave();
    send(event.dataTransfer.files[0]);
  };
  input.onchange = () => { send(input.files[0]); input.value = ""; };
  document.addEventListener("dragover", hold);
  document.addEventListener("dragleave", leave);
  document.addEventListener("drop", drop);
  return () => {
    document.removeEventListener("dragover", hold);
    document.removeEventListener("dragleave", leave);
    document.removeEventListener("drop", drop);
  };
}
"""

_picker = st.components.v2.component(
    "palm_picker",
    html='<label><span></span><input type="file" accept="image/png"></label>',
    css=_CSS,
    js=_JS,
)


def dropped_file(invitation: str) -> bytes | None:
    """The beginning of the file that was just dropped on the page, or chosen here; None if none was."""
    result = _picker(
        data={"invitation": invitation, "head": HEAD}, key="picker", on_dropped_change=lambda: None
    )
    sent = result.dropped
    if sent is None:
        return None
    try:
        return base64.b64decode(str(sent)[: HEAD * 2], validate=True)[:HEAD]
    except (binascii.Error, ValueError):
        return b""  # not sent by our script
