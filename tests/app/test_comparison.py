from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from app.jobs import Job
from app.judging import Judgement, judging, label, meaning, reservations, table, trouble
from app.sets import PalmSet, Shelf
from app.texts import LANGUAGES, Words
from app.yardstick import Yardsticks, pixels, png_of
from palm_assets.cli import main
from palm_assets.errors import PalmError
from palm_assets.gan.sampler import PalmModel, load_model
from palm_assets.generation.generate import Request
from palm_assets.quality.config import ReferenceConfig
from palm_assets.quality.floor import FloorRow
from palm_assets.store.artifacts import Artifact, Store
from tests.app.real_palms import TRAIN, patches, publish_crops, publish_reference
from tests.app.test_sets import made

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
def yardsticks(store: Store) -> Yardsticks:
    return Yardsticks(store)


def run(palms: PalmSet, yardsticks: Yardsticks, turns: int = 10_000) -> Job[Judgement]:
    job: Job[Judgement] = Job("a", judging(palms, yardsticks), time.monotonic)
    for _ in range(turns):
        if job.over:
            break
        job._take_turn(1e-6)  # one step
    return job


def judged(palms: PalmSet, yardsticks: Yardsticks) -> Judgement:
    job = run(palms, yardsticks)
    assert job.state == "finished", job.error
    assert job.result is not None
    return job.result


def test_the_figures_are_those_of_palms_fid_on_the_zip(
    model: PalmModel, yardsticks: Yardsticks, store: Store, tmp_path: Path
) -> None:
    palms = made(model, Request(20, 7))
    (tmp_path / "palms.zip").write_bytes(palms.archive or b"")
    arguments = ["--home", str(store.home), "fid", str(tmp_path / "palms.zip"), "--json"]
    theirs = json.loads(CliRunner().invoke(main, arguments).stdout)
    ours = judged(palms, yardsticks)
    figures = ours.score.to_json()
    assert {key: figures[key] for key in theirs if key in figures} == {
        key: value for key, value in theirs.items() if key in figures
    }
    assert ours.reference == theirs["reference"]
    assert table(EN, ours)[0][1] == EN.significant(theirs["frechet"])


def test_progress_counts_the_palms(model: PalmModel, yardsticks: Yardsticks) -> None:
    job = Job("a", judging(made(model, Request(40, 7)), yardsticks), time.monotonic)
    seen = []
    while not job.over:
        job._take_turn(1e-6)
        seen.append((job.done, job.total))
    assert seen == [(0, 40), (16, 40), (32, 40), (40, 40), (40, 40)]


def test_a_stopped_comparison_has_no_figures(model: PalmModel, yardsticks: Yardsticks) -> None:
    job: Job[Judgement] = Job("a", judging(made(model, Request(40, 7)), yardsticks), time.monotonic)
    job._take_turn(1e-6)
    job._cancel.set()
    job._take_turn(10)
    assert (job.state, job.result) == ("cancelled", None)


def test_a_set_that_is_let_go_meanwhile_is_still_measured(model: PalmModel, yardsticks: Yardsticks) -> None:
    palms = made(model, Request(4, 7))
    work = judging(palms, yardsticks)
    palms.let_go()
    job: Job[Judgement] = Job("a", work, time.monotonic)
    job._take_turn(60)
    assert job.state == "finished"


def why_not(job: Job[Judgement]) -> str:
    assert job.state == "failed"
    assert isinstance(job.error, PalmError)
    return trouble(job.error)


def test_without_statistics_it_says_so(
    store: Store, publish_model: Callable[..., Artifact], release: Callable[[Artifact], None]
) -> None:
    artifact = publish_model()
    palms = made(load_model(artifact.folder, artifact.version), Request(2, 7))
    assert why_not(run(palms, Yardsticks(store))) == "judge_no_reference"
    release(artifact)
    assert why_not(run(palms, Yardsticks(store))) == "judge_no_reference"


def test_damaged_statistics_are_refused(model: PalmModel, yardsticks: Yardsticks, store: Store) -> None:
    palms = made(model, Request(2, 7))
    path = next((store.home / "reference").glob("*/statistics.npz"))
    path.write_bytes(path.read_bytes()[:-10])
    assert why_not(run(palms, yardsticks)) == "judge_broken_reference"


