"""The page, top to bottom: `streamlit run app/main.py`."""

from __future__ import annotations

import streamlit as st

from app.i18n.words import LANGUAGE_NAMES, Words
from app.logs import write_json_lines
from app.ui import held
from app.ui.downloads import keep_downloads
from app.ui.page_language import set_page_language
from app.ui.style import STYLE, download_error
from app.views.address import language_of_address
from app.work.links import unknown_path
from app.work.source_archive import offered_source
from palm_assets.runtime import configure

# Streamlit's own labels of buttons, and the keys of their translations.
STREAMLIT_LABELS = {
    "Help for ": "help_for",
    "Copy to clipboard": "copy",
    "Close": "close",
    "Open": "open",
    "Pagination": "pages",
    "Page ": "page_number",
    "Previous page": "page_previous",
    "Next page": "page_next",
}

configure()
write_json_lines()
keep_downloads()

state = st.session_state
held.capture()

# Language: that of the address the visitor comes to, else the browser's, until the visitor chooses one.
state.language = language_of_address() or state.language
words = Words(state.language)
st.set_page_config(page_icon="🖐️", layout="wide")
st.html(STYLE + download_error(words("set_evicted")))
set_page_language(
    words.language, {label: words(key) for label, key in STREAMLIT_LABELS.items()}, words("skip")
)


def show_palms() -> None:
    """The page that generates palms."""
    from app.views.palms import show  # takes half a second, so it comes after the first texts

    show(words)


def show_about() -> None:
    """The page about the model."""
    from app.views.about import show

    show(words)


def show_not_found() -> None:
    """The page for an address that names none."""
    st.write(words("not_found"))


palms_page = st.Page(show_palms, title=words("title"), default=True)
about_page = st.Page(show_about, title=f"{words('page_about')} · {words('title')}", url_path="about")
pages = [palms_page, about_page]
unknown = unknown_path(st.context.url, [page.url_path for page in pages])
if unknown:
    pages.append(st.Page(show_not_found, title=words("not_found_title"), url_path=unknown))
page = st.navigation(pages, position="hidden")

about_parameters = {"lang": words.language}
if state.get("chosen_model"):
    about_parameters["model"] = state.chosen_model
with st.container(horizontal=True, vertical_alignment="center", key="header"):
    # Without a large palm: whoever clicks a link has closed it, even if the server does not know it yet.
    shown = {name: value for name, value in state.get("shown", {}).items() if name not in ("palm", "like")}
    parameters = {**shown, "lang": words.language}
    st.page_link(palms_page, label=words("page_main"), query_params=parameters)
    st.page_link(about_page, label=words("page_about"), query_params=about_parameters)
    st.space("stretch")
    key, shown_language = held.showing("language_choice", words.language, options=list(LANGUAGE_NAMES))

    def _change_language() -> None:
        state.language = held.entered("language_choice", key) or state.language  # else a late value

    st.segmented_control(
        words("language"),
        list(LANGUAGE_NAMES),
        format_func=LANGUAGE_NAMES.__getitem__,
        default=shown_language,
        key=key,
        on_change=_change_language,
        required=True,
        label_visibility="collapsed",
    )

headings = {palms_page.url_path: "title", about_page.url_path: "page_about"}
st.title(words(headings.get(page.url_path, "not_found_title")), anchor=False)
page.run()

with st.container(horizontal=True, vertical_alignment="center", key="footer"):
    st.html(f'<div class="palm-footer">{words("license")}: AGPL-3.0-or-later</div>', width="content")
    source = offered_source()
    if source is not None:
        st.download_button(
            words("source"), source, "palms-source.zip", "application/zip", on_click="ignore", type="tertiary"
        )
