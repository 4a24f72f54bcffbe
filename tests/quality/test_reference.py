from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from palm_assets.errors import (
    ArtifactCorruptError,
    ArtifactMissingError,
    ExtractorMismatchError,
    QualityError,
)
from palm_assets.quality import feature_collector, set_metrics
from palm_assets.quality.config import ReferenceConfig
from palm_assets.quality.features import ExtractionCancelledError, Extractor, extract
from palm_assets.quality.floor import FloorRow, floor_at
from palm_assets.quality.reference import Reference
from palm_assets.quality.reference_builder import build_reference, reference_from_features
from palm_assets.quality.reference_files import SCHEMA, load_reference, save_reference
from palm_assets.quality.set_metrics import evaluate_features, evaluate_set
from palm_assets.quality.statistics import FeatureStatistics
from palm_assets.store.atomic import sha256_of

from .conftest import TinyNetwork, draw_palms

CONFIG = ReferenceConfig(floor_counts=(2, 4, 8, 16, 32, 64), floor_repeats=4)


@pytest.fixture(scope="module")
def module_tiny() -> Extractor:
    return Extractor("efficientnet-lite0", "0" * 12, TinyNetwork())


@pytest.fixture(scope="module")
def reference(module_tiny: Extractor) -> Reference:
    return build_reference(draw_palms(120, seed=0), draw_palms(80, seed=1), CONFIG, extractor=module_tiny)


def test_holds_the_statistics_of_the_training_crops(reference: Reference, module_tiny: Extractor) -> None:
    features = extract(module_tiny, draw_palms(120, seed=0))
    assert (reference.n, reference.extractor, reference.digest) == (120, "efficientnet-lite0", "0" * 12)
    np.testing.assert_allclose(reference.mean, features.mean(0, dtype=np.float64))
    np.testing.assert_allclose(reference.cov, np.cov(features.T.astype(np.float64)), atol=1e-12)
    np.testing.assert_allclose(reference.factor @ reference.factor.T, reference.cov, atol=1e-12)
    np.testing.assert_array_equal(features[reference.subsample_indices], reference.subsample)
    assert reference.statistics.factor is reference.factor


def test_the_indices_of_a_subsample_are_those_of_its_rows(module_tiny: Extractor) -> None:
    images = draw_palms(60, seed=0)
    small = build_reference(
        images, images[:0], CONFIG.model_copy(update={"subsample": 20}), extractor=module_tiny
    )
    assert len(set(small.subsample_indices.tolist())) == 20
    np.testing.assert_array_equal(extract(module_tiny, images[small.subsample_indices]), small.subsample)
    assert small.floor == ()


def test_the_floor_falls_with_n_within_its_spread(reference: Reference) -> None:
    assert [row.n for row in reference.floor] == [2, 4, 8, 16, 32, 64, 80]
    for few, more in zip(reference.floor, reference.floor[1:], strict=False):
        assert more.frechet <= few.frechet + 2 * (few.frechet_sd + more.frechet_sd)
    assert reference.floor[0].frechet > 2 * reference.floor[-1].frechet
    assert all(row.frechet_sd > 0 and row.kid_sd > 0 for row in reference.floor)


def test_the_floors_spread_is_that_between_groups_of_people_not_between_their_photos() -> None:
    def features(people: int, seed: int) -> tuple[np.ndarray, list[str]]:
        rng = np.random.default_rng(seed)
        person = np.repeat(np.arange(people), 12)
        alike = rng.normal(0, 1, (people, 8))[person] + rng.normal(0, 0.2, (len(person), 8))
        return alike.astype(np.float32), [str(name) for name in person]

    def floor_of(seed: int, *, known: bool) -> FloorRow:
        held, people = features(10, seed)
        config = ReferenceConfig(floor_counts=[40], floor_repeats=12)
        made = reference_from_features(
            train, held, config, extractor="e", digest="d", holdout_people=people if known else ()
        )
        return made.floor[0]

    train = features(60, 0)[0]
    between = np.std([floor_of(seed, known=False).frechet for seed in range(1, 21)], ddof=1)
    claimed = np.median([floor_of(seed, known=True).frechet_sd for seed in range(1, 11)])
    naive = np.median([floor_of(seed, known=False).frechet_sd for seed in range(1, 11)])
    assert 0.6 * between < claimed < 1.6 * between
    assert naive < 0.5 * between


def test_the_kernel_floor_is_near_zero_at_every_n(reference: Reference) -> None:
    for row in reference.floor:
        assert abs(row.kid) < 4 * max(row.kid_sd, reference.floor[-2].kid_sd)


