"""The generation of a set: submitted to the queue, and shown while it runs."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING

import streamlit as st

from app.i18n.words import Words
from app.ui import held
from app.ui.images import show_thumbnails
from app.ui.job_panel import JobPanel
from app.views import comparison, interpolation, model_choice, variations
from app.work.generation import Preview, generation_job
from app.work.links import Link, View, link_parameters
from app.work.palm_sets import PalmSet
from app.work.request_form import FormError, parse_request
from app.work.resources import set_cache
from palm_assets.gan.hand_labels import LABELS, HandLabels
from palm_assets.generation.generate import GenerationRequest
from palm_assets.release.serving import Served

if TYPE_CHECKING:
    from palm_assets.gan.sampler import PalmModel

log = logging.getLogger(__name__)

PANEL: JobPanel[PalmSet] = JobPanel("generation", stopped_text="generation_stopped_empty", can_stop=True)
MAX_RECENT = 3  # sets that Back and Forward show without generating them again
state = st.session_state


def clear() -> None:
    """Forget the set, and what was computed from it: the page then shows examples."""
    PANEL.cancel()
    PANEL.clear()
    state.preview = Preview()
    state.requested = state.pending_request = state.unshown_link = None
    state.setdefault("view", View())
    _clear_results()


def request_form_set() -> None:
    """Request what is in the form; a problem with it stays visible until the next request."""
    state.form_error = None
    PANEL.set_message(None)
    try:
        labels = HandLabels(*(held.get(name) for name in LABELS))
        count, seed, truncation, min_score = map(held.get, ("count", "seed", "truncation", "min_score"))
        request = parse_request(count, seed, f"{truncation:g}", min_score, labels)
    except FormError as error:
        state.form_error = error
        return
    if not seed.strip():
        state.drawn_seeds.add(str(request.seed))
    state.view = View(order=state.view.order)
    state.pending_request = request


def submit_pending(words: Words, served: Served) -> None:
    """Show the set that is requested, if any, as soon as there is a model.

    A set that was shown before is there at once, any other as soon as it is generated. Labels that the model
    does not know are left open: the form does not offer them, and a link names its model.
    """
    request: GenerationRequest | None = state.pending_request
    if request is None or served.model is None:
        return
    _submit(words, served.model, request)
    state.pending_request = None  # last, so that a run that is interrupted before is repeated


def _submit(words: Words, model: PalmModel, request: GenerationRequest) -> None:
    request = replace(request, labels=request.labels.limited_to(model.labels))
    recent = _recent(request, model.version)
    if recent is not None:
        PANEL.cancel()
        PANEL.show(recent)
    else:
        preview = Preview()
        if not PANEL.submit(generation_job(model, request, set_cache(), preview)):
            return
        state.preview = preview
    state.requested = request
    state.unshown_link = None
    _clear_results()
    fields: dict[str, object] = {
        "count": request.count,
        "seed": request.seed,
        "truncation": request.truncation,
    }
    context = {"visitor": state.visitor[:8], "model": model.version, "language": words.language}
    fields |= request.labels.known
    log.info("requested", extra={**fields, "min_score": request.min_score, **context})


def redraw() -> None:
    """Generate what is shown with another model."""
    state.view = View(order=state.view.order)
    state.pending_request = state.requested


def show_progress(words: Words) -> None:
    """The progress of the set, and its latest palms."""
    PANEL.show_progress(words, below=lambda: _show_preview(words))


def remember(palms: PalmSet) -> None:
    """Keep a set for Back and Forward, as long as there is memory."""
    others = [other for other in state.recent if other is not palms]
    state.recent = [*others, palms][-MAX_RECENT:]


def shown_parameters(language: str) -> dict[str, str]:
    """What the page shows, as parameters of its address."""
    request: GenerationRequest | None = state.requested
    palms = PANEL.result
    model = _model_of_visitor() if palms is None else palms.model_version
    return link_parameters(request, language, model, state.view)


def address_parameters(language: str) -> dict[str, str]:
    """What the address is to name: what the page shows, or the link that it could not show."""
    unshown: Link | None = state.unshown_link
    if unshown is None:
        return shown_parameters(language)
    return replace(unshown, model=_model_of_visitor(), language=language).parameters


def _model_of_visitor() -> str:
    return state.get("chosen_model", "") or model_choice.default_version()


def _recent(request: GenerationRequest, model_version: str) -> PalmSet | None:
    for palms in state.recent:
        if (palms.request, palms.model_version) == (request, model_version) and palms.available:
            return palms if palms.stats.outcome == "complete" else None
    return None


def _show_preview(words: Words) -> None:
    preview: Preview = state.preview
    show_thumbnails(preview.pngs)
    if state.requested is not None and state.requested.min_score is not None:
        st.caption(words("tried", n=preview.tried))


def _clear_results() -> None:
    for feature in (comparison, interpolation, variations):
        feature.clear()
