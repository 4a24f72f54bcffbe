"""A finished set on the page: the gallery, one palm opened large, and what there is to keep."""

from __future__ import annotations

import streamlit as st

from app.asking import link_to
from app.comparing import compare_button, compared
from app.likeness import Start
from app.look import Card, gallery, large, pair
from app.resembling import look_around
from app.sets import Entry, PalmSet, Sorting, arranged, page_count, page_of
from app.shared import busy, yardsticks
from app.texts import Words
from app.yardstick import Nearest, png_of
from palm_assets.generation.generate import Request
from palm_assets.release.serving import Served

PAGE_SIZE = 24
state = st.session_state


def see(words: Words, palms: PalmSet, served: Served) -> None:
    """The gallery, a page of it at a time, and the ZIP."""
    st.header(words.counted("palms", len(palms.entries)), anchor=False)
    tell_how_it_came_out(words, palms, served)
    archive = palms.archive
    if archive is None:
        st.info(words("let_go"))
        return
    if not palms.entries:
        return
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        sorting = choose_order(words) if len(palms.entries) > 1 else "number"
        name = f"palms-{palms.request.seed}.zip"
        label = words("download_zip", size=words.decimal(max(len(archive) / 1e6, 0.1), 1))
        with st.container(horizontal=True, width="content"):
            compare_button(words, palms)
            st.download_button(label, archive, name, "application/zip", on_click="ignore", type="primary")
    compared(words)
    entries = page_of(arranged(palms.entries, sorting), state.page, PAGE_SIZE)
    cards = []
    for entry in entries:
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
    opened = gallery(cards, key="gallery", image_size=palms.image_size)
    turn_pages(words, page_count(len(palms.entries), PAGE_SIZE))
    with st.expander(words("score_what")):
        st.write(words("score_help_calibrated" if palms.calibrated else "score_help_raw"))
    with st.expander(words("link")):
        st.code(link_to(st.context.url or "", palms.request, words.language), language=None, wrap_lines=True)
    if opened is not None:
        entry = next(entry for entry in palms.entries if entry.index == opened)
        st.dialog(words("palm_title", n=entry.number), width="medium")(open_card)(words, palms, entry, served)


def tell_how_it_came_out(words: Words, palms: PalmSet, served: Served) -> None:
    """What to know about a set, before looking at it."""
    tally, total = palms.tally, palms.request.count
    told = [words("set_line", seed=palms.request.seed, time=words.duration(palms.seconds))]
    if tally.rejected:
        told.append(words("rejected", n=tally.rejected))
    st.caption(" · ".join(told))
    if tally.ended == "cancelled":
        st.info(words("was_cancelled", done=tally.kept, total=total))
    elif tally.ended == "given up":
        bar = words.decimal(palms.request.min_score or 0)
        st.warning(words("gave_up", done=tally.kept, total=total, bar=bar, tried=tally.tried))
    if served.model is not None and palms.model_version != served.model.version:
        st.info(words("old_model"))


def choose_order(words: Words) -> Sorting:
    """By number or by score; from the first page again."""

    def begin_again() -> None:
        state.page = 1

    return st.segmented_control(
        words("sort"),
        ["number", "score"],
        format_func=lambda by: words(f"sort_{by}"),
        key="sorting",
        required=True,
        on_change=begin_again,
        label_visibility="collapsed",
    )


def turn_pages(words: Words, pages: int) -> None:
    """Back and forth through the gallery."""

    def turn(by: int) -> None:
        state.page = min(max(state.page + by, 1), pages)

    if pages == 1:
        return
    with st.container(horizontal=True, horizontal_alignment="center", vertical_alignment="center"):
        st.button(words("previous"), on_click=turn, args=(-1,), disabled=state.page == 1)
        st.write(words("page_x_of_y", page=state.page, pages=pages))
        st.button(words("next"), on_click=turn, args=(1,), disabled=state.page == pages)


def open_card(words: Words, palms: PalmSet, entry: Entry, served: Served) -> None:
    """One palm, large, with all that is known about it."""
    if palms.archive is None:
        st.info(words("let_go"))
        return
    png, own_seed = palms.png(entry), palms.request.seed + entry.index
    alt = words("card_alt", n=entry.number, score=words.decimal(entry.score))
    show_large(words, png, alt, palms, entry, served)
    model = served.model if served.model and served.model.version == palms.model_version else None
    with st.container(horizontal=True, vertical_alignment="center"):
        st.download_button(
            words("download_png"), png, entry.file_name, "image/png", on_click="ignore", type="primary"
        )
        if model is not None and st.button(words("like"), disabled=busy()):
            look_around(model, Start(entry.number, own_seed, palms.request.truncation), ())
            st.rerun()
        st.space("stretch")
        st.toggle(words("smooth"), key="smooth")
    facts = {"score": words.decimal(entry.score, 3), "own_seed": str(own_seed), "model": palms.model_version}
    st.markdown("  \n".join(f"{words(key)}: **{value}**" for key, value in facts.items()))
    st.caption(words("own_link"))
    own = Request(1, own_seed, palms.request.truncation)
    st.code(link_to(st.context.url or "", own, words.language), language=None, wrap_lines=True)


def show_large(words: Words, png: bytes, alt: str, palms: PalmSet, entry: Entry, served: Served) -> None:
    """The palm, with the nearest real one beside it where the palms of training are at hand."""
    smooth = state.get("smooth", False)
    real = None
    if (
        served.artifact is not None
        and served.model is not None
        and served.model.version == palms.model_version
    ):
        crops = served.artifact.manifest.inputs.get("crops", "")
        real = yardsticks().real_palms(crops) if crops else None
    if real is None:
        large(png, alt, smooth=smooth)
        return
    place = st.empty()
    if entry.index not in state.nearest:
        with place.container():
            large(png, alt, smooth=smooth)  # to look at meanwhile: the first time takes a second or two
        found = nearest_to(png, palms, entry, crops)
        if found is not None:
            state.nearest[entry.index] = found
    near: Nearest | None = state.nearest.get(entry.index)
    with place.container():
        if near is None or near.row >= len(real):
            large(png, alt, smooth=smooth)
            return
        captions = words("nearest_drawn"), words("nearest_real")
        pair(
            (png, png_of(real[near.row])),
            (alt, words("nearest_alt", n=entry.number)),
            captions,
            smooth=smooth,
        )
    st.caption(words("nearest_what", n=near.among, extractor=near.extractor))


def nearest_to(png: bytes, palms: PalmSet, entry: Entry, crops: str) -> Nearest | None:
    """From the figures of the set if they are there, else from a look at this palm alone."""
    if state.judgement is not None and state.judgement.crops == crops:
        return state.judgement.nearest(palms.entries.index(entry))
    return yardsticks().nearest(png, crops)
