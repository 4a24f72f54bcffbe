from __future__ import annotations

import itertools
import json
import os
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner, Result

from palm_assets.cli import main
from palm_assets.store.artifacts import Artifact, Store

Publish = Callable[..., Artifact]
Release = Callable[[Artifact], None]


@pytest.fixture
def palms(store: Store, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """`palms("status")`: run the command line on the test's store."""
    monkeypatch.setenv("PALM_HOME", str(store.home))

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(main, arguments)

    return run


@pytest.mark.parametrize("command", ["generate", "status", "import-published", "evaluate", "fid"])
def test_every_command_explains_itself_with_an_example(palms: Callable[..., Result], command: str) -> None:
    result = palms(command, "--help")
    assert result.exit_code == 0
    assert f"\n    palms {command}" in result.output


def test_help_answers_at_once_and_loads_nothing_heavy() -> None:
    code = "import sys; from palm_assets import cli; print({'torch', 'numpy'} & {*sys.modules})"
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True
    )
    assert found.stdout.strip() == "set()"
    times = []
    for _ in range(3):  # the quickest of three: other work on the machine is not our doing
        start = time.monotonic()
        subprocess.run(
            [sys.executable, "-m", "palm_assets.cli.main", "--help"], capture_output=True, check=True
        )
        times.append(time.monotonic() - start)
    assert min(times) < 0.5


def test_generate_twice_gives_identical_bytes(
    palms: Callable[..., Result], publish_model: Publish, release: Release, tmp_path: Path
) -> None:
    release(publish_model())
    for name in "ab":
        result = palms("generate", "--count", "20", "--seed", "7", "--out", str(tmp_path / f"{name}.zip"))
        assert result.exit_code == 0, result.output
        assert "20 palms, seed 7" in result.output
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()


def test_generate_writes_the_same_pngs_into_a_folder(
    palms: Callable[..., Result], publish_model: Publish, release: Release, tmp_path: Path
) -> None:
    release(publish_model())
    for out in ("p.zip", "p"):
        assert palms("generate", "--count", "3", "--seed", "7", "--out", str(tmp_path / out)).exit_code == 0
    with zipfile.ZipFile(tmp_path / "p.zip") as archive:
        assert {name: archive.read(name) for name in archive.namelist()} == {
            path.name: path.read_bytes() for path in (tmp_path / "p").iterdir()
        }


def test_generate_tells_the_random_seed_that_it_chose(
    palms: Callable[..., Result], publish_model: Publish, release: Release, tmp_path: Path
) -> None:
    release(publish_model())
    out = tmp_path / "p.zip"
    told = palms("generate", "--count", "1", "--out", str(out)).output
    first = out.read_bytes()
    seed = told.split("seed ")[1].split(",")[0]
    palms("generate", "--count", "1", "--seed", seed, "--out", str(out))
    assert out.read_bytes() == first


def test_generate_from_another_version_than_the_released_one(
    palms: Callable[..., Result], publish_model: Publish, release: Release, tmp_path: Path
) -> None:
    released, other = publish_model(1), publish_model(2)
    release(released)
    result = palms("generate", "--count", "1", "--out", str(tmp_path / "p.zip"), "--model", other.version)
    assert f"model {other.version}" in result.output


def test_a_minimum_score_that_too_few_reach_is_exit_code_1_and_the_rest_is_written(
    palms: Callable[..., Result], publish_model: Publish, release: Release, tmp_path: Path
) -> None:
    release(publish_model())
    result = palms(
        "generate", "--count", "2", "--seed", "1", "--min-score", "1", "--out", str(tmp_path / "p.zip")
    )
    assert result.exit_code == 1
    assert "Only 0 of 2 palms reached the score 1.0 in 40 attempts" in result.stderr
    assert (tmp_path / "p.zip").exists()


@pytest.mark.parametrize(
    "wrong",
    [
        ("--count", "0"),
        ("--count", "ten"),
        ("--seed", "-1"),
        ("--truncation", "0"),
        ("--min-score", "2"),
        ("--color", "red"),
    ],
)
def test_misuse_is_exit_code_2(palms: Callable[..., Result], wrong: tuple[str, str]) -> None:
    assert palms("generate", *wrong).exit_code == 2


