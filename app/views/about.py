"""The page about the model: where it comes from, how good it is, what it cannot do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import streamlit as st

from app.i18n.words import LANGUAGES, Words
from app.ui import held
from app.ui.charts import NARROW, WIDTH, line_chart, reliability_chart, show_chart
from app.ui.hand_labels import label_text
from app.ui.images import show_sheet
from app.ui.tables import show_bars, show_table
from app.views import address, model_choice, records
from app.views.comparison_text import UNKNOWN, metric_name
from app.views.model_status import follow_releases, show_model_status
from app.work.about import ModelEvaluation, TrainingPhotos, model_evaluation, training_photos
from app.work.reference import shows_real_palms
from app.work.resources import model_watcher
from palm_assets.errors import CheckpointError
from palm_assets.gan.hand_labels import LABELS, subject_of
from palm_assets.gan.plot_files import SAMPLES_FILE
from palm_assets.store.artifacts import Artifact, Store

if TYPE_CHECKING:
    from palm_assets.gan.sampler import PalmModel

MAX_POINTS = 400


def show(words: Words) -> None:
    """The page, top to bottom."""
    link = address.arrived_at("about")
    if link is not None:
        model_choice.choose(link.model)
        address.followed("about")
    with st.container(key="lead"):
        lead = st.container(horizontal=True, vertical_alignment="bottom")
    with st.spinner(words("loading"), show_time=False):
        served = model_choice.served_to_visitor()
    with lead:
        st.html(f'<p class="palm-lead">{words("about_lead")}</p>', width="stretch")
        model_choice.show_choice(words, served, _redraw_palms)
    show_model_status(words, served)
    model_choice.show_missing(words)
    follow_releases(served, model_watcher().choices())
    if served.model is None or served.artifact is None:
        return
    words = words.about(subject_of(served.model.labels))
    shown = {"model": served.model.version, "lang": words.language}
    address.write("about", shown, model=model_choice.default_version())
    facts, samples = st.columns([2, 3], gap="large")
    with facts:
        st.header(words("about_facts"), anchor=False)
        _show_facts(words, served.model, served.artifact, is_starter=served.is_starter)
    with samples:
        st.header(words("about_samples"), anchor=False)
        _show_samples(words, served.artifact)
    metrics = _training_metrics(served.artifact)
    _show_photos(words, served.artifact)
    _show_evaluation(words, served.artifact)
    _show_reliability(words, metrics)
    _show_losses(words, metrics.get("curves", []))
    st.header(words("about_limits"), anchor=False)
    st.markdown(words("about_limits_text"))
    with held.section(words("about_details"), "about_details", words.language):
        records.show(words, served.artifact)


def _redraw_palms() -> None:
    """Let the other page generate its set with the model that was chosen on this one."""
    model = st.session_state.chosen_model or model_choice.default_version()
    st.session_state.shown = {**st.session_state.get("shown", {}), "model": model}


def _show_facts(words: Words, model: PalmModel, artifact: Artifact, *, is_starter: bool) -> None:
    parameters = sum(weight.numel() for weight in model.generator.parameters())
    facts = {
        "about_version": f"`{model.version}`",
        **({"about_origin": words("about_starter")} if is_starter else {}),
        "about_created": artifact.manifest.created.strftime("%Y-%m-%d %H:%M UTC"),
        "about_image_size": words("about_pixels", n=model.image_size),
        "about_latent": str(model.networks.latent),
        "about_parameters": f"{parameters:,}".replace(",", "\u202f"),
        "about_scores": words(f"about_scores_{model.scoring}"),
    }
    st.markdown("\n".join(f"- {words(name)}: **{value}**" for name, value in facts.items()))


def _show_samples(words: Words, artifact: Artifact) -> None:
    """The grid that was generated when the model was published."""
    path = artifact.folder / SAMPLES_FILE
    if path.is_file():
        show_sheet(path.read_bytes(), words("about_samples_alt"))
        st.caption(words("about_samples_note"))
    else:
        st.write(words("about_no_samples"))


def _training_metrics(artifact: Artifact) -> dict[str, Any]:
    """Metrics beside the weights; empty if they cannot be read."""
    from palm_assets.gan.checkpoint import read_metrics  # brings torch

    try:
        return read_metrics(artifact.folder)
    except CheckpointError:
        return {}


def _show_photos(words: Words, artifact: Artifact) -> None:
    """Number of photographs, people, and skin tones."""
    photos = training_photos(Store(), artifact)
    if photos is None:
        return
    st.header(words("about_photos"), anchor=False)
    text = words(
        "about_trained_on",
        n=photos.train,
        people=photos.train_people,
        held=photos.held_out,
        held_people=photos.held_out_people,
    )
    st.write(text + (" " + words("about_synthetic") if photos.synthetic else ""))
    for warning in held_out_warnings(words, photos):
        st.warning(warning)
    st.write(words("about_skin") + ":")
    show_bars([(words(f"tone_{tone.replace(' ', '_')}"), count) for tone, count in photos.skin])


def held_out_warnings(words: Words, photos: TrainingPhotos) -> list[str]:
    """That the model may know people whom it is measured against."""
    known = [words("about_held_out_known", n=photos.known)] if photos.known else []
    return known + ([words("about_held_out_unknown")] if photos.unknown else [])


def _show_evaluation(words: Words, artifact: Artifact) -> None:
    """The newest metrics beside those of real palms, and samples beside their nearest real palms."""
    evaluation = model_evaluation(Store(), artifact)
    if evaluation is None:
        return
    st.header(words("about_evaluation"), anchor=False)
    head = ("", words("about_this_model"), words("real_palms"))
    show_table(head, evaluation_rows(words, evaluation), words("about_evaluation"))
    texts = [words("about_evaluation_note")]
    if evaluation.floor and evaluation.floor["n"] != evaluation.metrics["n"]:
        texts.append(words("about_other_count"))
    if evaluation.metrics["label"] != "FID":
        texts.append(words("not_fid"))
    st.caption(" ".join(texts), width=760)
    if evaluation.classes:
        st.markdown(f"**{words('about_classes')}**")
        show_table(head, class_rows(words, evaluation), words("about_classes"))
        st.caption(words("about_classes_note"), width=760)
    if evaluation.image and not shows_real_palms():
        st.caption(words("nearest_off"))
    elif evaluation.image:
        show_sheet(evaluation.image, words("about_nearest_alt"))
        st.caption(words("about_nearest"))


def evaluation_rows(words: Words, evaluation: ModelEvaluation) -> list[tuple[str, str, str]]:
    """Rows of name, value of the model, and value of real palms."""
    metrics, floor = evaluation.metrics, evaluation.floor
    rows = [
        (
            metric_name(words, metrics["label"]),
            words.significant(metrics["frechet"]),
            words.spread(floor["frechet"], floor["frechet_sd"]) if floor else UNKNOWN,
        ),
        (
            metric_name(words, metrics["kid_label"]),
            words.spread(metrics["kid"], metrics["kid_sd"]),
            words.spread(floor["kid"], floor["kid_sd"]) if floor else UNKNOWN,
        ),
    ]
    for name, value in metrics.items():
        if f"about_{name}" in LANGUAGES["en"]:  # a metric that has a text is shown
            digits = 0 if name.endswith("_pct") else 2
            real = words.decimal(floor[name], digits) if floor and name in floor else UNKNOWN
            rows.append((words(f"about_{name}"), words.decimal(value, digits), real))
    return [*rows, (words("image_count"), str(metrics["n"]), str(floor["n"]) if floor else UNKNOWN)]


def class_rows(words: Words, evaluation: ModelEvaluation) -> list[tuple[str, str, str]]:
    """Rows of a kind of hand, its kernel distance, and that of photographs of this kind."""

    def text(value: float | None, sd: float | None = None) -> str:
        if value is None:
            return UNKNOWN
        return words.significant(value, 3) if sd is None else words.spread(value, sd)

    def name(label: str, value: str) -> str:
        shown = label_text(words, label, value)
        return shown if label == "aspect" else f"{words(label)}: {shown}"

    return [
        (
            name(found["label"], found["value"]),
            text(found["kid"], found["kid_sd"]),
            text(found["kid_floor"]),
        )
        for found in evaluation.classes
        if found["label"] in LABELS and found["value"] in LABELS[found["label"]]
    ]


def _show_reliability(words: Words, metrics: dict[str, Any]) -> None:
    """Predicted and observed probabilities of the score."""
    bins = metrics.get("score_report", {}).get("bins", [])
    if not bins:
        return
    st.header(words("about_reliability"), anchor=False)
    labels = words("about_predicted"), words("about_observed")
    note = words("about_reliability_note")
    show_chart(reliability_chart(bins, *labels, note), words("about_reliability"))
    st.caption(note, width=760)


def _show_losses(words: Words, rows: list[dict[str, float]]) -> None:
    """The losses over the course of training, thinned out to what a screen can show."""
    if len(rows) < 2:
        return
    st.header(words("about_losses"), anchor=False)
    thinned = rows[:: -(-len(rows) // MAX_POINTS)]
    lines = {
        words(f"about_{name}"): [(row["images_seen"], row[key]) for row in thinned]
        for name, key in (("generator", "loss_g"), ("discriminator", "loss_d"))
    }
    x_label, title = words("about_images_seen"), words("about_losses")
    wide, narrow = (
        line_chart(lines, x_label, title, width=width, decimal=words.decimal) for width in (WIDTH, NARROW)
    )
    show_chart(wide, title, narrow=narrow)
    st.caption(words("about_losses_note"))