def test_the_floor_between_two_rows_is_linear_in_one_over_n() -> None:
    table = tuple(FloorRow(n, 100 / n, 1.0, 0.0, 1.0, 1.0, 0.5, 90.0) for n in (10, 50))
    assert floor_at(table, 20).frechet == pytest.approx(5)  # type: ignore[union-attr]
    assert floor_at(table, 20).n == 20  # type: ignore[union-attr]
    assert floor_at(table, 5) == table[0]
    assert floor_at(table, 900) == table[1]
    assert floor_at((), 20) is None


def test_what_is_saved_is_what_is_loaded(reference: Reference, tmp_path: Path) -> None:
    save_reference(reference, tmp_path / "new")
    loaded = load_reference(tmp_path / "new")
    for name, value in vars(reference).items():
        if name != "statistics":
            np.testing.assert_array_equal(getattr(loaded, name), value)
    assert loaded.floor == reference.floor


def test_the_file_reads_like_pytorch_fids_and_holds_no_pickle(reference: Reference, tmp_path: Path) -> None:
    save_reference(reference, tmp_path)
    with np.load(tmp_path / "statistics.npz", allow_pickle=False) as file:
        np.testing.assert_array_equal(file["mu"], reference.mean)
        np.testing.assert_array_equal(file["sigma"], reference.cov)
        assert not any(file[key].dtype.hasobject for key in file.files)


def test_two_shards_give_the_reference_that_one_pass_gives(
    reference: Reference, module_tiny: Extractor
) -> None:
    images = draw_palms(120, seed=0)
    shards = [
        FeatureStatistics.from_features(
            module_tiny.features(part), extractor="efficientnet-lite0", digest="0" * 12
        )
        for part in (images[:47], images[47:])
    ]
    merged = shards[0].merge(shards[1])
    np.testing.assert_allclose(merged.mean, reference.mean, rtol=1e-9)
    np.testing.assert_allclose(merged.cov, reference.cov, atol=1e-12)


def test_the_same_images_and_config_give_the_same_bytes(reference: Reference, module_tiny: Extractor) -> None:
    again = build_reference(draw_palms(120, seed=0), draw_palms(80, seed=1), CONFIG, extractor=module_tiny)
    assert again.floor == reference.floor
    np.testing.assert_array_equal(again.subsample, reference.subsample)


def test_an_evaluation_shows_the_floor_beside_it(reference: Reference, module_tiny: Extractor) -> None:
    metrics = evaluate_set(draw_palms(16, seed=2), reference, module_tiny)
    assert metrics.n == 16
    assert metrics.label == "Fréchet distance (efficientnet-lite0)"
    assert metrics.frechet_floor == reference.floor[3].frechet
    assert metrics.excess == metrics.frechet - metrics.frechet_floor
    text = metrics.describe()
    assert "16 images against 120 real ones" in text
    assert f"real images at n = 16: {metrics.frechet_floor:.4g}" in text
    data = json.loads(json.dumps(metrics.to_json()))
    assert data["frechet"] == metrics.frechet
    assert len(data["nearest"]) == 16


