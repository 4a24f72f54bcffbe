"""`palms crop` and `palms check`, with the detector of the starter, on palms that the starter generates."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from palm_assets.gan.config import GanConfig
from palm_assets.gan.sampler import load_model
from palm_assets.quality.image_sets import open_images
from palm_assets.release import own_photographs
from palm_assets.store.starter import STARTER
from tests.cli.conftest import Palms


@pytest.fixture(scope="module")
def palms_on_paper() -> list[np.ndarray]:
    return on_paper(8)


def on_paper(count: int) -> list[np.ndarray]:
    """Photographs of 380 x 320 pixels, each with a palm of the starter on white."""
    photographs = []
    for number, image in enumerate(load_model(STARTER, "").sample(count, seed=7)):
        paper = np.full((320, 380, 3), 250, np.uint8)
        paper[40:296, 60:316] = image.transpose(1, 2, 0)
        paper[0, 0] = number  # so that none is a copy
        photographs.append(paper)
    return photographs


def write(root: Path, photographs: list[np.ndarray], *, people: int) -> Path:
    """Photographs in a folder for each person; without people, in the root."""
    for number, pixels in enumerate(photographs):
        folder = root / f"person{number % people}" if people else root
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    return root


def test_crop_writes_the_palms_of_a_folder_and_a_contact_sheet(
    palms: Palms, palms_on_paper: list[np.ndarray], tmp_path: Path
) -> None:
    photographs = write(tmp_path / "photographs", palms_on_paper, people=0)
    result = palms("crop", photographs, "--out", tmp_path / "crops", "--size", 64, "--json")
    assert result.exit_code == 0, result.output
    counts = json.loads(result.stdout)
    assert counts["crops"] >= 6
    assert counts["crops"] + counts["without_palm"] == 8
    assert len(open_images(tmp_path / "crops")) == counts["crops"]
    assert Image.open(tmp_path / "crops-contact-sheet.png").width > 64
    again = palms("crop", photographs, "--out", tmp_path / "crops")
    assert again.exit_code == 1
    assert "not empty" in again.stderr


def test_crop_writes_into_the_current_folder(
    palms: Palms, palms_on_paper: list[np.ndarray], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photographs = write(tmp_path / "photographs", palms_on_paper[:2], people=0)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    result = palms("crop", photographs, "--out", ".", "--size", 64)
    assert result.exit_code == 0, result.output
    assert (tmp_path / "here-contact-sheet.png").is_file()
    assert (tmp_path / "here" / "crops.csv").is_file()


def test_crop_turns_photographs_upright(
    palms: Palms, palms_on_paper: list[np.ndarray], tmp_path: Path
) -> None:
    upside_down = [np.rot90(pixels, 2) for pixels in palms_on_paper[:4]]
    photographs = write(tmp_path / "photographs", upside_down, people=0)
    result = palms("crop", photographs, "--out", tmp_path / "crops", "--quarter-turns", "--json")
    assert json.loads(result.stdout)["crops"] == 4
    rows = (tmp_path / "crops" / "crops.csv").read_text().splitlines()[1:]
    assert any(row.endswith(",180") for row in rows)  # not all: these palms have hardly any fingers


def test_check_says_what_was_found_and_what_is_missing(
    palms: Palms, palms_on_paper: list[np.ndarray], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(own_photographs, "seconds_per_step", lambda config: 0.5)
    photographs = write(tmp_path / "photographs", palms_on_paper, people=4)
    shutil.copy(photographs / "person0" / "0.png", photographs / "person0" / "again.png")
    report = palms("check", photographs, "--sheet", tmp_path / "new" / "sheet.png")
    assert report.exit_code == 1
    assert "8 photographs of 4 people, identified by their folders" in report.stdout
    assert "files set aside: 1" in report.stdout
    assert "usable photographs 8 (at least 40)" in report.stdout
    assert "0.50 s a step here; about 11 minutes in all" in report.stdout
    assert Image.open(tmp_path / "new" / "sheet.png").width > 256
    wrong = palms("check", photographs, "--sheet", photographs / "person0" / "0.png" / "sheet.png")
    assert wrong.exit_code == 1
    assert "The contact sheet cannot be written" in wrong.stderr
    assert palms("check", photographs, "--sheet", "sheet.txt").exit_code == 2
    as_json = json.loads(palms("check", photographs, "--json").stdout)
    assert (as_json["photos"], as_json["people"], as_json["is_enough"]) == (8, 4, False)
    assert as_json["set_aside"] == {"duplicate": 1}


def test_check_asks_who_is_on_the_photographs_of_a_flat_folder(
    palms: Palms, palms_on_paper: list[np.ndarray], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(own_photographs, "seconds_per_step", lambda config: 0.5)
    photographs = write(tmp_path / "photographs", palms_on_paper, people=0)
    asked = palms("check", photographs)
    assert asked.exit_code == 1
    assert "8 of 8 photographs lie in no folder: who is on them?" in asked.stderr
    assert "--loose-photos of `palms check`, PALM_LOOSE_PHOTOS for" in asked.stderr
    answer = palms("check", photographs, "--loose-photos", "each_a_person")
    assert "8 photographs of 8 people" in answer.stdout
    assert "timing 4 steps of the training" in answer.stderr


def test_check_names_the_command_that_trains_on_photographs_that_are_enough(
    palms: Palms, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(own_photographs, "seconds_per_step", lambda config: 0.5)
    photographs = write(tmp_path / "my hands", on_paper(own_photographs.BOUNDS.min_photos + 2), people=0)
    enough = palms("check", photographs, "--loose-photos", "each_a_person")
    assert enough.exit_code == 0, enough.output
    assert enough.stdout.splitlines()[-3:] == [
        "This is enough to begin.",
        "Next:",
        f"  PALM_HANDS='{photographs}' PALM_LOOSE_PHOTOS=each_a_person make pipeline PRESET=own",
    ]


def test_a_step_of_the_training_is_timed() -> None:
    config = GanConfig(image_size=16, latent=8, generator_width=8, discriminator_width=8, batch=4)
    assert 0 < own_photographs.seconds_per_step(config) < 60
