"""Gallery component: palms as cards that can be clicked, or opened with the keyboard."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import streamlit as st

from app.ui.images import data_url

_GALLERY_CSS = """
ul { list-style: none; margin: 0 -.25rem; padding: .25rem; display: grid; gap: .7rem .9rem;
  grid-template-columns: repeat(auto-fill, var(--side)); justify-content: space-between; }
@media (max-width: 40rem) {
  ul { grid-template-columns: repeat(var(--narrow), 1fr); gap: .5rem; }
}
button { all: unset; box-sizing: border-box; display: block; width: 100%; cursor: pointer;
  border-radius: .7rem; color: var(--st-text-color); font-family: var(--st-font);
  transition: transform .12s; }
button:hover { transform: translateY(-2px); }
button:focus-visible { outline: 3px solid var(--st-primary-color); outline-offset: 3px; }
img { display: block; width: 100%; aspect-ratio: 1; border-radius: .7rem; image-rendering: pixelated;
  background: var(--st-secondary-background-color); outline: 1px solid #8883; outline-offset: -1px; }
span { display: flex; flex-wrap: wrap; justify-content: space-between; column-gap: .3rem;
  padding: .3rem .2rem 0; font-size: .9rem; line-height: 1.25; font-variant-numeric: tabular-nums; }
b { font-weight: 400; }
b + b { font-weight: 600; }
small { flex-basis: 100%; text-align: right; font-size: .8rem; opacity: .85; }
b[data-band]::before { content: ""; display: inline-block; width: .6rem; height: .6rem; margin-right: .3rem;
  border-radius: 50%; background: #b3261e; }
b[data-band=middle]::before { background: #d99a1c; border-radius: 0; }
b[data-band=high]::before { background: #3f8f4f; border-radius: 0;
  transform: rotate(45deg) scale(.85); }
@media (max-width: 40rem) { small { display: none; } span { font-size: .8rem; } }
@media (prefers-reduced-motion: reduce) { button { transition: none; } }
"""

# Cards are built from textContent and properties only: nothing in the data can become markup. Cards that are
# there already are filled anew, so that the keyboard focus stays where it is.
_GALLERY_JS = """
function newCard() {
  const item = document.createElement("li");
  const button = document.createElement("button");
  const caption = document.createElement("span");
  button.type = "button";
  caption.append(document.createElement("b"), document.createElement("b"), document.createElement("small"));
  button.append(document.createElement("img"), caption);
  item.append(button);
  return item;
}

function fill(item, card, open) {
  const button = item.firstChild;
  const [image, caption] = button.children;
  const [name, score, word] = caption.children;
  button.setAttribute("aria-label", card.action);
  button.onclick = () => open(card.index);
  if (image.src !== card.src) image.src = card.src;
  image.alt = card.alt;
  name.textContent = card.name;
  score.textContent = card.score;
  word.textContent = card.word;
  if (card.band) score.dataset.band = card.band; else delete score.dataset.band;
  return item;
}

function focusWithoutDialog(button) {
  if (document.querySelector("[role=dialog]")) setTimeout(focusWithoutDialog, 50, button);
  else button.focus();
}

export default function (component) {
  const { data, parentElement, setTriggerValue } = component;
  const list = parentElement.querySelector("ul");
  const open = (index) => setTriggerValue("opened", index);
  list.style.setProperty("--side", `${data.side}px`);
  list.style.setProperty("--narrow", data.narrow);
  const items = data.cards.map((card, place) => fill(list.children[place] ?? newCard(), card, open));
  list.replaceChildren(...items);
  const place = data.cards.findIndex((card) => card.index === data.focus);
  if (place >= 0 && window.palmFocused !== data.focusToken) {
    window.palmFocused = data.focusToken;  // not of this element, which may be another one later
    focusWithoutDialog(items[place].firstChild);
  }
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
        word: what the score says; "" for nothing.
        band: of the score, which gives it a color; "" for none.
    """

    index: int
    name: str
    score: str
    alt: str
    action: str
    png: bytes
    word: str = ""
    band: str = ""


@dataclass(frozen=True)
class Focus:
    """A card that gets the keyboard focus, once.

    Attributes:
        index: of the card.
        token: another one for each time.
    """

    index: int
    token: int


def gallery(
    cards: Sequence[Card],
    key: str,
    *,
    image_size: int,
    card_width: int = 150,
    narrow: int = 3,
    focus: Focus | None = None,
    on_open: Callable[[int], None],
) -> None:
    """Show cards.

    Args:
        cards: palms, in order.
        key: tells this gallery from others on the page.
        image_size: side of the images; each of their pixels becomes a whole number of screen pixels.
        card_width: wanted width of a card in CSS pixels; see `display_size`.
        narrow: cards in a row on a phone.
        focus: the card that gets the keyboard focus as soon as no dialog is open.
        on_open: called with the index of a card that was clicked, before the script runs: it can be
            interrupted before it comes here, and the click would be lost.
    """
    indices = {card.index for card in cards}

    def opened() -> None:
        index = st.session_state[key].opened
        if isinstance(index, int) and index in indices:  # else it is not sent by our script
            on_open(index)

    data = [
        {
            "index": card.index,
            "name": card.name,
            "score": card.score,
            "alt": card.alt,
            "action": card.action,
            "src": data_url(card.png),
            "word": card.word,
            "band": card.band,
        }
        for card in cards
    ]
    _gallery(
        data={
            "cards": data,
            "side": display_size(image_size, card_width),
            "narrow": narrow,
            "focus": None if focus is None else focus.index,
            "focusToken": 0 if focus is None else focus.token,
        },
        key=key,
        on_opened_change=opened,
    )


def display_size(image_size: int, wanted: int) -> int:
    """The multiple of `image_size` nearest to `wanted`; `wanted` itself if the image is much larger."""
    return image_size * max(round(wanted / image_size), 1) if image_size < 1.5 * wanted else wanted
