"""A finished set: its gallery, page by page, and its downloads."""

from __future__ import annotations

import streamlit as st

from app.i18n.words import Words
from app.ui.gallery import Card, gallery
from app.views import comparison
from app.views.palm import show_palm
from app.work.gallery import Order, page_count, page_entries, sort_entries
from app.work.links import link_to
from app.work.palm_sets import PalmSet
from palm_assets.release.serving import Served

PAGE_SIZE = 24
state = st.session_state


def show_set(words: Words, palms: PalmSet, served: Served) -> None:
    """The set, top to bottom; a card that is clicked opens its palm in a dialog."""
    st.header(words.counted("palms", len(palms.entries)), anchor=False)
    _show_outcome(words, palms, served)
    archive = palms.archive
    if archive is None:
        st.info(words("set_evicted"))
        return
    if not palms.entries:
        return
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        order = _choose_order(words) if len(palms.entries) > 1 else "number"
        label = words("download_zip", size=words.decimal(max(len(archive) / 1e6, 0.1), 1))
        file_name = f"palms-{palms.request.seed}.zip"
        with st.container(horizontal=True, width="content"):
            comparison.show_button(words, palms)
            st.download_button(
                label, archive, file_name, "application/zip", on_click="ignore", type="primary"
            )
    comparison.show(words)
    opened = _show_cards(words, palms, order)
    _turn_pages(words, page_count(len(palms.entries), PAGE_SIZE))
    with st.expander(words("score_what")):
        st.write(words("score_help_calibrated" if palms.calibrated else "score_help_raw"))
    with st.expander(words("set_link")):
        st.code(link_to(st.context.url or "", palms.request, words.language), language=None, wrap_lines=True)
    if opened is not None:
        entry = next(entry for entry in palms.entries if entry.index == opened)
        st.dialog(words("palm_title", n=entry.number), width="medium")(show_palm)(words, palms, entry, served)


def _show_outcome(words: Words, palms: PalmSet, served: Served) -> None:
    """Seed and time, and what was left out or stopped."""
    stats, total = palms.stats, palms.request.count
    texts = [words("set_line", seed=palms.request.seed, time=words.duration(palms.seconds))]
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


def _choose_order(words: Words) -> Order:
    def show_first_page() -> None:
        state.page = 1

    order: Order | None = st.segmented_control(
        words("order"),
        ["number", "score"],
        format_func=lambda order: words(f"order_{order}"),
        key="order",
        required=True,
        on_change=show_first_page,
        label_visibility="collapsed",
    )
    return order or "number"


def _show_cards(words: Words, palms: PalmSet, order: Order) -> int | None:
    """The cards of the current page; the index of the one that was just clicked."""
    cards = []
    for entry in page_entries(sort_entries(palms.entries, order), state.page, PAGE_SIZE):
        score = words.decimal(entry.score)
        cards.append(
            Card(
                entry.index,
                words("card", n=entry.number),
                score,
                words("card_alt", n=entry.number, score=score),
                words("card_open", n=entry.number, score=score),
                palms.png(entry),
            )
        )
    return gallery(cards, key="gallery", image_size=palms.image_size)


def _turn_pages(words: Words, pages: int) -> None:
    def turn(by: int) -> None:
        state.page = min(max(state.page + by, 1), pages)

    if pages == 1:
        return
    with st.container(horizontal=True, horizontal_alignment="center", vertical_alignment="center"):
        st.button(words("previous"), on_click=turn, args=(-1,), disabled=state.page == 1)
        st.write(words("page_x_of_y", page=state.page, pages=pages))
        st.button(words("next"), on_click=turn, args=(1,), disabled=state.page == pages)
