"""Images in the page's markup: one or two large ones, sheets, thumbnails, animations."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from html import escape

import streamlit as st


def show_large(png: bytes, alt: str, *, smooth: bool = False) -> None:
    """One image, large, with visible pixels or smoothed."""
    st.html(_large(png, alt, smooth))


def show_pair(
    pngs: tuple[bytes, bytes], alts: tuple[str, str], captions: tuple[str, str], *, smooth: bool = False
) -> None:
    """Two large images side by side, each with a caption."""
    parts = [
        f"<figure>{_large(png, alt, smooth)}<figcaption>{escape(caption)}</figcaption></figure>"
        for png, alt, caption in zip(pngs, alts, captions, strict=True)
    ]
    st.html(f'<div class="palm-pair">{"".join(parts)}</div>')


def show_sheet(png: bytes, alt: str) -> None:
    """A grid of palms in one image, as wide as the page."""
    st.html(f'<img class="palm-samples" src="{data_url(png)}" alt="{escape(alt)}">')


def show_thumbnails(pngs: Sequence[bytes]) -> None:
    """A few small images in a row; decoration, which screen readers skip."""
    images = "".join(f'<img src="{data_url(png)}" alt="">' for png in pngs)
    st.html(f'<div class="palm-thumbnails" aria-hidden="true">{images}</div>')


def show_animation(webp: bytes, alt: str) -> None:
    """An animated WebP at its own size."""
    st.html(f'<img class="palm-animation" src="{data_url(webp, "webp")}" alt="{escape(alt)}">')


def data_url(content: bytes, kind: str = "png") -> str:
    """An image as a `data:` URL."""
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


def _large(png: bytes, alt: str, smooth: bool) -> str:
    kind = f"palm-large {'smooth' if smooth else ''}"
    return f'<img class="{kind}" src="{data_url(png)}" alt="{escape(alt)}">'
