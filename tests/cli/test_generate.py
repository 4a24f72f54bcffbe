"""`palms generate`, run on small real models."""

from __future__ import annotations

import csv
import json
import shutil
import zipfile
from pathlib import Path

import pytest

from palm_assets.gan.sampler import load_model
from palm_assets.store.artifacts import Store
from tests.cli.conftest import Palms, Publish, Release
from tests.helpers import below, unsigned, unsigned_zip
from tests.models import SMALL
from tests.release.lineage import publish_candidate, publish_data


def test_generate_twice_gives_identical_images_and_manifests(
    palms: Palms, publish_model: Publish, release: Release, tmp_path: Path
) -> None:
    release(publish_model())
    for name in "ab":
        result = palms("generate", "--count", "20", "--seed", "7", "--out", str(tmp_path / f"{name}.zip"))
        assert result.exit_code == 0, result.output
        assert "20 palms, seed 7" in result.output
    first, second = (unsigned_zip((tmp_path / f"{name}.zip").read_bytes()) for name in "ab")
    assert first == second
    assert len(first) == 21


def test_generate_writes_the_same_pngs_into_a_folder(
    palms: Palms, publish_model: Publish, release: Release, tmp_path: Path
) -> None:
    release(publish_model())
    for out in ("p.zip", "p"):
        assert palms("generate", "--count", "3", "--seed", "7", "--out", str(tmp_path / out)).exit_code == 0
    zipped = {name: content for name, _, content in unsigned_zip((tmp_path / "p.zip").read_bytes())}
    assert zipped == {
        path.name: unsigned(path.read_bytes()) if path.suffix == ".png" else path.read_bytes()
        for path in (tmp_path / "p").iterdir()
    }


def test_generate_prints_the_random_seed(
    palms: Palms, publish_model: Publish, release: Release, tmp_path: Path
) -> None:
    release(publish_model())
    out = tmp_path / "p.zip"
    printed = palms("generate", "--count", "1", "--out", str(out)).output
    first = unsigned_zip(out.read_bytes())
    seed = printed.split("seed ")[1].split(",")[0]
    palms("generate", "--count", "1", "--seed", seed, "--out", str(out))
    assert unsigned_zip(out.read_bytes()) == first


def test_generate_from_another_version_than_the_released_one(
    palms: Palms, publish_model: Publish, release: Release, tmp_path: Path
) -> None:
    released, other = publish_model(1), publish_model(2)
    release(released)
    result = palms("generate", "--count", "1", "--out", str(tmp_path / "p.zip"), "--model", other.version)
    assert f"model {other.version}" in result.output


@pytest.mark.parametrize("name", ["p.zip", "p"])
def test_a_minimum_score_that_too_few_reach_is_exit_code_1_and_the_rest_is_written(
    palms: Palms, publish_model: Publish, release: Release, tmp_path: Path, name: str
) -> None:
    flat = {"method": "platt", "x": [0.01, 0.0], "y": [], "n_real": 50, "n_fake": 50}  # no two scores are 1
    artifact = publish_model(calibration=flat)
    release(artifact)
    model = load_model(artifact.folder, "")
    best = float(model.scores(model.sample(40, seed=1)).max())
    out = tmp_path / name
    result = palms("generate", "--count", "2", "--seed", "1", "--min-score", repr(best), "--out", out)
    assert result.exit_code == 1
    assert "Only 1 of 2 palms reached the score" in result.stderr
    assert "in 40 candidates" in result.stderr
    assert out.exists()


@pytest.mark.parametrize("name", ["p.zip", "p"])
def test_nothing_is_written_if_no_palm_reaches_the_minimum_score(
    palms: Palms, publish_model: Publish, release: Release, tmp_path: Path, name: str
) -> None:
    release(publish_model())
    arguments = ["generate", "--count", "2", "--seed", "1", "--out", tmp_path / name]
    result = palms(*arguments, "--min-score", "1")
    assert result.exit_code == 1
    assert "None of the palms reached the score 1 in 40 candidates" in result.stderr
    assert "Nothing was written: lower --min-score" in result.stderr
    assert not (tmp_path / name).exists()
    assert palms(*arguments).exit_code == 0
    before = below(tmp_path)
    assert palms(*arguments, "--min-score", "1").exit_code == 1
    assert below(tmp_path) == before


@pytest.mark.parametrize("name", ["p.zip", "p"])
def test_generate_says_that_it_replaced_an_earlier_set(
    palms: Palms, publish_model: Publish, release: Release, tmp_path: Path, name: str
) -> None:
    release(publish_model())
    results = [palms("generate", "--count", "1", "--out", tmp_path / name) for _ in range(2)]
    assert [result.exit_code for result in results] == [0, 0]
    assert ["has been replaced" in result.stderr for result in results] == [False, True]