def test_a_large_set_has_the_same_metrics_whether_its_features_stay_in_memory_or_not(
    reference: Reference, module_tiny: Extractor, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = draw_palms(150, seed=5)
    kept = evaluate_set(images, reference, module_tiny)
    monkeypatch.setattr(set_metrics, "MAX_FEATURES", 60)
    monkeypatch.setattr(feature_collector, "ROWS_PER_BLOCK", 40)
    streamed = evaluate_set(iter(images), reference, module_tiny)
    assert streamed.n == kept.n == 150
    assert streamed.frechet == pytest.approx(kept.frechet, rel=1e-6)
    assert streamed.density == pytest.approx(kept.density)
    assert (streamed.coverage, streamed.auth_pct) == (kept.coverage, kept.auth_pct)
    np.testing.assert_array_equal(streamed.nearest, kept.nearest)
    np.testing.assert_allclose(streamed.distance, kept.distance, rtol=1e-6, atol=1e-6)
    assert streamed.kid_result.n == 60
    assert abs(streamed.kid - kept.kid) < 4 * (streamed.kid_sd + kept.kid_sd)


def test_a_set_larger_than_the_floor_is_compared_with_it_at_the_floors_n(module_tiny: Extractor) -> None:
    small = build_reference(draw_palms(120, seed=0), draw_palms(12, seed=1), CONFIG, extractor=module_tiny)
    metrics = evaluate_set(draw_palms(90, seed=2), small, module_tiny)
    assert metrics.floor is not None
    assert (metrics.n, metrics.floor.n) == (90, 12)
    assert metrics.frechet < metrics.floor.frechet / 2  # for no other reason than its size
    assert metrics.excess is not None
    assert abs(metrics.excess) < 5 * metrics.floor.frechet_sd
    assert "above real images at n = 12" in metrics.describe()


def test_a_set_smaller_than_any_that_was_measured_is_not_compared(module_tiny: Extractor) -> None:
    config = CONFIG.model_copy(update={"floor_counts": [8, 12]})
    large = build_reference(draw_palms(40, seed=0), draw_palms(12, seed=1), config, extractor=module_tiny)
    metrics = evaluate_set(draw_palms(4, seed=2), large, module_tiny)
    assert metrics.excess is None
    assert "were not measured in sets as small as 4" in metrics.describe()


def test_the_distance_is_extrapolated_where_the_set_is_large_enough(
    reference: Reference, module_tiny: Extractor
) -> None:
    few, many = (
        evaluate_set(draw_palms(n, seed=6), reference, module_tiny) for n in (95, 96)
    )  # 24 dimensions
    assert few.fid_infinity is None
    assert many.fid_infinity is not None
    assert many.fid_infinity.n == 96
    assert "extrapolated to n = ∞" in many.describe()
    assert json.loads(json.dumps(many.to_json()))["fid_infinity"]["value"] == many.fid_infinity.value


def test_a_set_filtered_by_score_is_described_as_such(reference: Reference, module_tiny: Extractor) -> None:
    metrics = evaluate_set(draw_palms(8, seed=2), reference, module_tiny)
    assert "filtered" not in metrics.describe()
    assert metrics.to_json()["min_score"] is None
    chosen = replace(metrics, min_score=0.6)
    assert "filtered: only images with a score of 0.6 or more" in chosen.describe()
    assert chosen.to_json()["min_score"] == 0.6


def test_sets_are_evaluated_in_the_precision_of_the_reference(
    reference: Reference, module_tiny: Extractor, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded_in: list[str] = []

    def load(name: str, *, precision: str) -> Extractor:
        loaded_in.append(precision)
        return module_tiny

    monkeypatch.setattr(set_metrics, "load_extractor", load)
    for precision in ("float32", "bfloat16"):
        evaluate_set(draw_palms(2, seed=0), replace(reference, precision=precision))
    assert loaded_in == ["float32", "bfloat16"]


def test_an_evaluation_without_a_holdout_has_no_floor(module_tiny: Extractor) -> None:
    bare = build_reference(
        draw_palms(30, seed=0), np.zeros((0, 3, 64, 64), np.uint8), CONFIG, extractor=module_tiny
    )
    metrics = evaluate_set(draw_palms(4, seed=1), bare, module_tiny)
    assert (metrics.floor, metrics.frechet_floor, metrics.excess) == (None, None, None)
    assert "real images" not in metrics.describe()


def test_another_extractor_is_refused(reference: Reference) -> None:
    other = Extractor("efficientnet-lite0", "1" * 12, TinyNetwork())
    with pytest.raises(ExtractorMismatchError, match="000000000000"):
        evaluate_set(draw_palms(4, seed=1), reference, other)


def test_one_image_is_refused(reference: Reference, module_tiny: Extractor) -> None:
    with pytest.raises(QualityError, match="at least 2 images, got 1"):
        evaluate_set(draw_palms(1, seed=1), reference, module_tiny)


def test_an_evaluation_can_be_stopped_and_building_reports_both_sets(
    module_tiny: Extractor, reference: Reference
) -> None:
    with pytest.raises(ExtractionCancelledError):
        evaluate_set(draw_palms(9, seed=1), reference, module_tiny, should_stop=lambda: True)
    reports: list[tuple[int, int]] = []
    build_reference(
        draw_palms(12, seed=0),
        draw_palms(4, seed=1),
        CONFIG,
        extractor=module_tiny,
        progress=lambda done, total: reports.append((done, total)),
    )
    assert reports == [(4, 16), (8, 16), (12, 16), (16, 16)]


def test_too_few_training_images_are_refused(module_tiny: Extractor) -> None:
    with pytest.raises(QualityError, match="more than 5 training images"):
        build_reference(draw_palms(5, seed=0), draw_palms(5, seed=1), CONFIG, extractor=module_tiny)


def test_a_missing_reference_is_an_error_with_a_hint(tmp_path: Path) -> None:
    with pytest.raises(ArtifactMissingError, match=r"no reference yet.*fid_reference"):
        load_reference(tmp_path)


def _flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))


