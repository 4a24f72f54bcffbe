from __future__ import annotations

import csv
import dataclasses
import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from palm_assets.errors import ArtifactCorruptError, CheckpointError, DiskFullError, RequestError
from palm_assets.gan.config import NetworkConfig
from palm_assets.gan.sampler import PalmModel, load_model
from palm_assets.generation.archives import write_folder, write_zip
from palm_assets.generation.generate import GeneratedImage, GenerationRequest, GenerationStats, generate
from palm_assets.generation.png_metadata import png_bytes
from palm_assets.provenance.config import DIGITAL_SOURCE_TYPE
from palm_assets.provenance.marking import mark_pixels
from palm_assets.provenance.xmp import XmpClaims, read_xmp
from palm_assets.store.artifacts import Artifact
from tests.helpers import unsigned, unsigned_zip


def generated(model: PalmModel, count: int, seed: int = 7, **more: float) -> list[GeneratedImage]:
    return list(generate(model, GenerationRequest(count, seed, **more)))


def test_the_same_seed_gives_an_identical_zip_but_for_the_signatures(
    model: PalmModel, tmp_path: Path
) -> None:
    write_zip(tmp_path / "a.zip", generate(model, GenerationRequest(20, 7)), model)
    write_zip(tmp_path / "b.zip", generate(model, GenerationRequest(20, 7)), model)
    write_zip(tmp_path / "c.zip", generate(model, GenerationRequest(20, 8)), model)
    a, b, c = (unsigned_zip((tmp_path / f"{name}.zip").read_bytes()) for name in "abc")
    assert a == b
    assert a != c
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_image_5_of_10_equals_image_5_of_1000_to_the_byte(model: PalmModel) -> None:
    few, many = generated(model, 10)[5], generated(model, 1000)[5]
    assert unsigned(png_bytes(few, model.version)) == unsigned(png_bytes(many, model.version))
    assert few.score == many.score


def test_image_i_depends_on_seed_plus_i_alone(model: PalmModel) -> None:
    np.testing.assert_array_equal(
        generated(model, 20, seed=7)[17].image, generated(model, 1, seed=24)[0].image
    )


def test_how_many_are_asked_for_at_once_does_not_change_a_pixel(model: PalmModel) -> None:
    expected = generated(model, 37)
    for start in range(0, 37, 5):
        images = model.generate(model.latents(7, range(start, min(start + 5, 37))))
        for one, image, score in zip(expected[start:], images, model.scores(images), strict=False):
            np.testing.assert_array_equal(one.image, image)
            assert one.score == score


def test_a_score_does_not_depend_on_the_set_even_with_minibatch_statistics(
    publish_model: Callable[..., Artifact],
) -> None:
    networks = NetworkConfig(
        image_size=16, latent=8, generator_width=8, discriminator_width=8, minibatch_stddev=True
    )
    artifact = publish_model(networks=networks)
    model = load_model(artifact.folder, artifact.version)
    assert [palm.score for palm in generated(model, 3)] == [palm.score for palm in generated(model, 40)[:3]]


def test_different_indices_give_different_palms(model: PalmModel) -> None:
    images = {palm.image.tobytes() for palm in generated(model, 50)}
    assert len(images) == 50


def test_less_truncation_makes_palms_more_alike(model: PalmModel) -> None:
    usual = np.stack([palm.image for palm in generated(model, 32, truncation=0.2)]).astype(float)
    varied = np.stack([palm.image for palm in generated(model, 32)]).astype(float)
    assert usual.std(0).mean() < varied.std(0).mean()


def test_zip_and_folder_hold_the_same_files(model: PalmModel, tmp_path: Path) -> None:
    palms = generated(model, 18)
    write_zip(tmp_path / "p.zip", palms, model)
    write_folder(tmp_path / "p", palms, model)
    with zipfile.ZipFile(tmp_path / "p.zip") as archive:
        assert len(archive.namelist()) == 19
    folder = {path.name: path.read_bytes() for path in (tmp_path / "p").iterdir()}
    manifest = folder.pop("manifest.csv")
    assert {name: content for name, _, content in unsigned_zip((tmp_path / "p.zip").read_bytes())} == {
        **{name: unsigned(content) for name, content in folder.items()},
        "manifest.csv": manifest,
    }


