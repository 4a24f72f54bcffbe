from __future__ import annotations

import json
import math
import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from app.i18n.words import LANGUAGES, Words
from app.views.comparison import PANEL, _submit
from app.views.comparison_text import failure_text, metric_name, metric_rows, notes, summary
from app.work.comparison import Comparison, comparison_job
from app.work.jobs import Job
from app.work.palm_sets import PalmSet, SetCache
from app.work.reference import ReferenceCache, decode_png, shows_real_palms
from app.work.set_files import EvictedError
from palm_assets.cli.main import main
from palm_assets.errors import ArtifactCorruptError, PalmError
from palm_assets.gan.hand_labels import HandLabels
from palm_assets.gan.sampler import PalmModel, load_model
from palm_assets.generation.generate import GenerationRequest
from palm_assets.generation.png_metadata import encode_png
from palm_assets.quality.config import ReferenceConfig
from palm_assets.quality.floor import FloorRow
from palm_assets.store.artifacts import Artifact, Store
from tests.app.real_palms import TRAIN, patches, publish_crops, publish_reference
from tests.app.test_generation import generated_set

RU, EN = Words("ru"), Words("en")


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with statistics, which take seconds to make: each test gets a copy."""
    store = Store(tmp_path_factory.mktemp("measured") / "home")
    publish_reference(store, publish_crops(store))
    return store.home


@pytest.fixture
def store(measured: Path, tmp_path: Path) -> Store:
    shutil.copytree(measured, tmp_path / "home")
    return Store(tmp_path / "home")


@pytest.fixture
def crops(store: Store) -> Artifact:
    return publish_crops(store)


@pytest.fixture
def model(store: Store, crops: Artifact, publish_model: Callable[..., Artifact]) -> PalmModel:
    artifact = publish_model()
    store.release(artifact, publish_reference(store, crops))
    return load_model(artifact.folder, artifact.version)


@pytest.fixture
def references(store: Store) -> ReferenceCache:
    return ReferenceCache(store)


def run(palms: PalmSet, references: ReferenceCache, turns: int = 10_000) -> Job[Comparison]:
    job: Job[Comparison] = Job("a", comparison_job(palms, references), time.monotonic)
    for _ in range(turns):
        if job.is_over:
            break
        job._run_slice(1e-6)  # one step
    return job


def compared(palms: PalmSet, references: ReferenceCache) -> Comparison:
    job = run(palms, references)
    assert job.state == "finished", job.error
    assert job.result is not None
    return job.result


def test_the_metrics_are_those_of_palms_fid_on_the_zip(
    model: PalmModel, references: ReferenceCache, store: Store, tmp_path: Path
) -> None:
    palms = generated_set(model, GenerationRequest(20, 7))
    (tmp_path / "palms.zip").write_bytes(palms.archive)
    arguments = ["--home", str(store.home), "fid", str(tmp_path / "palms.zip"), "--json"]
    expected = json.loads(CliRunner().invoke(main, arguments).stdout)
    comparison = compared(palms, references)
    metrics = comparison.metrics.to_json()
    assert {key: metrics[key] for key in expected if key in metrics} == {
        key: value for key, value in expected.items() if key in metrics
    }
    assert comparison.reference == expected["reference"]
    assert metric_rows(EN, comparison)[0][1] == EN.significant(expected["frechet"])


def test_progress_counts_the_palms(model: PalmModel, references: ReferenceCache) -> None:
    job = Job("a", comparison_job(generated_set(model, GenerationRequest(40, 7)), references), time.monotonic)
    steps = []
    while not job.is_over:
        job._run_slice(1e-6)
        steps.append((job.done, job.total))
    assert steps == [(0, 40), (16, 40), (32, 40), (40, 40), (40, 40)]


def test_a_stopped_comparison_has_no_result(model: PalmModel, references: ReferenceCache) -> None:
    job: Job[Comparison] = Job(
        "a", comparison_job(generated_set(model, GenerationRequest(40, 7)), references), time.monotonic
    )
    job._run_slice(1e-6)
    job._cancel.set()
    job._run_slice(10)
    assert (job.state, job.result) == ("cancelled", None)


def test_a_set_that_is_evicted_meanwhile_is_still_compared(
    model: PalmModel, references: ReferenceCache
) -> None:
    palms = generated_set(model, GenerationRequest(4, 7))
    work = comparison_job(palms, references)
    palms.evict()
    job: Job[Comparison] = Job("a", work, time.monotonic)
    job._run_slice(60)
    assert job.state == "finished"
    with pytest.raises(EvictedError):
        comparison_job(palms, references)
    _submit(palms)  # as the page's button does: it has no job, and the page says why
    assert PANEL.job is None


def failure_of(job: Job[Comparison]) -> str:
    assert job.state == "failed"
    assert isinstance(job.error, PalmError)
    return failure_text(job.error)


def test_without_statistics_it_says_so(
    store: Store, publish_model: Callable[..., Artifact], release: Callable[[Artifact], None]
) -> None:
    artifact = publish_model()
    palms = generated_set(load_model(artifact.folder, artifact.version), GenerationRequest(2, 7))
    assert failure_of(run(palms, ReferenceCache(store))) == "compare_no_reference"
    release(artifact)
    assert failure_of(run(palms, ReferenceCache(store))) == "compare_no_reference"


def test_an_unreadable_release_pointer_is_the_reason(
    model: PalmModel, references: ReferenceCache, store: Store
) -> None:
    assert references.status(model.version).problem is None
    (store.home / "released.json").write_text("damaged")
    assert isinstance(references.status(model.version).problem, ArtifactCorruptError)


def test_damaged_statistics_are_refused(model: PalmModel, references: ReferenceCache, store: Store) -> None:
    palms = generated_set(model, GenerationRequest(2, 7))
    path = next((store.home / "reference").glob("*/statistics.npz"))
    path.write_bytes(path.read_bytes()[:-10])
    assert failure_of(run(palms, references)) == "compare_broken_reference"


def test_missing_weights_are_reported_and_never_downloaded(
    model: PalmModel,
    references: ReferenceCache,
    crops: Artifact,
    store: Store,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from palm_assets.quality import reference_files
    from palm_assets.quality.extractors import weights

    real = reference_files.load_reference
    monkeypatch.setattr(
        reference_files, "load_reference", lambda folder: replace(real(folder), extractor="inception-v3")
    )
    monkeypatch.setattr(weights, "default_cache", lambda: tmp_path)
    assert failure_of(run(generated_set(model, GenerationRequest(2, 7)), references)) == "compare_no_weights"


def test_other_weights_than_those_of_the_statistics_are_refused(
    model: PalmModel, references: ReferenceCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    from palm_assets.quality import reference_files

    real = reference_files.load_reference
    monkeypatch.setattr(
        reference_files, "load_reference", lambda folder: replace(real(folder), digest="0" * 12)
    )
    assert (
        failure_of(run(generated_set(model, GenerationRequest(2, 7)), references)) == "compare_other_weights"
    )


def test_another_release_brings_another_reference(
    model: PalmModel, references: ReferenceCache, crops: Artifact, store: Store
) -> None:
    first = references.of(model.version)
    assert references.of(model.version) is first
    source = store.open("reference", first.found.name)

    def copy(folder: Path) -> dict[str, object]:
        for name in ("statistics.npz", "statistics.json"):
            (folder / name).write_bytes((source.folder / name).read_bytes())
        return {}

    other = store.make(
        "reference", copy, inputs={"crops": "other"}, config=ReferenceConfig(), code_version="2"
    )
    store.release(store.open("models", model.version), other)
    assert references.of(model.version).found.name == other.version


def test_the_nearest_real_palm_of_a_copy_is_the_copied_one(
    model: PalmModel, references: ReferenceCache, crops: Artifact
) -> None:
    real = references.real_palms(crops.version)
    assert real is not None
    assert real.shape == (TRAIN, 3, 16, 16)
    near = references.nearest(encode_png(real[5]), model.version, crops.version)
    assert near is not None
    assert (near.row, near.among, near.extractor) == (5, TRAIN, "efficientnet-lite0")
    assert (decode_png(encode_png(real[5])) == patches()[5]).all()


def test_the_comparison_finds_the_same_nearest_palms(
    model: PalmModel, references: ReferenceCache, crops: Artifact
) -> None:
    palms = generated_set(model, GenerationRequest(3, 7))
    comparison = compared(palms, references)
    alone = [references.nearest(palms.png(entry), model.version, crops.version) for entry in palms.entries]
    assert [comparison.nearest(place) for place in range(3)] == alone
    assert comparison.crops == crops.version


def test_there_is_no_nearest_palm_without_the_crops_or_with_others(
    model: PalmModel, references: ReferenceCache, crops: Artifact
) -> None:
    assert references.real_palms("elsewhere") is None
    assert references.nearest(encode_png(patches()[0]), model.version, "elsewhere") is None


@pytest.fixture
def comparison(model: PalmModel, references: ReferenceCache) -> Comparison:
    return compared(generated_set(model, GenerationRequest(8, 7)), references)


def with_floor(comparison: Comparison, floor: FloorRow | None) -> Comparison:
    return replace(comparison, metrics=replace(comparison.metrics, floor=floor))


@pytest.mark.parametrize(
    ("shift", "key"),
    [(-10, "compare_farther"), (-1, "compare_alike"), (1, "compare_alike"), (10, "compare_nearer")],
)
def test_the_summary_compares_with_real_palms(comparison: Comparison, shift: float, key: str) -> None:
    value, row = comparison.metrics.frechet, comparison.metrics.floor
    assert row is not None
    floor = replace(row, frechet=value + shift, frechet_sd=1.0, kid=comparison.metrics.kid)
    beside = with_floor(comparison, floor)
    for words in (RU, EN):
        text = summary(words, beside)
        assert words(key) in text
        assert words.significant(value) in text
        assert words.decimal(value + shift, 1) in text


def test_a_set_is_not_called_alike_by_one_distance_while_the_other_tells_it_apart(
    comparison: Comparison,
) -> None:
    metrics, row = comparison.metrics, comparison.metrics.floor
    assert row is not None
    for factor, key in ((2.9, "compare_alike"), (3.1, "compare_farther_by_kernel")):
        kid = metrics.kid - factor * math.hypot(metrics.kid_sd, row.kid_sd)
        beside = with_floor(comparison, replace(row, frechet=metrics.frechet, frechet_sd=1.0, kid=kid))
        for words in (RU, EN):
            assert words(key) in summary(words, beside)


def test_a_floor_at_another_number_of_images_is_mentioned(comparison: Comparison) -> None:
    row = comparison.metrics.floor
    assert row is not None
    for n, key in ((4, "compare_larger_set"), (16, "compare_smaller_set")):
        text = summary(EN, with_floor(comparison, replace(row, n=n)))
        assert f"measured on {n} images" in text
        assert EN(key) in text
        assert EN("compare_farther") not in text


def test_without_a_floor_the_number_is_said_to_mean_nothing(comparison: Comparison) -> None:
    alone = with_floor(comparison, None)
    assert "means nothing" in summary(EN, alone)
    assert [row[2] for row in metric_rows(EN, alone)] == ["—", "—", "—"]


def test_notes_mention_what_was_done_to_the_set(comparison: Comparison) -> None:
    plain = " ".join(notes(EN, comparison))
    assert "filtered" not in plain
    assert EN("compare_few") in plain
    assert EN("not_fid") in plain
    filtered = replace(comparison, request=GenerationRequest(8, 7, 0.5, 0.3), rejected=12)
    text = " ".join(notes(EN, filtered))
    assert EN("compare_filtered", min_score="0.30", n=12) in text
    assert EN("compare_truncated", truncation="0.50") in text
    assert "mixed set" not in text
    backs = replace(comparison, request=GenerationRequest(8, 7, labels=HandLabels("back", skin="dark")))
    assert EN("compare_one_kind", kinds="backs, dark") in notes(EN, backs)


def test_an_interpolated_floor_is_mentioned(model: PalmModel, references: ReferenceCache) -> None:
    between = compared(generated_set(model, GenerationRequest(6, 7)), references)
    assert EN("compare_interpolated", low=4, high=8) in notes(EN, between)
    exact = compared(generated_set(model, GenerationRequest(8, 7)), references)
    assert not [text for text in notes(EN, exact) if "interpolated" in text]


def test_a_distance_is_called_fid_only_when_it_is() -> None:
    assert [metric_name(RU, name) for name in ("FID", "Fréchet distance (inception-v3, weights 0a)")] == [
        "FID",
        "Расстояние Фреше (inception-v3, веса 0a)",
    ]
    assert metric_name(EN, "kernel distance (efficientnet-lite0)") == "Kernel distance (efficientnet-lite0)"
    assert (
        metric_name(RU, "kernel distance (efficientnet-lite0)") == "Ядерное расстояние (efficientnet-lite0)"
    )


def test_every_failure_has_a_text() -> None:
    assert failure_text(None) == "compare_failed"
    keys = {key for key in LANGUAGES["en"] if key.startswith("compare_no_")} - {"not_fid"}
    assert keys == {"compare_no_reference", "compare_no_weights"}


@pytest.mark.parametrize(
    ("value", "text"),
    [(123.456, "123.5"), (12345.6, "12346"), (0.0123456, "0.01235"), (0, "0"), (-2.5, "−2.500")],
)
def test_numbers_have_four_digits(value: float, text: str) -> None:
    assert EN.significant(value) == text


def test_a_spread_sets_the_precision() -> None:
    assert EN.spread(0.123456, 0.0123) == "0.123\u00a0±\u00a00.012"
    assert RU.spread(0.123456, 0.0123) == "0,123\u00a0±\u00a00,012"
    assert EN.spread(0.5, 0) == "0.500"
    assert EN.spread(1234.5, 250.0) == f"{1234.5:.0f}\u00a0±\u00a0250"


def test_a_comparison_adds_nothing_to_the_cache(model: PalmModel, references: ReferenceCache) -> None:
    cache = SetCache()
    palms = generated_set(model, GenerationRequest(3, 7), cache)
    before = cache.size
    compared(palms, references)
    assert cache.size == before
    assert np.isfinite(compared(palms, references).metrics.frechet)


@pytest.mark.parametrize(
    ("value", "shown"),
    [(None, False), ("", False), ("off", False), ("0", False), ("on", True), ("TRUE", True)],
)
def test_real_palms_are_shown_only_if_the_operator_says_so(value: str | None, shown: bool) -> None:
    assert shows_real_palms({} if value is None else {"PALM_SHOW_REAL": value}) is shown
