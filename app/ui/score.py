"""The score of an image: a number, a word and a color, and what it means one click away."""

from __future__ import annotations

from html import escape

import streamlit as st

from app.i18n.words import Words
from app.work.score import band


def score_word(words: Words, score: float, *, calibrated: bool) -> str:
    """What the score says in a word or two; "" for one that is no probability."""
    return words(f"score_{band(score)}") if calibrated else ""


def show_score(words: Words, score: float, *, calibrated: bool) -> None:
    """Number, word and color of a score, and a button that explains it."""
    word = score_word(words, score, calibrated=calibrated)
    mark = f'<i class="palm-band {band(score)}"></i>' if word else ""
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="score_line"):
        st.html(
            f'<div class="palm-score">{escape(words("score"))}: {mark}<b>{words.decimal(score)}</b> '
            f"{escape(word)}</div>",
            width="content",
        )
        explain_score(words, calibrated=calibrated)


def explain_score(words: Words, *, calibrated: bool) -> None:
    """A button that says what the score means."""
    with st.popover(words("score_what"), type="tertiary"):
        st.write(words("score_help_calibrated" if calibrated else "score_help_raw"))
        if calibrated:
            rows = "".join(
                f'<dt><i class="palm-band {name}"></i>{escape(words(f"score_{name}"))}</dt>'
                f"<dd>{escape(words(f'score_range_{name}'))}</dd>"
                for name in ("low", "middle", "high")
            )
            st.html(f'<dl class="palm-bands">{rows}</dl>')
        st.write(words("score_jumps"))
