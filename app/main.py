"""The page, top to bottom: `streamlit run app/main.py`."""

from __future__ import annotations

import logging

import streamlit as st

from app.i18n.words import LANGUAGE_NAMES, Words, language_for
from app.logs import write_json_lines
from app.ui.page_language import set_page_language
from app.ui.style import STYLE
from app.work.source_archive import SourceUnavailableError, source_zip
from palm_assets.runtime import configure

KEPT_WIDGETS = ("language", "count", "seed", "truncation", "min_score", "order")
# Streamlit's own labels of buttons, and the keys of their translations.
STREAMLIT_LABELS = {"Help for ": "help_for", "Copy to clipboard": "copy", "Close": "close", "Open": "open"}

configure()
write_json_lines()
log = logging.getLogger("app.main")

# Language: the visitor's choice, else the link's, else the browser's.
state = st.session_state
if "language" not in state:
    linked = st.query_params.get("lang", "")
    state.language = linked if linked in LANGUAGE_NAMES else language_for(st.context.locale)
words = Words(state.language)
st.set_page_config(page_title=words("title"), page_icon="🖐️", layout="wide")
st.html(STYLE)
set_page_language(
    words.language, {label: words(key) for label, key in STREAMLIT_LABELS.items()}, words("skip")
)
if "lang" in st.query_params:
    st.query_params["lang"] = words.language  # the address stays a link to what is shown

# Streamlit forgets the values of widgets that are not shown as soon as a fragment of the other page reruns.
kept = state.setdefault("kept", {})
for name in KEPT_WIDGETS:
    if name in state:
        kept[name] = state[name]
    if name in kept:
        state[name] = kept[name]


def show_palms() -> None:
    """The page that generates palms."""
    from app.views.palms import show  # takes half a second, so it comes after the first texts

    show(words)


def show_about() -> None:
    """The page about the model."""
    from app.views.about import show

    show(words)


pages = [
    st.Page(show_palms, title=words("page_main"), default=True),
    st.Page(show_about, title=words("page_about"), url_path="about"),
]
page = st.navigation(pages, position="hidden")

with st.container(horizontal=True, vertical_alignment="center"):
    for other in pages:
        st.page_link(other)
    st.space("stretch")
    st.segmented_control(
        words("language"),
        list(LANGUAGE_NAMES),
        format_func=LANGUAGE_NAMES.__getitem__,
        key="language",
        required=True,
        label_visibility="collapsed",
    )

st.title(words("title" if page.url_path == "" else "page_about"), anchor=False)
page.run()


@st.cache_data(show_spinner=False)
def archived_source() -> bytes | None:
    """The program's source as a ZIP; None, with an entry in the log, if this copy does not list it."""
    try:
        return source_zip()
    except SourceUnavailableError as error:
        log.error("the page cannot offer its source", extra={"reason": str(error)})
        return None


with st.container(horizontal=True, vertical_alignment="center", key="footer"):
    st.html(f'<div class="palm-footer">{words("license")}: AGPL-3.0-or-later</div>', width="content")
    source = archived_source()
    if source is not None:
        st.download_button(
            words("source"), source, "palms-source.zip", "application/zip", on_click="ignore", type="tertiary"
        )