def test_missing_weights_are_told_and_never_fetched(
    model: PalmModel,
    yardsticks: Yardsticks,
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
    assert why_not(run(made(model, Request(2, 7)), yardsticks)) == "judge_no_weights"


def test_other_weights_than_those_of_the_statistics_are_refused(
    model: PalmModel, yardsticks: Yardsticks, monkeypatch: pytest.MonkeyPatch
) -> None:
    from palm_assets.quality import reference_files

    real = reference_files.load_reference
    monkeypatch.setattr(
        reference_files, "load_reference", lambda folder: replace(real(folder), digest="0" * 12)
    )
    assert why_not(run(made(model, Request(2, 7)), yardsticks)) == "judge_other_weights"


def test_another_release_brings_another_yardstick(
    model: PalmModel, yardsticks: Yardsticks, crops: Artifact, store: Store
) -> None:
    first = yardsticks.released()
    assert yardsticks.released() is first
    source = store.open("reference", first.version)

    def copy(folder: Path) -> dict[str, object]:
        for name in ("statistics.npz", "statistics.json"):
            (folder / name).write_bytes((source.folder / name).read_bytes())
        return {}

    other = store.make(
        "reference", copy, inputs={"crops": "other"}, config=ReferenceConfig(), code_version="2"
    )
    store.release(store.open("models", model.version), other)
    assert yardsticks.released().version == other.version


def test_the_nearest_real_palm_of_a_copy_is_the_copied_one(
    model: PalmModel, yardsticks: Yardsticks, crops: Artifact
) -> None:
    real = yardsticks.real_palms(crops.version)
    assert real is not None
    assert real.shape == (TRAIN, 3, 16, 16)
    near = yardsticks.nearest(png_of(real[5]), crops.version)
    assert near is not None
    assert (near.row, near.among, near.extractor) == (5, TRAIN, "efficientnet-lite0")
    assert (pixels(png_of(real[5])) == patches()[5]).all()


def test_the_figures_know_the_same_nearest_palms(
    model: PalmModel, yardsticks: Yardsticks, crops: Artifact
) -> None:
    palms = made(model, Request(3, 7))
    judgement = judged(palms, yardsticks)
    alone = [yardsticks.nearest(palms.png(entry), crops.version) for entry in palms.entries]
    assert [judgement.nearest(place) for place in range(3)] == alone
    assert judgement.crops == crops.version


def test_there_is_no_nearest_palm_without_the_crops_or_with_others(
    model: PalmModel, yardsticks: Yardsticks, crops: Artifact
) -> None:
    assert yardsticks.real_palms("elsewhere") is None
    assert yardsticks.nearest(png_of(patches()[0]), "elsewhere") is None


@pytest.fixture
def judgement(model: PalmModel, yardsticks: Yardsticks) -> Judgement:
    return judged(made(model, Request(8, 7)), yardsticks)


def with_floor(judgement: Judgement, floor: FloorRow | None) -> Judgement:
    return replace(judgement, score=replace(judgement.score, floor=floor))


@pytest.mark.parametrize(
    ("shift", "key"), [(-10, "judge_farther"), (-1, "judge_alike"), (1, "judge_alike"), (10, "judge_nearer")]
)
def test_the_meaning_compares_with_real_palms(judgement: Judgement, shift: float, key: str) -> None:
    value, row = judgement.score.frechet, judgement.score.floor
    assert row is not None
    beside = with_floor(judgement, replace(row, frechet=value + shift, frechet_sd=1.0))
    for words in (RU, EN):
        told = meaning(words, beside)
        assert words(key) in told
        assert words.significant(value) in told
        assert words.decimal(value + shift, 1) in told


def test_a_floor_at_another_number_of_pictures_is_told(judgement: Judgement) -> None:
    row = judgement.score.floor
    assert row is not None
    for n, key in ((4, "judge_larger"), (16, "judge_smaller")):
        told = meaning(EN, with_floor(judgement, replace(row, n=n)))
        assert f"measured at {n} pictures" in told
        assert EN(key) in told
        assert EN("judge_farther") not in told


def test_without_a_floor_the_number_is_said_to_mean_nothing(judgement: Judgement) -> None:
    alone = with_floor(judgement, None)
    assert "means nothing" in meaning(EN, alone)
    assert [row[2] for row in table(EN, alone)] == ["—", "—", "—"]


def test_reservations_name_what_was_done_to_the_set(judgement: Judgement) -> None:
    plain = " ".join(reservations(EN, judgement))
    assert "filtered" not in plain
    assert EN("judge_few") in plain
    assert EN("judge_not_fid") in plain
    chosen = replace(judgement, request=Request(8, 7, 0.5, 0.3), rejected=12)
    told = " ".join(reservations(EN, chosen))
    assert EN("judge_filtered", bar="0.30", n=12) in told
    assert EN("judge_truncated", truncation="0.50") in told


def test_a_floor_between_two_measured_ones_is_told(model: PalmModel, yardsticks: Yardsticks) -> None:
    between = judged(made(model, Request(6, 7)), yardsticks)
    assert EN("judge_between", low=4, high=8) in reservations(EN, between)
    exact = judged(made(model, Request(8, 7)), yardsticks)
    assert not [told for told in reservations(EN, exact) if "between those measured" in told]


def test_a_distance_is_called_fid_only_when_it_is() -> None:
    assert [label(RU, name) for name in ("FID", "Fréchet distance (inception-v3, weights 0a)")] == [
        "FID",
        "Расстояние Фреше (inception-v3, веса 0a)",
    ]
    assert label(EN, "kernel distance (efficientnet-lite0)") == "Kernel distance (efficientnet-lite0)"
    assert label(RU, "kernel distance (efficientnet-lite0)") == "Ядерное расстояние (efficientnet-lite0)"


def test_every_trouble_has_words() -> None:
    assert trouble(None) == "judge_failed"
    keys = {key for key in LANGUAGES["en"] if key.startswith("judge_no_")} - {"judge_not_fid"}
    assert keys == {"judge_no_reference", "judge_no_weights"}


@pytest.mark.parametrize(
    ("value", "text"),
    [(123.456, "123.5"), (12345.6, "12346"), (0.0123456, "0.01235"), (0, "0"), (-2.5, "−2.500")],
)
def test_figures_have_four_digits(value: float, text: str) -> None:
    assert EN.significant(value) == text


def test_a_spread_sets_the_precision() -> None:
    assert EN.spread(0.123456, 0.0123) == "0.123\u00a0±\u00a00.012"
    assert RU.spread(0.123456, 0.0123) == "0,123\u00a0±\u00a00,012"
    assert EN.spread(0.5, 0) == "0.500"
    assert EN.spread(1234.5, 250.0) == f"{1234.5:.0f}\u00a0±\u00a0250"


def test_the_shelf_is_not_asked_for_more(model: PalmModel, yardsticks: Yardsticks) -> None:
    shelf = Shelf()
    palms = made(model, Request(3, 7), shelf)
    before = shelf.size
    judged(palms, yardsticks)
    assert shelf.size == before
    assert np.isfinite(judged(palms, yardsticks).score.frechet)