def test_generate_as_json(palms: Palms, publish_model: Publish, tmp_path: Path) -> None:
    version, out = publish_model().version, tmp_path / "p.zip"
    result = palms("generate", "--count", "3", "--seed", "7", "--model", version, "--out", out, "--json")
    values = json.loads(result.stdout)
    expected = {"out": str(out), "palms": 3, "seed": 7, "model": version, "origin": "photographs"}
    assert {name: values[name] for name in expected} == expected
    assert 0 <= values["mean_score"] <= 1


def test_generate_takes_the_folder_of_a_packed_model(
    palms: Palms, publish_model: Publish, tmp_path: Path
) -> None:
    packed = tmp_path / "packed"
    palms("pack", publish_model().version, packed)
    result = palms("generate", "--count", "1", "--out", tmp_path / "p.zip", "--model", packed, "--json")
    assert json.loads(result.stdout)["model"] == json.loads((packed / "manifest.json").read_text())["version"]
    assert json.loads(result.stdout)["origin"] == "photographs"


def test_a_model_of_synthetic_hands_says_so_in_its_store_and_packed(
    palms: Palms, store: Store, tmp_path: Path
) -> None:
    version = publish_candidate(store, publish_data(store, "synthetic")).version
    palms("pack", version, tmp_path / "packed")
    for name in (version, tmp_path / "packed"):
        result = palms("generate", "--count", "1", "--out", tmp_path / "p.zip", "--model", name)
        assert "learned from synthetic hands" in result.output
        assert "learned from synthetic hands" in palms("card", name).output


def test_no_model_of_a_name_says_where_the_names_are(palms: Palms, tmp_path: Path) -> None:
    for command in (("generate", "--model"), ("evaluate", "--model"), ("card",), ("release",)):
        result = palms(*command, "hand-model")
        assert result.exit_code == 1
        assert "No model named hand-model" in result.stderr
        assert "`palms releases` lists them" in result.stderr
    assert "No model named hand-model" in palms("pack", "hand-model", tmp_path / "packed").stderr


def test_the_starter_generates_until_a_model_is_released(
    palms: Palms,
    publish_model: Publish,
    release: Release,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    starter, out = shutil.copytree(publish_model(9).folder, tmp_path / "starter"), tmp_path / "p.zip"
    monkeypatch.setenv("PALM_STARTER", str(starter))
    arguments = ["generate", "--count", "2", "--seed", "1", "--out", str(out)]
    result = palms(*arguments)
    assert result.exit_code == 0
    assert "starter model" in result.stderr
    with zipfile.ZipFile(out) as archive:
        assert archive.read("manifest.csv").decode().count(",starter-") == 2
    release(publish_model(1))
    assert "starter model" not in palms(*arguments).stderr
    assert "starter-" in palms(*arguments, "--model", "starter").stdout


def test_hands_of_a_kind_are_generated_and_named_in_the_manifest(
    palms: Palms, publish_model: Publish, tmp_path: Path
) -> None:
    networks = SMALL.model_copy(update={"labels": ["aspect", "side", "skin"]})
    version = publish_model(1, networks).version
    asked = ("--aspect", "back", "--side", "left", "--skin", "dark")
    result = palms("generate", "--count", "3", *asked, "--model", version, "--out", tmp_path / "set")
    assert result.exit_code == 0, result.output
    with (tmp_path / "set" / "manifest.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [(row["aspect"], row["side"], row["skin"]) for row in rows] == [("back", "left", "dark")] * 3
    assert [row["file"] for row in rows] == [f"back_{number:06d}.png" for number in (1, 2, 3)]
    assert "3 hands, seed" in result.output
    again = ("--count", "2", "--aspect", "palm", "--model", version, "--out", tmp_path / "set")
    assert "2 palms, seed" in palms("generate", *again).output  # instead of the backs
    assert sorted(path.name for path in (tmp_path / "set").glob("*.png")) == [
        "palm_000001.png",
        "palm_000002.png",
    ]


def test_a_model_that_cannot_be_asked_for_a_kind_is_reported_and_nothing_is_written(
    palms: Palms, publish_model: Publish, tmp_path: Path
) -> None:
    version = publish_model(1).version
    result = palms("generate", "--skin", "dark", "--model", version, "--out", tmp_path / "set")
    assert result.exit_code == 1
    assert f"The model {version} cannot be asked for skin 'dark'" in result.stderr
    assert not (tmp_path / "set").exists()