def test_the_manifest_says_where_every_palm_comes_from(model: PalmModel, tmp_path: Path) -> None:
    palms = generated(model, 3)
    write_folder(tmp_path / "p", palms, model)
    rows = list(csv.DictReader((tmp_path / "p" / "manifest.csv").open()))
    assert [(row["file"], row["index"], row["seed"], row["model"]) for row in rows] == [
        (f"palm_00000{i + 1}.png", str(i), "7", model.version) for i in range(3)
    ]
    assert {(row["ai_generated"], row["digital_source_type"]) for row in rows} == {
        ("true", "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia")
    }
    assert [float(row["score"]) for row in rows] == pytest.approx([palm.score for palm in palms], abs=1e-4)


def test_a_png_holds_the_pixels_and_says_where_it_comes_from(model: PalmModel) -> None:
    palm = generated(model, 3)[2]
    with Image.open(io.BytesIO(png_bytes(palm, model.version))) as picture:
        pixels, text = np.asarray(picture), dict(picture.text)
    np.testing.assert_array_equal(pixels, mark_pixels(palm.image).transpose(1, 2, 0))
    assert read_xmp(text.pop("XML:com.adobe.xmp").encode()) == XmpClaims(
        DIGITAL_SOURCE_TYPE, "palms 0.1.0", model.version, "9"
    )
    assert text == {
        "Software": "palms 0.1.0",
        "palms:seed": "7",
        "palms:index": "2",
        "palms:model": model.version,
        "palms:score": f"{palm.score:.4f}",
        "palms:truncation": "1",
    }


def test_a_minimum_score_leaves_out_exactly_the_palms_below_it(model: PalmModel) -> None:
    everything = generated(model, 200)
    bar = float(np.median([palm.score for palm in everything]))
    stats = GenerationStats()
    kept = list(generate(model, GenerationRequest(50, 7, min_score=bar), stats=stats))
    expected = [palm.index for palm in everything if palm.score >= bar][:50]
    assert [palm.index for palm in kept] == expected
    assert (stats.kept, stats.candidates, stats.outcome) == (50, expected[-1] + 1, "complete")
    assert stats.rejected == expected[-1] + 1 - 50


def test_an_unreachable_minimum_score_is_given_up_after_twenty_attempts_a_palm(
    publish_model: Callable[..., Artifact],
) -> None:
    never_sure = {"method": "isotonic", "x": [-1.0, 1.0], "y": [0.1, 0.9], "n_real": 9, "n_fake": 9}
    artifact = publish_model(calibration=never_sure)
    model = load_model(artifact.folder, artifact.version)
    stats = GenerationStats()
    assert list(generate(model, GenerationRequest(3, 7, min_score=1.0), stats=stats)) == []
    assert (stats.candidates, stats.outcome) == (60, "gave up")


def test_cancelling_keeps_what_is_done(model: PalmModel) -> None:
    stats = GenerationStats()
    palms = list(
        generate(
            model, GenerationRequest(1000, 7), should_stop=lambda: stats.kept >= model.chunk + 1, stats=stats
        )
    )
    assert len(palms) == 2 * model.chunk
    assert stats.outcome == "stopped"
    np.testing.assert_array_equal(palms[5].image, generated(model, 6)[5].image)


def test_progress_grows_to_the_number_asked_for(model: PalmModel) -> None:
    calls: list[tuple[int, int]] = []
    list(generate(model, GenerationRequest(200, 7), progress=lambda done, total: calls.append((done, total))))
    assert calls == [(0, 200), (125, 200), (200, 200)]


