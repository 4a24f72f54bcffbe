"""The page, top to bottom: `streamlit run app/main.py`."""

from __future__ import annotations

import streamlit as st

from app.logs import write_json_lines
from app.look import STYLE, speak
from app.source import source_zip
from app.texts import NAMES, Words, preferred

KEPT = ("language", "count", "seed", "truncation", "min_score", "sorting")
# What Streamlit calls its own buttons, and our words for that.
LABELS = {"Help for ": "help_for", "Copy to clipboard": "copy", "Close": "close", "Open": "open"}

write_json_lines()

# Language: the visitor's choice, else the link's, else the browser's.
state = st.session_state
if "language" not in state:
    asked = st.query_params.get("lang", "")
    state.language = asked if asked in NAMES else preferred(st.context.locale)
words = Words(state.language)
st.set_page_config(page_title=words("title"), page_icon="🖐️", layout="wide")
st.html(STYLE)
speak(words.language, {name: words(key) for name, key in LABELS.items()}, words("skip"))
if "lang" in st.query_params:
    st.query_params["lang"] = words.language  # the address stays a link that says the same


for name in KEPT:
    if name in state:
        state[name] = state[name]  # Streamlit forgets a widget's value while the other page is shown


def palms() -> None:
    """Ask, watch, see, keep."""
    from app.palms_page import show  # half a second: after the first words are on the screen

    show(words)


def about() -> None:
    """The model's own page."""
    from app.about_page import show

    show(words)


pages = [
    st.Page(palms, title=words("page_main"), default=True),
    st.Page(about, title=words("page_about"), url_path="about"),
]
page = st.navigation(pages, position="hidden")

with st.container(horizontal=True, vertical_alignment="center"):
    for other in pages:
        st.page_link(other)
    st.space("stretch")
    st.segmented_control(
        words("language"),
        list(NAMES),
        format_func=NAMES.__getitem__,
        key="language",
        required=True,
        label_visibility="collapsed",
    )

st.title(words("title" if page.url_path == "" else "page_about"), anchor=False)
page.run()

with st.container(horizontal=True, vertical_alignment="center", key="footer"):
    st.html(f'<div class="palm-foot">{words("licence")}: AGPL-3.0-or-later</div>', width="content")
    source = st.cache_data(source_zip, show_spinner=False)()
    st.download_button(
        words("source"), source, "palms-source.zip", "application/zip", on_click="ignore", type="tertiary"
    )
