"""`palms generate`, run on small real models."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

from tests.cli.conftest import Palms, Publish, Release


def test_generate_twice_gives_identical_bytes(
    palms: Palms, publish_model: Publish, release: Release, tmp_path: Path
) -> None:
    release(publish_model())
    for name in "ab":
        result = palms("generate", "--count", "20", "--seed", "7", "--out", str(tmp_path / f"{name}.zip"))
        assert result.exit_code == 0, result.output
        assert "20 palms, seed 7" in result.output
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()


def test_generate_writes_the_same_pngs_into_a_folder(
    palms: Palms, publish_model: Publish, release: Release, tmp_path: Path
) -> None:
    release(publish_model())
    for out in ("p.zip", "p"):
        assert palms("generate", "--count", "3", "--seed", "7", "--out", str(tmp_path / out)).exit_code == 0
    with zipfile.ZipFile(tmp_path / "p.zip") as archive:
        assert {name: archive.read(name) for name in archive.namelist()} == {
            path.name: path.read_bytes() for path in (tmp_path / "p").iterdir()
        }


def test_generate_prints_the_random_seed(
    palms: Palms, publish_model: Publish, release: Release, tmp_path: Path
) -> None:
    release(publish_model())
    out = tmp_path / "p.zip"
    printed = palms("generate", "--count", "1", "--out", str(out)).output
    first = out.read_bytes()
    seed = printed.split("seed ")[1].split(",")[0]
    palms("generate", "--count", "1", "--seed", seed, "--out", str(out))
    assert out.read_bytes() == first


def test_generate_from_another_version_than_the_released_one(
    palms: Palms, publish_model: Publish, release: Release, tmp_path: Path
) -> None:
    released, other = publish_model(1), publish_model(2)
    release(released)
    result = palms("generate", "--count", "1", "--out", str(tmp_path / "p.zip"), "--model", other.version)
    assert f"model {other.version}" in result.output


def test_a_minimum_score_that_too_few_reach_is_exit_code_1_and_the_rest_is_written(
    palms: Palms, publish_model: Publish, release: Release, tmp_path: Path
) -> None:
    release(publish_model())
    result = palms(
        "generate", "--count", "2", "--seed", "1", "--min-score", "1", "--out", str(tmp_path / "p.zip")
    )
    assert result.exit_code == 1
    assert "Only 0 of 2 palms reached the score 1.0 in 40 candidates" in result.stderr
    assert (tmp_path / "p.zip").exists()


def test_the_starter_generates_until_a_model_is_released(
    palms: Palms, publish_model: Publish, release: Release, tmp_path: Path
) -> None:
    starter, out = shutil.copytree(publish_model(9).folder, tmp_path / "starter"), tmp_path / "p.zip"
    arguments = ["generate", "--count", "2", "--seed", "1", "--out", str(out), "--starter", str(starter)]
    result = palms(*arguments)
    assert result.exit_code == 0
    assert "starter model" in result.stderr
    with zipfile.ZipFile(out) as archive:
        assert archive.read("manifest.csv").decode().count(",starter-") == 2
    release(publish_model(1))
    assert palms(*arguments).stderr == ""
