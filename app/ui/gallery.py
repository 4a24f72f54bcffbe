"""Gallery component: palms as cards that can be clicked, or opened with the keyboard."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import streamlit as st

from app.ui.images import data_url

_GALLERY_CSS = """
ul { list-style: none; margin: 0 -.25rem; padding: .25rem; display: grid; gap: .9rem;
  grid-template-columns: repeat(auto-fill, var(--side)); justify-content: space-between; }
@media (max-width: 40rem) {
  ul { grid-template-columns: repeat(auto-fill, minmax(min(var(--side), 29%), 1fr)); gap: .6rem; }
}
button { all: unset; box-sizing: border-box; display: block; width: 100%; cursor: pointer;
  border-radius: .7rem; color: var(--st-text-color); font-family: var(--st-font);
  transition: transform .12s; }
button:hover { transform: translateY(-2px); }
button:focus-visible { outline: 3px solid var(--st-primary-color); outline-offset: 3px; }
img { display: block; width: 100%; aspect-ratio: 1; border-radius: .7rem; image-rendering: pixelated;
  background: var(--st-secondary-background-color); outline: 1px solid #8883; outline-offset: -1px; }
span { display: flex; flex-wrap: wrap; justify-content: space-between; padding: .3rem .2rem 0;
  font-size: .9rem; font-variant-numeric: tabular-nums; }
@media (prefers-reduced-motion: reduce) { button { transition: none; } }
"""

# Cards are built from textContent and properties only: nothing in the data can become markup.
_GALLERY_JS = """
export default function (component) {
  const { data, parentElement, setTriggerValue } = component;
  const list = parentElement.querySelector("ul");
  list.style.setProperty("--side", `${data.side}px`);
  list.replaceChildren(...data.cards.map((card) => {
    const item = document.createElement("li");
    const button = document.createElement("button");
    const image = document.createElement("img");
    const caption = document.createElement("span");
    button.type = "button";
    button.setAttribute("aria-label", card.action);
    image.src = card.src;
    image.alt = card.alt;
    for (const text of [card.name, card.score]) {
      const part = document.createElement("b");
      part.style.fontWeight = text === card.score ? 600 : 400;
      part.textContent = text;
      caption.append(part);
    }
    button.append(image, caption);
    button.onclick = () => setTriggerValue("opened", card.index);
    item.append(button);
    return item;
  }));
}
"""

_gallery = st.components.v2.component("palm_gallery", html="<ul></ul>", css=_GALLERY_CSS, js=_GALLERY_JS)


@dataclass(frozen=True)
class Card:
    """One palm in a gallery.

    Attributes:
        index: what `gallery` returns when it is clicked.
        name: caption.
        score: second caption.
        alt: description of the image.
        action: what a click does, for screen readers.
        png: the image.
    """

    index: int
    name: str
    score: str
    alt: str
    action: str
    png: bytes


def gallery(cards: Sequence[Card], key: str, *, image_size: int, card_width: int = 150) -> int | None:
    """Show cards; return the index of the one that was just clicked, else None.

    Args:
        cards: palms, in order.
        key: tells this gallery from others on the page.
        image_size: side of the images; each of their pixels becomes a whole number of screen pixels.
        card_width: wanted width of a card in CSS pixels; see `display_size`.
    """
    data = [
        {
            "index": card.index,
            "name": card.name,
            "score": card.score,
            "alt": card.alt,
            "action": card.action,
            "src": data_url(card.png),
        }
        for card in cards
    ]
    result = _gallery(
        data={"cards": data, "side": display_size(image_size, card_width)},
        key=key,
        on_opened_change=lambda: None,
    )
    opened: int | None = result.opened
    return opened


def display_size(image_size: int, wanted: int) -> int:
    """The multiple of `image_size` nearest to `wanted`; `wanted` itself if the image is much larger."""
    return image_size * max(round(wanted / image_size), 1) if image_size < 1.5 * wanted else wanted