def test_no_model_is_exit_code_1_and_one_line_without_traceback(store: Store, tmp_path: Path) -> None:
    result = subprocess.run(
        [
            sys.executable,
            "-m",
            "palm_assets.cli.main",
            "--home",
            str(store.home),
            "generate",
            "--out",
            str(tmp_path / "p.zip"),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 1
    assert result.stdout == ""
    assert len(result.stderr.strip().splitlines()) == 1
    assert "make pipeline" in result.stderr
    assert not (tmp_path / "p.zip").exists()


def test_status_of_an_empty_home_says_what_to_do(palms: Callable[..., Result]) -> None:
    result = palms("status")
    assert result.exit_code == 0
    assert "make pipeline" in result.output


def test_status_shows_versions_facts_and_what_is_released(
    palms: Callable[..., Result], store: Store, publish_model: Publish, release: Release
) -> None:
    old, new = publish_model(1), publish_model(2, fid=12.34567)
    store.set_current("dcgan_checkpoint", new)
    release(new)
    lines = palms("status").output.splitlines()
    new_line = next(number for number, line in enumerate(lines) if new.version in line)
    assert "[current] [released]" in lines[new_line]
    assert "from seed 2" in lines[new_line + 1]
    assert "fid 12.35" in lines[new_line + 2]
    assert "[" not in next(line for line in lines if old.version in line)


def test_status_json_holds_every_fact(
    palms: Callable[..., Result], publish_model: Publish, release: Release
) -> None:
    artifact = publish_model(1, people={"train": 3})
    release(artifact)
    rows = json.loads(palms("status", "--json").output)
    row = next(row for row in rows if row["version"] == artifact.version)
    assert row["facts"]["people"] == {"train": 3}
    assert row["marks"] == ["released"]
    assert row["inputs"] == {"seed": "1"}


def test_status_names_what_is_damaged_and_fails(palms: Callable[..., Result], publish_model: Publish) -> None:
    artifact = publish_model(1)
    path = artifact.folder / "generator.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    assert palms("status").exit_code == 0  # the size is right
    result = palms("status", "--verify")
    assert result.exit_code == 1
    assert artifact.version in result.stderr
    path.unlink()
    assert palms("status").exit_code == 1


def published_weights(folder: Path) -> list[str]:
    """State dicts of the published shape, by a definition of its own (facts.md)."""
    torch.manual_seed(0)
    widths = [500, 2048, 1024, 512, 256, 128, 64, 3]
    layers: list[torch.nn.Module] = []
    for number, (inner, outer) in enumerate(itertools.pairwise(widths)):
        first, last = number == 0, outer == 3
        layers.append(
            torch.nn.ConvTranspose2d(inner, outer, 4, 1 if first else 2, 0 if first else 1, bias=False)
        )
        layers += [torch.nn.Sigmoid()] if last else [torch.nn.BatchNorm2d(outer), torch.nn.ReLU()]
    torch.save(
        {f"main.{k}": v for k, v in torch.nn.Sequential(*layers).state_dict().items()}, folder / "G.pt"
    )
    layers = []
    for number, (inner, outer) in enumerate([(3, 64), (64, 128), (128, 256), (256, 512), (512, 1024)]):
        layers.append(torch.nn.Conv2d(inner, outer, 4, 2, 1, bias=False))
        layers += [torch.nn.BatchNorm2d(outer)] if number else []
        layers.append(torch.nn.LeakyReLU(0.2))
    weights = {f"main.{k}": v for k, v in torch.nn.Sequential(*layers).state_dict().items()}
    head = torch.nn.Linear(65536, 2).state_dict()
    torch.save({**weights, **{f"fc.{k}": v for k, v in head.items()}}, folder / "D.pt")
    return [str(folder / "G.pt"), str(folder / "D.pt")]


def test_published_weights_become_a_model_that_generates(
    palms: Callable[..., Result], store: Store, tmp_path: Path
) -> None:
    files = published_weights(tmp_path)
    result = palms("import-published", *files)
    assert result.exit_code == 0, result.output
    (version,) = store.versions("models")
    artifact = store.open("models", version)
    assert artifact.facts["imported"] is True
    assert (artifact.folder / "samples.png").exists()
    assert store.released() is None
    assert "there already" in palms("import-published", *files).output
    out = tmp_path / "p.zip"
    assert palms("generate", "--count", "1", "--model", version, "--out", str(out)).exit_code == 0
    refused = palms("import-published", *files, "--release")
    assert refused.exit_code == 1
    assert "fid_reference" in refused.stderr
    assert store.released() is None


def test_a_pickle_that_would_run_code_is_refused_and_not_run(
    palms: Callable[..., Result], tmp_path: Path
) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[object, ...]:
            return Path.touch, (tmp_path / "boom",)

    torch.save({"main.0.weight": Bomb()}, tmp_path / "G.pt")
    torch.save({}, tmp_path / "D.pt")
    result = palms("import-published", str(tmp_path / "G.pt"), str(tmp_path / "D.pt"))
    assert result.exit_code == 1
    assert not (tmp_path / "boom").exists()


def test_a_missing_file_of_weights_is_misuse(palms: Callable[..., Result]) -> None:
    assert palms("import-published", "nowhere.pt", "nowhere.pt").exit_code == 2


def test_generate_draws_with_the_starter_until_there_is_a_release_and_says_so(
    palms: Callable[..., Result], publish_model: Publish, release: Release, tmp_path: Path
) -> None:
    starter, out = shutil.copytree(publish_model(9).folder, tmp_path / "starter"), tmp_path / "p.zip"
    arguments = ["generate", "--count", "2", "--seed", "1", "--out", str(out), "--starter", str(starter)]
    result = palms(*arguments)
    assert result.exit_code == 0
    assert "starter model" in result.stderr
    with zipfile.ZipFile(out) as archive:
        assert archive.read("manifest.csv").decode().count(",starter-") == 2
    release(publish_model(1))
    assert "starter" not in palms(*arguments).output
