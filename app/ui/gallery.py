"""What Streamlit has no words for: the gallery, one large picture, and a few rules of style."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

import streamlit as st

STYLE = """<style>
/* Streamlit's own words are English in every language. */
[data-testid="InputInstructions"], [data-testid="stStatusWidget"] { display: none; }
[data-testid="stMainBlockContainer"] { max-width: 76rem; padding-top: 1.5rem; padding-bottom: 2rem; }
[data-testid="stHeader"] { display: none; }  /* empty: our own navigation is part of the page */
[data-variant="segmented_control"][data-selected] p { color: var(--palm-text); }
:root { --palm-text: #2a211c; }
@media (prefers-color-scheme: dark) { :root { --palm-text: #f4ebe1; } }
[data-testid="stCaptionContainer"] { color: var(--palm-text); opacity: .8; }
[data-testid="stSliderThumbValue"] p { color: var(--palm-text); }
h2 { font-size: 1.5rem !important; }
h3 { font-size: 1.25rem !important; }
h1 { font-size: clamp(1.9rem, 6vw, 2.75rem) !important; padding-top: .25rem !important; }
.palm-lead { max-width: 44rem; opacity: .85; margin: -.5rem 0 .5rem; font-size: 1.05rem; }
.palm-empty { text-align: center; padding: 3.5rem 1rem; border: 2px dashed #8886;
  border-radius: 1rem; }
.palm-empty strong { display: block; font-size: 1.2rem; margin-bottom: .3rem; }
.palm-moving { display: block; max-width: 100%; border-radius: .8rem; }
.palm-samples { display: block; width: 100%; border-radius: .5rem; }
.palm-curves { display: block; width: 100%; max-width: 56rem; font-size: 12px; fill: currentColor; }
.palm-strip { display: flex; gap: .4rem; overflow: hidden; height: 5rem; }
.palm-strip img { height: 5rem; width: 5rem; border-radius: .4rem; image-rendering: pixelated; }
.palm-large { display: block; width: min(100%, 27rem); aspect-ratio: 1; margin: 0 auto;
  border-radius: .8rem; image-rendering: pixelated; }
.palm-large.smooth { image-rendering: auto; }
.palm-bars { display: grid; grid-template-columns: max-content minmax(4rem, 22rem) max-content;
  gap: .35rem .9rem; align-items: center; font-variant-numeric: tabular-nums; margin: 0 !important;
  padding: 0; }
.palm-bars i { display: block; height: .8rem; min-width: 2px; border-radius: .4rem; background: #c8683a; }
.palm-bars dt, .palm-bars dd { margin: 0 !important; padding: 0; }
.palm-reliability { display: block; width: 100%; max-width: 20rem; font-size: 12px; fill: currentColor; }
.palm-pair { display: grid; grid-template-columns: 1fr 1fr; gap: .9rem; margin: 0; }
.palm-pair figure { margin: 0; }
.palm-pair figcaption { text-align: center; padding-top: .35rem; font-size: .95rem; }
.palm-figures { border-collapse: collapse; font-variant-numeric: tabular-nums; margin: .2rem 0 .4rem; }
.palm-figures th, .palm-figures td { padding: .4rem clamp(.6rem, 2.5vw, 1.6rem) .4rem 0;
  border-bottom: 1px solid #8884; text-align: left; font-weight: 400; vertical-align: top; }
.palm-figures thead th { font-size: .9rem; opacity: .85; }
.palm-figures td:nth-child(2) { font-weight: 650; }
.st-key-speaker { display: none; }
.st-key-footer { border-top: 1px solid #8886; margin-top: 2rem; padding-top: .5rem; }
.palm-foot { font-size: .9rem; opacity: .9; }
</style>"""

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

# Cards are made with textContent and properties only: nothing in the data can become markup.
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
    button.setAttribute("aria-label", card.open);
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

# Streamlit labels some buttons in English only. What a label was is kept, for the next change of language.
_SPEAKER_JS = """
const spoken = { labels: {}, skip: "" };

function relabel() {
  for (const button of document.querySelectorAll("button[aria-label]")) {
    const label = button.dataset.said ??= button.getAttribute("aria-label");
    for (const [theirs, ours] of Object.entries(spoken.labels)) {
      const isStart = theirs.endsWith(" ") && label.startsWith(theirs);
      const wanted = label === theirs ? ours : isStart ? ours + label.slice(theirs.length) : null;
      if (wanted !== null && wanted !== button.getAttribute("aria-label")) {
        button.setAttribute("aria-label", wanted);
      }
    }
  }
  const skip = document.querySelector('a[href="#stMain"]');
  if (skip && skip.textContent !== spoken.skip) skip.textContent = spoken.skip;
}

export default function (component) {
  document.documentElement.lang = component.data.language;
  Object.assign(spoken, component.data);
  if (!spoken.observer) {
    spoken.observer = new MutationObserver(relabel);
    spoken.observer.observe(document.body, { childList: true, subtree: true });
  }
  relabel();
}
"""

_gallery = st.components.v2.component("palm_gallery", html="<ul></ul>", css=_GALLERY_CSS, js=_GALLERY_JS)
_speaker = st.components.v2.component("palm_speaker", js=_SPEAKER_JS)


@dataclass(frozen=True)
class Card:
    """One palm in the gallery: what is seen under it, what a screen reader says, and its PNG."""

    index: int
    name: str
    score: str
    alt: str
    open: str
    png: bytes


def gallery(cards: Sequence[Card], key: str, *, image_size: int, about: int = 150) -> int | None:
    """Show the cards; the index of the one that was just clicked.

    Args:
        cards: palms, in order.
        key: tells this gallery from another one on the page.
        image_size: of the palms; each of their pixels becomes a whole number of pixels of the screen.
        about: width of a card, in pixels of the screen, that they are scaled near to.
    """
    data = [
        {
            "index": c.index,
            "name": c.name,
            "score": c.score,
            "alt": c.alt,
            "open": c.open,
            "src": data_address(c.png),
        }
        for c in cards
    ]
    result = _gallery(
        data={"cards": data, "side": scaled(image_size, about)}, key=key, on_opened_change=lambda: None
    )
    return result.opened


def scaled(image_size: int, about: int) -> int:
    """The multiple of a size that is nearest to `about`; a size that is larger than that is shown smaller."""
    return image_size * max(round(about / image_size), 1) if image_size < 1.5 * about else about


def large(png: bytes, alt: str, *, smooth: bool = False) -> None:
    """One picture, large: with its pixels to be seen, or smoothed."""
    st.html(
        f'<img class="palm-large {"smooth" if smooth else ""}" src="{data_address(png)}" alt="{escape(alt)}">'
    )


def pair(
    pngs: tuple[bytes, bytes], alts: tuple[str, str], captions: tuple[str, str], *, smooth: bool = False
) -> None:
    """Two pictures beside each other, with a line under each."""
    kind = f"palm-large {'smooth' if smooth else ''}"
    parts = [
        f'<figure><img class="{kind}" src="{data_address(png)}" alt="{escape(alt)}">'
        f"<figcaption>{escape(caption)}</figcaption></figure>"
        for png, alt, caption in zip(pngs, alts, captions, strict=True)
    ]
    st.html(f'<div class="palm-pair">{"".join(parts)}</div>')


def figures(head: Sequence[str], rows: Sequence[Sequence[str]], name: str) -> None:
    """A table of a few figures; the first column names the row."""
    above = "".join(f'<th scope="col">{escape(cell)}</th>' if cell else "<td></td>" for cell in head)
    below = "".join(
        f'<tr><th scope="row">{escape(first)}</th>{"".join(f"<td>{escape(cell)}</td>" for cell in rest)}</tr>'
        for first, *rest in rows
    )
    st.html(
        f'<table class="palm-figures" aria-label="{escape(name)}"><thead><tr>{above}</tr></thead>'
        f"<tbody>{below}</tbody></table>"
    )


def bars(rows: Sequence[tuple[str, int]]) -> None:
    """Counts as bars, each with its name and share."""
    total = sum(count for _, count in rows) or 1
    parts = [
        f'<dt>{escape(name)}</dt><dd aria-hidden="true"><i style="width:{100 * count / total:.1f}%"></i></dd>'
        f"<dd>{count} ({100 * count / total:.0f} %)</dd>"
        for name, count in rows
    ]
    st.html(f'<dl class="palm-bars">{"".join(parts)}</dl>')


def samples(png: bytes, alt: str) -> None:
    """A grid of palms, as wide as there is room."""
    st.html(f'<img class="palm-samples" src="{data_address(png)}" alt="{escape(alt)}">')


def drawing(svg: str) -> None:
    """A drawing of our own making; nothing that a visitor typed is in it."""
    st.html(svg)


def strip(pngs: Sequence[bytes]) -> None:
    """A few small pictures in a row; decoration, so a screen reader skips them."""
    images = "".join(f'<img src="{data_address(png)}" alt="">' for png in pngs)
    st.html(f'<div class="palm-strip" aria-hidden="true">{images}</div>')


def moving(webp: bytes, alt: str) -> None:
    """An animated picture, at its own size."""
    address = "data:image/webp;base64," + base64.b64encode(webp).decode()
    st.html(f'<img class="palm-moving" src="{address}" alt="{escape(alt)}">')


def data_address(png: bytes) -> str:
    """The picture as an address of its own."""
    return "data:image/png;base64," + base64.b64encode(png).decode()


def speak(language: str, labels: Mapping[str, str], skip: str) -> None:
    """Tell the browser and screen readers which language this is, down to the labels of buttons.

    Args:
        language: "ru" or "en".
        labels: Streamlit's English labels and ours; one that ends in a space is the beginning of a label.
        skip: text of the link to the main content that a keyboard meets first.
    """
    with st.container(key="speaker"):
        _speaker(data={"language": language, "labels": dict(labels), "skip": skip}, key="speaker_of_page")
