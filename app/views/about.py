"""The page about the model: where it comes from, how good it is, what it cannot do."""

from __future__ import annotations

from typing import Any

import streamlit as st

from app.curves import line_chart, reliability_chart
from app.look import bars, drawing, figures, samples
from app.palms_page import follow_releases, tell_about_model
from app.provenance import photographs_of, verdict_on, verdict_table
from app.shared import store, watcher
from app.texts import Words
from palm_assets.errors import CheckpointError
from palm_assets.gan.checkpoint import CARD_FILE, read_metrics
from palm_assets.gan.sampler import PalmModel
from palm_assets.store.artifacts import Artifact

MOST_POINTS = 400


def show(words: Words) -> None:
    """The page, top to bottom."""
    st.html(f'<p class="palm-lead">{words("about_lead")}</p>')
    with st.spinner(words("loading"), show_time=False):
        served = watcher().served()
    tell_about_model(words, served)
    follow_releases(served)
    if served.model is None or served.artifact is None:
        return
    in_short, samples = st.columns([2, 3], gap="large")
    with in_short:
        st.header(words("about_facts"), anchor=False)
        tell_facts(words, served.model, served.artifact, is_starter=served.is_starter)
    with samples:
        st.header(words("about_samples"), anchor=False)
        show_samples(words, served.artifact)
    metrics = metrics_of(served.artifact)
    show_photographs(words, served.artifact)
    show_verdict(words, served.artifact)
    show_reliability(words, metrics)
    show_curves(words, metrics.get("curves", []))
    st.header(words("about_limits"), anchor=False)
    st.markdown(words("about_limits_text"))
    show_records(words, served.artifact, metrics)


def tell_facts(words: Words, model: PalmModel, artifact: Artifact, *, is_starter: bool) -> None:
    """The few facts that every model has."""
    weights = sum(weight.numel() for weight in model.generator.parameters())
    facts = {
        "about_version": f"`{model.version}`",
        **({"about_kind": words("about_starter")} if is_starter else {}),
        "about_made": artifact.manifest.created.strftime("%Y-%m-%d %H:%M UTC"),
        "about_size": words("about_pixels", n=model.image_size),
        "about_latent": str(model.networks.latent),
        "about_weights": f"{weights:,}".replace(",", "\u202f"),
        "about_scores": words(f"about_scores_{model.scoring}"),
    }
    st.markdown("\n".join(f"- {words(name)}: **{value}**" for name, value in facts.items()))


def show_samples(words: Words, artifact: Artifact) -> None:
    """The grid that was drawn when the model was made."""
    path = artifact.folder / "samples.png"
    if path.is_file():
        samples(path.read_bytes(), words("about_samples_alt"))
        st.caption(words("about_samples_note"))
    else:
        st.write(words("about_no_samples"))


def metrics_of(artifact: Artifact) -> dict[str, Any]:
    """Figures that were written beside the weights; none if they cannot be read."""
    try:
        return read_metrics(artifact.folder)
    except CheckpointError:
        return {}


def show_photographs(words: Words, artifact: Artifact) -> None:
    """How many photographs of how many people, and of which skin."""
    photographs = photographs_of(store(), artifact)
    if photographs is None:
        return
    st.header(words("about_photographs"), anchor=False)
    told = words(
        "about_trained_on",
        n=photographs.train,
        people=photographs.train_people,
        held=photographs.holdout,
        held_people=photographs.holdout_people,
    )
    st.write(told + (" " + words("about_drawn") if photographs.drawn else ""))
    st.write(words("about_skin") + ":")
    bars([(words(f"tone_{tone.replace(' ', '_')}"), count) for tone, count in photographs.skin])


def show_verdict(words: Words, artifact: Artifact) -> None:
    """The newest scores, beside those of real palms, and what both look like."""
    verdict = verdict_on(store(), artifact)
    if verdict is None:
        return
    st.header(words("about_judged"), anchor=False)
    head = ("", words("about_this_model"), words("judge_real"))
    figures(head, verdict_table(words, verdict), words("about_judged"))
    told = [words("about_judged_note")]
    if verdict.floor and verdict.floor["n"] != verdict.figures["n"]:
        told.append(words("about_other_count"))
    if verdict.figures["label"] != "FID":
        told.append(words("judge_not_fid"))
    st.caption(" ".join(told), width=760)
    if verdict.picture:
        samples(verdict.picture, words("about_beside_alt"))
        st.caption(words("about_beside"))


def show_reliability(words: Words, metrics: dict[str, Any]) -> None:
    """What the score promises, and what came true."""
    bins = metrics.get("score_report", {}).get("bins", [])
    if not bins:
        return
    st.header(words("about_reliability"), anchor=False)
    labels = words("about_promised"), words("about_came_true")
    drawing(reliability_chart(bins, *labels, words("about_reliability_note")))
    st.caption(words("about_reliability_note"), width=760)


def show_curves(words: Words, rows: list[dict[str, float]]) -> None:
    """The losses over the course of training, thinned out to what a screen can show."""
    if len(rows) < 2:
        return
    st.header(words("about_curves"), anchor=False)
    thinned = rows[:: -(-len(rows) // MOST_POINTS)]
    lines = {
        words(f"about_{name}"): [(row["seen"], row[key]) for row in thinned]
        for name, key in (("generator", "loss_g"), ("discriminator", "loss_d"))
    }
    drawing(line_chart(lines, words("about_seen"), words("about_curves_note")))
    st.caption(words("about_curves_note"))


def show_records(words: Words, artifact: Artifact, metrics: dict[str, Any]) -> None:
    """Everything that was written down, as it stands there."""
    with st.expander(words("about_details")):
        card = artifact.folder / CARD_FILE
        if card.is_file():
            st.code(card.read_text(errors="replace"), language=None, wrap_lines=True)
        figures = {name: value for name, value in metrics.items() if name != "curves"}
        records = {
            "facts": artifact.facts,
            "metrics": figures,
            "config": artifact.manifest.config,
            "inputs": artifact.manifest.inputs,
        }
        st.json(records, expanded=1)
