"""File drop component: the browser sends only the beginning of a PNG, never the whole file."""

from __future__ import annotations

import base64
import binascii

import streamlit as st

from palm_assets.generation.png_metadata import HEAD_BYTES

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
  parentElement.querySelector("span").textContent = data.label;
  const send = async (file) => {
    if (!file) return;
    const head = new Uint8Array(await file.slice(0, data.bytes).arrayBuffer());
    setTriggerValue("dropped", btoa(String.fromCharCode(...head)));
  };
  const dragOver = (event) => {
    if (![...event.dataTransfer.types].includes("Files")) return;
    event.preventDefault();
    label.classList.add("over");
  };
  const dragLeave = () => label.classList.remove("over");
  const drop = (event) => {
    if (!event.dataTransfer.files.length) return;
    event.preventDefault();
    dragLeave();
    send(event.dataTransfer.files[0]);
  };
  input.onchange = () => { send(input.files[0]); input.value = ""; };
  document.addEventListener("dragover", dragOver);
  document.addEventListener("dragleave", dragLeave);
  document.addEventListener("drop", drop);
  return () => {
    document.removeEventListener("dragover", dragOver);
    document.removeEventListener("dragleave", dragLeave);
    document.removeEventListener("drop", drop);
  };
}
"""

_file_drop = st.components.v2.component(
    "palm_file_drop",
    html='<label><span></span><input type="file" accept="image/png"></label>',
    css=_CSS,
    js=_JS,
)


def file_drop(label: str) -> bytes | None:
    """Show a drop zone; return the first `HEAD_BYTES` of a file just dropped or chosen, else None."""
    result = _file_drop(
        data={"label": label, "bytes": HEAD_BYTES}, key="file_drop", on_dropped_change=lambda: None
    )
    sent = result.dropped
    if sent is None:
        return None
    try:
        return base64.b64decode(str(sent)[: HEAD_BYTES * 2], validate=True)[:HEAD_BYTES]
    except (binascii.Error, ValueError):
        return b""  # not sent by our script
