"""A set: its gallery, page by page, and its downloads."""

from __future__ import annotations

from dataclasses import replace

import streamlit as st

from app.i18n.words import Words
from app.ui import held
from app.ui.gallery import Card, gallery
from app.ui.hand_labels import labels_text
from app.ui.score import explain_score, score_word
from app.views import comparison, large
from app.work.gallery import ORDERS, PAGE_SIZE, Order, page_count, page_entries, sort_entries
from app.work.links import link_to
from app.work.palm_sets import PalmSet
from app.work.score import band
from app.work.set_files import EvictedError
from palm_assets.release.serving import Served

EXAMPLES_IN_A_ROW = 4  # on a phone, so that all are seen at once
state = st.session_state


def show_set(words: Words, palms: PalmSet, served: Served) -> None:
    """A set that a visitor requested, top to bottom."""
    _show_heading(words, words.counted("palms", len(palms.entries)))
    _show_outcome(words, palms, served)
    if not palms.available:
        st.info(words("set_evicted"))
        return
    if not palms.entries:
        return
    try:
        _show_palms(words, palms, served)
    except EvictedError:  # just now, by another visitor's set
        st.info(words("set_evicted"))


def _show_palms(words: Words, palms: PalmSet, served: Served) -> None:
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        with st.container(horizontal=True, width="content", vertical_alignment="center"):
            if len(palms.entries) > 1:
                _choose_order(words)
            explain_score(words, calibrated=palms.calibrated)
        _show_actions(words, palms)
    comparison.show(words, palms, served)
    _show_cards(words, palms)
    _turn_pages(words, page_count(len(palms.entries), PAGE_SIZE))
    with held.section(words("set_link"), "set_link", words.language):
        link = link_to(st.context.url or "", palms.request, words.language, palms.model_version)
        st.code(link, language=None, wrap_lines=True)


def show_examples(words: Words, palms: PalmSet, served: Served) -> None:
    """What a visitor sees first: a dozen palms, and below them what can be done with a set."""
    _show_heading(words, words("examples"))
    _show_cards(words, palms, narrow=EXAMPLES_IN_A_ROW)
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        explain_score(words, calibrated=palms.calibrated)
        _show_actions(words, palms)
    comparison.show(words, palms, served)


def _show_heading(words: Words, text: str) -> None:
    """A heading, with the label that the images are generated."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="set_heading"):
        st.header(text, anchor=False, width="content")
        st.html(f'<span class="palm-ai">{words("ai_label")}</span>', width="content")


def _show_actions(words: Words, palms: PalmSet) -> None:
    """The buttons that compare the set and download it."""
    label = words("download_zip", size=words.decimal(max(palms.size / 1e6, 0.1), 1))
    file_name = f"{palms.subject}s-{palms.request.seed}.zip"
    with st.container(horizontal=True, width="content", vertical_alignment="center"):
        comparison.show_button(words, palms)
        st.download_button(
            label,
            lambda: palms.archive,  # an error, if it was evicted since, tells the browser that there is none
            file_name,
            "application/zip",
            on_click="ignore",
            type="primary",
        )


def _show_outcome(words: Words, palms: PalmSet, served: Served) -> None:
    """Seed and time, and what was left out or stopped."""
    stats, total = palms.stats, palms.request.count
    kind = labels_text(words, palms.request.labels)
    texts = [words("hand") + f": {kind}"] if kind else []
    texts.append(words("set_line", seed=palms.request.seed, time=words.duration(palms.seconds)))
    if stats.rejected:
        texts.append(words("rejected", n=stats.rejected))
    st.caption(" · ".join(texts))
    if stats.outcome == "stopped":
        st.info(words("generation_stopped", done=stats.kept, total=total))
    elif stats.outcome == "gave up":
        min_score = words.decimal(palms.request.min_score or 0)
        st.warning(
            words("gave_up", done=stats.kept, total=total, min_score=min_score, tried=stats.candidates)
        )
    if served.model is not None and palms.model_version != served.model.version:
        st.info(words("old_model"))


def _choose_order(words: Words) -> None:
    key, shown = held.showing("order", state.view.order, words.language, ORDERS)

    def change() -> None:
        order: Order | None = held.entered("order", key)
        if order is not None and order != state.view.order:
            state.view = replace(state.view, order=order, page=1)

    st.segmented_control(
        words("order"),
        ORDERS,
        format_func=lambda order: words(f"order_{order}"),
        default=shown,
        key=key,
        required=True,
        on_change=change,
        label_visibility="collapsed",
    )


def _show_cards(words: Words, palms: PalmSet, *, narrow: int = 3) -> None:
    """The cards of the current page; one that is clicked is shown large."""
    large.settle(palms)
    cards = []
    for entry in page_entries(sort_entries(palms.entries, state.view.order), state.view.page, PAGE_SIZE):
        score = words.decimal(entry.score)
        word = score_word(words, entry.score, calibrated=palms.calibrated)
        cards.append(
            Card(
                entry.index,
                words("card", n=entry.number),
                score,
                words("card_alt", n=entry.number, score=score),
                " ".join(filter(None, [words("card_open", n=entry.number, score=score), word])),
                palms.png(entry),
                word,
                band(entry.score) if word else "",
            )
        )
    numbers = {entry.index: entry.number for entry in palms.entries}
    gallery(
        cards,
        key="gallery",
        image_size=palms.image_size,
        narrow=narrow,
        focus=large.focus_after_dialog(),
        on_open=lambda index: large.open_palm(numbers[index]),
    )


def _turn_pages(words: Words, pages: int) -> None:
    if pages == 1:
        return
    key, shown = held.showing("page", min(state.view.page, pages), options=range(1, pages + 1))

    def turn() -> None:
        state.view = replace(state.view, page=held.entered("page", key) or state.view.page)

    with st.container(horizontal=True, horizontal_alignment="center", key="pages"):
        st.pagination(pages, default=shown, key=key, on_change=turn, width=440)
