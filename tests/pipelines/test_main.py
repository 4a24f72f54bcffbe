"""`python -m pipelines`, which `make pipeline` runs: exit codes, and the last lines."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml
from dagster._core.remote_origin import ManagedGrpcPythonEnvCodeLocationOrigin
from PIL import Image

from palm_assets.release.own_photographs import CROPS
from palm_assets.sources.config import PhotosConfig
from palm_assets.stages.photos import make_photos
from palm_assets.store.artifacts import Store
from pipelines.__main__ import _photographs_to_check, main
from pipelines.jobs import PRESETS, read_presets
from tests.pipelines.conftest import Graph
from tests.tiny import LENIENT, TINY

SECONDS_TO_START = 240


@pytest.fixture
def presets(tmp_path: Path, made: Graph, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of presets, with `tiny`, whose artifacts are made already in the store that is used."""
    folder, home = tmp_path / "presets", tmp_path / "dagster"
    folder.mkdir()
    home.mkdir()
    write(folder / "tiny.yaml")
    monkeypatch.setenv("PALM_PRESETS", str(folder))
    monkeypatch.setenv("PALM_HOME", str(made.home))
    monkeypatch.setenv("DAGSTER_HOME", str(home))
    return folder


def write(path: Path, gate: dict[str, Any] | None = None, **changes: dict[str, Any]) -> None:
    """Write a preset like the tests' tiny pipeline."""
    ops = {name: {"config": {**values, **changes.get(name, {})}} for name, values in TINY.items()}
    config = {"ops": ops, "resources": {"gate": {"config": {**LENIENT, **(gate or {})}}}}
    path.write_text("# The tests' pipeline. It takes seconds.\n" + yaml.safe_dump(config))


def test_a_wrong_name_lists_the_presets_of_the_folder(
    presets: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["smaple"]) == 2
    output = capsys.readouterr().err
    assert f"There is no preset smaple in {presets}" in output
    assert "  tiny  The tests' pipeline.\n" in output


def test_more_than_one_preset_is_refused_before_anything_runs(
    presets: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["tiny", "--fast", "7"]) == 2
    assert capsys.readouterr().err == "Name one preset, not 3: tiny --fast 7\n"
    assert not any((presets.parent / "dagster").iterdir())


@pytest.mark.parametrize("content", ["ops: [", "# nothing", "ops: {a: *b}"])
def test_a_preset_that_cannot_be_read_is_named(
    presets: Path, capsys: pytest.CaptureFixture[str], content: str
) -> None:
    (presets / "bad.yaml").write_text(content)
    assert main(["tiny"]) == 1
    output = capsys.readouterr().err
    assert output.startswith("Failed: The preset cannot be read")
    assert "bad.yaml" in output