def test_a_set_streams_without_generating_what_nobody_takes(model: PalmModel) -> None:
    stats = GenerationStats()
    palms = generate(model, GenerationRequest(100_000, 7), stats=stats)
    next(palms)
    assert stats.candidates == model.chunk


@pytest.mark.parametrize(
    "wrong",
    [
        {"count": 0},
        {"count": 100_001},
        {"seed": -1},
        {"seed": 2**53 + 1},
        {"truncation": 0.0},
        {"truncation": 1.5},
        {"truncation": float("nan")},
        {"min_score": -0.1},
        {"min_score": 1.1},
        {"min_score": float("nan")},
    ],
)
def test_a_request_out_of_range_is_refused_by_name(wrong: dict[str, float]) -> None:
    with pytest.raises(RequestError) as refusal:
        GenerationRequest(**{"count": 1, "seed": 0, **wrong})
    assert refusal.value.hint


def test_a_failed_write_leaves_the_old_zip_and_no_litter(model: PalmModel, tmp_path: Path) -> None:
    path = tmp_path / "p.zip"
    path.write_bytes(b"old")

    def fails() -> object:
        yield generated(model, 1)[0]
        raise OSError(28, "No space left on device")

    with pytest.raises(DiskFullError):
        write_zip(path, fails(), model)
    assert [entry.name for entry in tmp_path.iterdir() if entry.name != "home"] == ["p.zip"]
    assert path.read_bytes() == b"old"


def test_a_folder_of_palms_is_replaced_whole(model: PalmModel, tmp_path: Path) -> None:
    write_folder(tmp_path / "p", generated(model, 5), model)
    write_folder(tmp_path / "p", generated(model, 2), model)
    assert sorted(path.name for path in (tmp_path / "p").iterdir()) == [
        "manifest.csv",
        "palm_000001.png",
        "palm_000002.png",
    ]


def test_a_folder_with_anything_else_in_it_is_left_alone(model: PalmModel, tmp_path: Path) -> None:
    (tmp_path / "p").mkdir()
    (tmp_path / "p" / "thesis.doc").write_text("precious")
    with pytest.raises(RequestError, match=r"thesis\.doc"):
        write_folder(tmp_path / "p", generated(model, 1), model)
    assert [path.name for path in (tmp_path / "p").iterdir()] == ["thesis.doc"]


def test_without_a_calibration_the_score_is_the_sigmoid_of_the_logit(model: PalmModel) -> None:
    images = model.generate(model.latents(1, range(5)))
    np.testing.assert_allclose(model.scores(images), 1 / (1 + np.exp(-model.logits(images))), rtol=1e-5)
    assert model.scores(images).dtype == np.float32
    assert model.scoring == "raw"


def test_with_a_calibration_the_score_is_the_calibrated_probability(
    publish_model: Callable[..., Artifact],
) -> None:
    artifact = publish_model(
        calibration={"method": "platt", "x": [2.0, -1.0], "y": [], "n_real": 9999, "n_fake": 9999}
    )
    model = load_model(artifact.folder, artifact.version)
    images = model.generate(model.latents(1, range(5)))
    np.testing.assert_allclose(
        model.scores(images), 1 / (1 + np.exp(1 - 2 * model.logits(images))), atol=1e-3
    )
    assert model.scoring == "calibrated"


@pytest.mark.parametrize(
    ("text", "error"), [("{", CheckpointError), ('{"method": "magic"}', ArtifactCorruptError)]
)
def test_a_calibration_that_makes_no_sense_is_refused(
    model: PalmModel, tmp_path: Path, text: str, error: type[Exception]
) -> None:
    folder = tmp_path / "copy"
    folder.mkdir()
    for path in model.folder.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    (folder / "calibration.json").write_text(text)
    with pytest.raises(error):
        load_model(folder, "x")


def test_a_palm_is_immutable(model: PalmModel) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        generated(model, 1)[0].index = 3  # type: ignore[misc]
