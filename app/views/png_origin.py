"""A PNG dropped onto the page: where it comes from, and how to make it again."""

from __future__ import annotations

import streamlit as st

from app.origin import Origin, read_origin
from app.picker import dropped_file
from app.texts import Words
from palm_assets.release.serving import Served

state = st.session_state


def recognize(words: Words, served: Served) -> None:
    """Tell where a PNG comes from that is dropped onto the page, and make it again."""
    with st.expander(words("origin")):
        head = dropped_file(words("origin_drop"))
    if head is not None:
        st.dialog(words("origin"), width="small")(tell_origin)(words, read_origin(head), served)


def tell_origin(words: Words, origin: Origin | None, served: Served) -> None:
    """What a PNG says about itself."""
    if origin is None:
        st.info(words("origin_unknown"))
        return
    facts = {
        "origin_palm": str(origin.index + 1),
        "seed": str(origin.seed),
        "score": words.decimal(origin.score, 3),
        "model": origin.model,
    }
    if origin.steps:
        facts["like_way"] = " → ".join(["•", *map(str, origin.steps)])
    st.markdown("  \n".join(f"{words(key)}: **{value}**" for key, value in facts.items()))
    st.caption(words("origin_trust"))
    if served.model is not None and served.model.version != origin.model:
        st.warning(words("origin_other_model"))
    if st.button(words("origin_again"), type="primary"):
        state.again, state.steps_wait = origin.request, origin.steps
        st.rerun()
