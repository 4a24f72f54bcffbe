"""The last lines of `make pipeline`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from palm_assets.evaluation.config import EvaluationConfig
from palm_assets.gan.config import GanConfig
from palm_assets.gan.training_state import save_state
from palm_assets.stages.unfinished_training import describe_training
from palm_assets.store.artifacts import Store
from pipelines.jobs import PRESETS, read_presets
from pipelines.summary import (
    command,
    failure_summary,
    interruption_summary,
    refusal_summary,
    success_summary,
    unknown_preset,
)
from tests.models import publish_model
from tests.release.lineage import Data, publish_candidate, publish_data

LONG_AGO = datetime.now(UTC) - timedelta(days=1)
SOON = datetime.now(UTC) + timedelta(days=1)


def publish_distance(store: Store, data: Data, model: str, distance: float, *, real_hands: int = 100) -> None:
    """An evaluation of 100 samples of a model, with this Fréchet distance."""
    facts = {"label": "FID", "frechet": distance, "n": 100, "floor": {"frechet": 79.01, "n": real_hands}}
    store.make(
        "evaluations",
        lambda folder: facts,
        inputs={"model": model, "reference": data.reference.version},
        config=EvaluationConfig(),
        code_version="1",
    )


def test_a_success_names_the_release_its_samples_and_what_to_do_next(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = publish_data(store)
    model = publish_candidate(store, data)
    other = publish_candidate(store, data, 1)
    publish_distance(store, data, other.version, 91.23)
    publish_distance(store, data, model.version, 84.56)
    (data.crops.folder / "contact_sheet.png").touch()
    store.release(model, data.reference)
    monkeypatch.chdir(store.home.parent)
    lines = success_summary(store, model.version).splitlines()
    assert lines[0] == f"Released: model {model.version}, 16 px, learned from photographs"
    samples = Path(lines[1].split()[-1])
    assert samples == Path("home/models", model.version, "samples.png")
    assert samples.is_file()
    assert Path(lines[2].split()[-1]) == Path("home/crops", data.crops.version, "contact_sheet.png")
    assert lines[3] == "  FID of 100 samples, smaller is better:"
    figures = [line.split() for line in lines[4:7]]
    assert figures == [[model.version, "84.6"], ["real", "hands", "79"], [other.version, "91.2"]]
    assert "still shows" not in "\n".join(lines)
    assert lines[-3:-1] == [
        "  make app",
        f"  .venv/bin/palms generate --model {model.version} --out palms.zip",
    ]


def test_a_success_on_synthetic_hands_says_what_the_page_still_shows(store: Store) -> None:
    real, rendered = publish_data(store), publish_data(store, "synthetic")
    shown, model = publish_candidate(store, real), publish_candidate(store, rendered, 1)
    store.release(model, rendered.reference, origin="synthetic")
    store.release(shown, real.reference)
    text = success_summary(store, model.version)
    assert f"{model.version}, 16 px, learned from synthetic hands" in text
    assert f"The page still shows {shown.version}" in text
    assert "make app; choose the model there" in text
    assert f"palms compare {shown.version} {model.version}" in text


def test_a_refusal_names_check_value_bound_and_knob_and_how_to_go_on() -> None:
    checks = [{"check": "detector_finds_palms", "reason": "AP50 on the test split 0.42 (at least 0.8)"}]
    text = failure_summary("Refused: ...", "make pipeline PRESET=local", checks)
    assert text == (
        "Refused: detector_finds_palms: AP50 on the test split 0.42 (at least 0.8). "
        "Bound: min_ap50, under resources, gate, config in the preset. "
        "After a change, run `make pipeline PRESET=local` again: what is done is reused."
    )


def test_a_refused_model_is_shown_with_its_figures_and_how_to_release_it_anyway(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(store.home.parent)
    data = publish_data(store)
    released, model = publish_candidate(store, data).version, publish_candidate(store, data, 1).version
    publish_distance(store, data, released, 80.04)
    publish_distance(store, data, model, 84.56, real_hands=7)
    store.release(store.open("models", released), data.reference)
    (data.crops.folder / "contact_sheet.png").touch()
    checks = [{"check": "not_worse_than_released", "reason": "84.6 (at most 80)"}]
    assert refusal_summary(store, model, "make pipeline", checks).splitlines() == [
        "Refused: not_worse_than_released: 84.6 (at most 80).",
        f"Model {model} is kept, but not on the page:",
        f"  its samples           home/models/{model}/samples.png",
        f"  its training crops    home/crops/{data.crops.version}/contact_sheet.png",
        "  FID of 100 samples, smaller is better:",
        f"    {model:<18}  84.6",
        f"    {released:<18}  80",
        "Next:",
        f"  .venv/bin/palms compare {released} {model}",
        f"  .venv/bin/palms release {model}  # to show it on the page nevertheless",
        "After a change, run `make pipeline` again: what is done is reused.",
    ]


def test_a_failure_is_one_line_however_long_its_error_is() -> None:
    text = failure_summary("The disk is full (/data).\nFree some space.", "make pipeline")
    assert text == (
        "Failed: The disk is full (/data). Free some space. "
        "Run `make pipeline` again to go on: what is done is reused."
    )


def test_an_interruption_says_what_was_saved_since_the_start(
    store: Store,
) -> None:
    assert "Nothing was finished yet" in interruption_summary(store, "make pipeline", LONG_AGO)
    made = publish_model(store).version
    work = store.work_folder("models", "0123456789ab")
    describe_training(work, {}, GanConfig(kimg=80))
    save_state(work / "state.safetensors", {}, {"images_seen": 45_000})
    text = interruption_summary(store, "make pipeline", LONG_AGO)
    assert text == (
        f"Interrupted. Saved: models {made}, the training of models 0123456789ab at 45 of 80 kimg. "
        "Run `make pipeline` again to go on."
    )
    assert "Nothing was finished yet" in interruption_summary(store, "make pipeline", SOON)


def test_the_command_sets_what_the_preset_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    own = read_presets(PRESETS)["own"]
    assert own.variables == ["PALM_HANDS", "PALM_LOOSE_PHOTOS"]
    monkeypatch.delenv("PALM_PRESETS", raising=False)
    monkeypatch.delenv("PALM_HANDS", raising=False)
    monkeypatch.setenv("PALM_LOOSE_PHOTOS", "refuse")
    assert command("own", own.variables) == "PALM_HANDS=... make pipeline PRESET=own"
    monkeypatch.setenv("PALM_HANDS", "my hands")
    monkeypatch.setenv("PALM_LOOSE_PHOTOS", "by_file_name")
    monkeypatch.setenv("PALM_PRESETS", "mine")
    assert command("own", own.variables) == (
        "PALM_PRESETS=mine PALM_HANDS='my hands' PALM_LOOSE_PHOTOS=by_file_name make pipeline PRESET=own"
    )
    monkeypatch.setenv("HUB_TOKEN", "secret")
    monkeypatch.delenv("PALM_PRESETS")
    assert command("sample", ["HUB_TOKEN"]) == "make pipeline"


def test_a_wrong_name_lists_the_presets(tmp_path: Path) -> None:
    presets = {"sample": "Synthetic hands. They need nothing.", "local-256": "Your own photographs."}
    assert unknown_preset("smaple", presets, tmp_path).splitlines() == [
        f"There is no preset smaple in {tmp_path}. The presets are:",
        "  sample     Synthetic hands.",
        "  local-256  Your own photographs.",
    ]