def test_photographs_are_checked_before_only_as_the_preset_own_would(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = read_presets(PRESETS)["own"]
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PALM_LOOSE_PHOTOS", "each_a_person")
    monkeypatch.delenv("PALM_HANDS", raising=False)
    assert _photographs_to_check(own, store) == []
    monkeypatch.setenv("PALM_HANDS", "~/hands")
    assert _photographs_to_check(own, store) == []  # there is no such folder
    (tmp_path / "hands").mkdir()
    assert _photographs_to_check(own, store) == [
        str(tmp_path / "hands"),
        "--loose-photos",
        "each_a_person",
        "--before-training",
    ]
    lower = {"gate": {"config": {"min_photos": 10, "min_crops": 8}}}
    assert _photographs_to_check(replace(own, config={**own.config, "resources": lower}), store) == []
    (tmp_path / "hands.zip").write_bytes(b"")
    monkeypatch.setenv("PALM_HANDS", str(tmp_path / "hands.zip"))
    assert _photographs_to_check(own, store) == []
    assert not any(_photographs_to_check(preset, store) for preset in read_presets(PRESETS).values())


def test_photographs_whose_crops_are_stored_are_not_checked_again(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    own, hands = read_presets(PRESETS)["own"], tmp_path / "hands"
    for number in range(3):
        image = hands / f"person{number}" / "1.png"
        image.parent.mkdir(parents=True)
        Image.new("RGB", (300, 300), (number, 90, 90)).save(image)
    monkeypatch.setenv("PALM_LOOSE_PHOTOS", "refuse")
    monkeypatch.setenv("PALM_HANDS", str(hands))
    config = PhotosConfig(source="folder", folder=str(hands))
    photos = make_photos(store, config)
    assert _photographs_to_check(own, store) != []
    store.make("crops", lambda _: {}, inputs={"photos": photos.version}, config=CROPS, code_version="1")
    assert _photographs_to_check(own, store) == []
    Image.new("RGB", (300, 300), (9, 9, 90)).save(hands / "person0" / "2.png")
    assert _photographs_to_check(own, store) != []


def test_the_end_names_the_release_its_samples_and_what_to_do_next(
    presets: Path, made: Graph, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["tiny"]) == 0
    output = capsys.readouterr().out
    model = made.store.current("dcgan_checkpoint").version
    assert f"Released: model {model}, 16 px, learned from synthetic hands" in output
    assert str(made.home / "models" / model / "samples.png") in output
    assert f"palms generate --model {model}" in output
    location = yaml.safe_load(Path("workspace.yaml").read_text())["load_from"][0]["python_module"]
    with dg.DagsterInstance.get() as instance:
        (run,) = instance.get_runs()
    # By this tag the page of the job finds a run, by the origin the UI's timeline does.
    assert run.tags[".dagster/repository"] == f"__repository__@{location['location_name']}"
    assert run.remote_job_origin is not None
    code_location = run.remote_job_origin.repository_origin.code_location_origin
    assert isinstance(code_location, ManagedGrpcPythonEnvCodeLocationOrigin)
    assert code_location.location_name == location["location_name"]
    assert code_location.loadable_target_origin.module_name == location["module_name"]
    assert (run.remote_job_origin.repository_origin.repository_name, run.remote_job_origin.job_name) == (
        "__repository__",
        "tiny",
    )


def test_the_last_line_of_a_refused_run_names_check_bound_and_knob(
    presets: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    write(presets / "strict.yaml", {"min_crops": 4000})
    assert main(["strict"]) == 1
    lines = capfd.readouterr().err.splitlines()
    last = lines[-1]
    assert "ERROR" in lines[-2]  # the check's own line
    assert lines[-2].endswith("crops_are_usable failed: crops to train on 48 (at least 4000)")
    assert not [line for line in lines if "Stack Trace" in line or line.startswith("  File ")]
    assert last.startswith("Refused: crops_are_usable: crops to train on")
    assert "(at least 4000). Bound: min_crops" in last
    assert last.endswith(
        f"After a change, run `PALM_PRESETS={presets} make pipeline PRESET=strict` again: "
        "what is done is reused."
    )


def test_the_last_line_of_a_failed_run_says_what_failed(
    presets: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    write(presets / "broken.yaml", raw_hands={"source": "folder", "folder": "/nowhere"})
    assert main(["broken"]) == 1
    lines = capfd.readouterr().err.splitlines()
    last = lines[-1]
    assert "Stack Trace:" not in lines
    assert last.startswith("Failed: ")
    assert "/nowhere" in last
    assert last.endswith(
        f"Run `PALM_PRESETS={presets} make pipeline PRESET=broken` again to go on: what is done is reused."
    )


def test_a_variable_that_the_preset_reads_and_nobody_set_is_named(
    presets: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PALM_HANDS", raising=False)
    write(presets / "mine.yaml", raw_hands={"source": "folder", "folder": {"env": "PALM_HANDS"}})
    assert main(["mine"]) == 1
    assert "Failed: The preset reads PALM_HANDS, which is not set. Run" in capfd.readouterr().err


@pytest.mark.slow
def test_an_interruption_says_what_was_saved(presets: Path, made: Graph) -> None:
    write(presets / "long.yaml", dcgan_checkpoint={"seed": 11, "kimg": 640})
    command = [sys.executable, "-m", "pipelines", "long"]
    process = subprocess.Popen(
        command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, start_new_session=True
    )
    work: list[Path] = []
    try:
        until = time.monotonic() + SECONDS_TO_START
        while not work and time.monotonic() < until and process.poll() is None:
            work = [path.parent for path in made.home.glob("work/models-*/state.safetensors")]
            time.sleep(0.05)
        assert process.poll() is None, process.communicate()[1]
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does
        output = process.communicate(timeout=60)[1]
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        for folder in work:
            shutil.rmtree(folder, ignore_errors=True)
    assert process.returncode == 130, output[-3000:]
    last = output.splitlines()[-1]
    version = work[0].name.removeprefix("models-")
    assert f"the training of models {version} at" in last
    assert "of 640 kimg" in last
    again = f"PALM_PRESETS={presets} make pipeline PRESET=long"
    assert last.endswith(f"Run `{again}` again to go on.")
    with dg.DagsterInstance.get() as instance:
        (run,) = instance.get_runs(dg.RunsFilter(job_name="long"))
    assert run.status == dg.DagsterRunStatus.CANCELED
