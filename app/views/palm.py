"""One palm, large: beside the nearest real one, with its facts and downloads."""

from __future__ import annotations

import streamlit as st

from app.i18n.words import Words
from app.ui import held
from app.ui.hand_labels import labels_text
from app.ui.images import show_large, show_pair
from app.ui.job_panel import is_busy
from app.ui.score import show_score
from app.views import comparison, variations
from app.work.links import View, link_to
from app.work.palm_files import file_name, read_labels
from app.work.palm_sets import Entry, PalmSet
from app.work.reference import NearestPalm, shows_real_palms
from app.work.resources import reference_cache
from palm_assets.generation.generate import GenerationRequest
from palm_assets.generation.png_metadata import encode_png
from palm_assets.release.serving import Served

state = st.session_state


def show_palm(words: Words, palms: PalmSet, entry: Entry, served: Served) -> None:
    """The palm with its facts, downloads and link."""
    png, own_seed = palms.png(entry), palms.request.seed + entry.index
    alt = words("card_alt", n=entry.number, score=words.decimal(entry.score))
    _show_image(words, png, alt, palms, entry, served)
    can_vary = served.model is not None and served.model.version == palms.model_version
    with st.container(horizontal=True, vertical_alignment="center", key="large_actions"):
        st.download_button(
            words("download_png"),
            png,
            file_name(png, own_seed),
            "image/png",
            on_click="ignore",
            type="primary",
        )
        if can_vary:
            st.button(
                words("variations"), disabled=is_busy(), on_click=variations.open_variations, args=((),)
            )
        st.space("stretch")
        key, smooth = held.widget("smooth")
        st.toggle(words("smooth"), smooth, key=key)
    show_score(words, entry.score, calibrated=palms.calibrated)
    shown = labels_text(words, read_labels(png))
    facts = {
        "palm_seed": str(own_seed),
        "model": palms.model_version,
        **({"hand_drawn": shown} if shown else {}),
    }
    st.markdown("  \n".join(f"{words(key)}: **{value}**" for key, value in facts.items()))
    st.caption(words("palm_link"))
    request = GenerationRequest(1, own_seed, palms.request.truncation, labels=palms.request.labels)
    link = link_to(st.context.url or "", request, words.language, palms.model_version, View(palm=1))
    st.code(link, language=None, wrap_lines=True)


def _show_image(words: Words, png: bytes, alt: str, palms: PalmSet, entry: Entry, served: Served) -> None:
    """The palm, beside the nearest real one if that may be shown and the training crops are in the store."""
    smooth = held.get("smooth")
    crops = _training_crops(palms, served)
    if not shows_real_palms():
        show_large(png, alt, smooth=smooth)
        if crops:
            st.caption(words("nearest_off"))
        return
    real_palms = reference_cache().real_palms(crops) if crops else None
    if real_palms is None:
        show_large(png, alt, smooth=smooth)
        return
    place = st.empty()
    if entry.index not in state.nearest:
        with place.container():
            show_large(png, alt, smooth=smooth)  # meanwhile: the first search takes a second or two
        found = _nearest_palm(png, palms, entry, crops)
        if found is not None:
            state.nearest[entry.index] = found
    of_synthetic = "_synthetic" if served.origin == "synthetic" else ""
    nearest: NearestPalm | None = state.nearest.get(entry.index)
    with place.container():
        if nearest is None or nearest.row >= len(real_palms):
            show_large(png, alt, smooth=smooth)
            return
        show_pair(
            (png, encode_png(real_palms[nearest.row])),
            (alt, words("nearest_alt", n=entry.number)),
            (words("nearest_generated"), words(f"nearest_real{of_synthetic}")),
            smooth=smooth,
        )
    st.caption(words(f"nearest_help{of_synthetic}", n=nearest.among, extractor=nearest.extractor))


def _training_crops(palms: PalmSet, served: Served) -> str:
    """Version of the crops that the palm's model was trained on; "" if that model is not served any more."""
    if served.artifact is None or served.model is None or served.model.version != palms.model_version:
        return ""
    return served.artifact.manifest.inputs.get("crops", "")


def _nearest_palm(png: bytes, palms: PalmSet, entry: Entry, crops: str) -> NearestPalm | None:
    """From the comparison of the set if there is one, else by searching for this palm alone."""
    compared = comparison.PANEL.result
    if compared is not None and compared.crops == crops:
        return compared.nearest(palms.entries.index(entry))
    return reference_cache().nearest(png, palms.model_version, crops)