DAMAGE = {
    "a flipped bit": lambda f: _flip(f / "statistics.npz"),
    "a truncated file": lambda f: (f / "statistics.npz").write_bytes(
        (f / "statistics.npz").read_bytes()[:5000]
    ),
    "an empty file": lambda f: (f / "statistics.npz").write_bytes(b""),
    "half a description": lambda f: (f / "statistics.json").write_text(f'{{"schema": {SCHEMA},'),
    "another schema": lambda f: (f / "statistics.json").write_text('{"schema": 99}'),
    "a list for a description": lambda f: (f / "statistics.json").write_text("[]"),
    "a description without its fields": lambda f: (f / "statistics.json").write_text(
        f'{{"schema": {SCHEMA}}}'
    ),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_any_damage_is_detected_on_loading(kind: str, reference: Reference, tmp_path: Path) -> None:
    save_reference(reference, tmp_path)
    DAMAGE[kind](tmp_path)
    with pytest.raises(ArtifactCorruptError, match="Build the reference again"):
        load_reference(tmp_path)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("mu", np.full(24, np.nan), "mean is not finite"),
        ("sigma", np.zeros((3, 3)), "cov has shape"),
        ("factor", np.zeros(4), "factor has shape"),
        ("digest", "f" * 12, "differs from the description"),
        ("n", np.int64(7), "differs from the description"),
        ("subsample_indices", np.array([{}], dtype=object), "cannot be read"),
        ("holdout", None, "cannot be read"),
    ],
)
def test_contents_that_do_not_fit_together_are_named(
    key: str, value: object, message: str, reference: Reference, tmp_path: Path
) -> None:
    save_reference(reference, tmp_path)
    with np.load(tmp_path / "statistics.npz") as file:
        arrays = {name: file[name] for name in file.files}
    arrays |= {key: value}
    if value is None:
        del arrays[key]
    np.savez(tmp_path / "statistics.npz", **arrays)
    about = json.loads((tmp_path / "statistics.json").read_text())
    about["sha256"] = sha256_of(tmp_path / "statistics.npz")
    (tmp_path / "statistics.json").write_text(json.dumps(about))
    with pytest.raises(ArtifactCorruptError, match=message):
        load_reference(tmp_path)


def test_a_config_with_an_unknown_key_is_refused() -> None:
    with pytest.raises(ValidationError):
        ReferenceConfig(floor_count=(1, 2))  # type: ignore[call-arg]


def test_features_at_hand_make_the_same_reference(reference: Reference, module_tiny: Extractor) -> None:
    train, held = (extract(module_tiny, draw_palms(n, seed=s)) for n, s in ((120, 0), (80, 1)))
    again = reference_from_features(train, held, CONFIG, extractor="efficientnet-lite0", digest="0" * 12)
    assert again.floor == reference.floor
    assert evaluate_features(held[:9], again).frechet == evaluate_features(held[:9], reference).frechet


def test_a_compact_reference_is_small_and_has_the_metrics_of_the_whole_one(
    reference: Reference, module_tiny: Extractor, tmp_path: Path
) -> None:
    save_reference(reference, tmp_path / "whole")
    save_reference(reference, tmp_path / "compact", compact=True)
    sizes = [(tmp_path / name / "statistics.npz").stat().st_size for name in ("compact", "whole")]
    assert sizes[0] < sizes[1] / 2
    whole, compact = (load_reference(tmp_path / name) for name in ("whole", "compact"))
    np.testing.assert_allclose(compact.factor @ compact.factor.T, compact.cov, atol=1e-12)
    np.testing.assert_allclose(compact.cov, whole.cov, rtol=0.01, atol=1e-5)
    assert compact.floor == whole.floor
    features = extract(module_tiny, draw_palms(32, seed=3))
    ours, theirs = (evaluate_features(features, each) for each in (compact, whole))
    assert ours.floor is not None
    assert abs(ours.frechet - theirs.frechet) < 0.1 * ours.floor.frechet_sd
    assert abs(ours.kid - theirs.kid) < 0.1 * ours.floor.kid_sd
    assert (ours.density, ours.coverage) == pytest.approx((theirs.density, theirs.coverage), abs=0.05)


def test_a_reference_without_all_its_features_cannot_be_compact(
    module_tiny: Extractor, tmp_path: Path
) -> None:
    config = CONFIG.model_copy(update={"subsample": 20})
    partial = build_reference(draw_palms(60, seed=0), draw_palms(4, seed=1), config, extractor=module_tiny)
    with pytest.raises(QualityError, match="Only 20 features of 60"):
        save_reference(partial, tmp_path, compact=True)
