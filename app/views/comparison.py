"""The comparison of a set with real palms: button, progress, and metrics with their meaning."""

from __future__ import annotations

import contextlib

import streamlit as st

from app.i18n.words import Words
from app.ui.job_panel import JobPanel, is_busy
from app.ui.tables import show_table
from app.views.comparison_text import failure_text, metric_rows, notes, summary
from app.work.comparison import MIN_COUNT, Comparison, comparison_job
from app.work.palm_sets import PalmSet
from app.work.resources import reference_cache
from app.work.set_files import EvictedError
from palm_assets.release.serving import Served

PANEL: JobPanel[Comparison] = JobPanel(
    "comparison",
    progress_text="compare_progress",
    finishing_text="compare_finishing",
    stopped_text="compare_stopped",
    failed_text=failure_text,
    can_stop=True,
    message_kind="info",
)
state = st.session_state


def clear() -> None:
    """Forget the comparison, and the nearest real palms."""
    PANEL.clear()
    state.nearest = {}


def show_button(words: Words, palms: PalmSet) -> None:
    """The button that starts a comparison, unless there is one already; off where there can be none."""
    words = words.about(palms.model_subject)  # as what it is compared with
    if PANEL.result is None:
        status = reference_cache().status(palms.model_version)
        st.button(
            words("compare" if status.is_fid else "compare_other"),
            help=words("compare_help"),
            disabled=is_busy() or _obstacle(palms) is not None,
            on_click=_submit,
            args=(palms,),
            key="compare",
        )


def show(words: Words, palms: PalmSet, served: Served) -> None:
    """The progress, the metrics, or why there are none."""
    words = words.about(palms.model_subject)
    obstacle = _obstacle(palms)
    if PANEL.job is None and PANEL.message is None and PANEL.result is None and obstacle is not None:
        st.caption(words("compare_off", why=words(obstacle)))
    if PANEL.job is not None:
        with st.container(border=True):
            PANEL.show_progress(words)
    elif PANEL.message is not None:
        PANEL.show_message(words)
    elif PANEL.result is not None:
        is_of_served = served.model is not None and served.model.version == PANEL.result.model
        _show_metrics(words, PANEL.result, synthetic=is_of_served and served.origin == "synthetic")


def _submit(palms: PalmSet) -> None:
    with contextlib.suppress(EvictedError):  # the page then says so
        PANEL.submit(comparison_job(palms, reference_cache()))


def _obstacle(palms: PalmSet) -> str | None:
    """Key of the text that says why this set cannot be compared; None if it can."""
    if len(palms.entries) < MIN_COUNT:
        return "compare_too_few"
    problem = reference_cache().status(palms.model_version).problem
    return None if problem is None else failure_text(problem)


def _show_metrics(words: Words, comparison: Comparison, *, synthetic: bool) -> None:
    with st.container(border=True):
        st.subheader(words("compare_title"), anchor=False)
        st.markdown(summary(words, comparison), width=760)
        head = ("", words("compare_this_set"), words("real_palms"))
        show_table(head, metric_rows(words, comparison), words("compare_title"))
        texts = notes(words, comparison, of_synthetic_model=synthetic)
        st.caption("\n".join(f"- {text}" for text in texts), width=760)
