"""File drop component: the browser sends only so many bytes of a file, from its beginning."""

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
    let text = "";
    for (let start = 0; start < head.length; start += 8192) {
      text += String.fromCharCode(...head.subarray(start, start + 8192));
    }
    setTriggerValue("dropped", btoa(text));
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
    html='<label><span></span><input type="file" accept="image/*,video/mp4"></label>',
    css=_CSS,
    js=_JS,
)


def file_drop(label: str, *, count: int = HEAD_BYTES, key: str = "file_drop") -> bytes | None:
    """Show a drop zone; return the beginning of a file just dropped or chosen, else None.

    There can be only one on the page, because it takes what is dropped anywhere.

    Args:
        label: what is said in it.
        count: bytes that the browser sends at most.
        key: of the component.
    """
    result = _file_drop(data={"label": label, "bytes": count}, key=key, on_dropped_change=lambda: None)
    sent = result.dropped
    if sent is None:
        return None
    try:
        return base64.b64decode(str(sent)[: count * 2], validate=True)[:count]
    except (binascii.Error, ValueError):
        return b""  # not sent by our script
