"""Errors, progress, image grids and cores: the small modules that all packages use."""

from __future__ import annotations

import itertools
import os
import pickle
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from palm_assets.errors import CheckpointError, PalmError
from palm_assets.image_grid import GAP, grid
from palm_assets.progress import progress_bar
from palm_assets.runtime import usable_cores, use_all_cores
from tests.conftest import shuffled


def test_an_error_says_what_is_wrong_where_and_what_to_do() -> None:
    error = CheckpointError("The file is empty", where="/tmp/x", hint="Download it again.")
    assert str(error) == "The file is empty (/tmp/x). Download it again."
    assert str(CheckpointError("No", hint="Yes.")) == "No. Yes."
    assert isinstance(error, PalmError)
    assert (error.what, error.where, error.hint) == ("The file is empty", "/tmp/x", "Download it again.")


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("2\n.jpg", "2 .jpg"),
        ("\r\x1b[2J.jpg", " \\x1b[2J.jpg"),
        ("a\u202egpj.exe", "a\\u202egpj.exe"),
        ("a\u2028b\x9b", "a b\\x9b"),
        ("Ёлка\u00a0№ 1 👋\u200d.jpg", "Ёлка\u00a0№ 1 👋\u200d.jpg"),
        ("\udcff.jpg", "\udcff.jpg"),
    ],
)
def test_an_error_is_one_line_whatever_a_file_is_called(name: str, shown: str) -> None:
    error = CheckpointError(f"{name} is empty", where=f"/tmp/{name}", hint="Again.")
    assert str(error) == f"{shown} is empty (/tmp/{shown}). Again."
    assert error.where == f"/tmp/{name}"


def test_an_error_survives_pickling() -> None:
    error = pickle.loads(pickle.dumps(CheckpointError("The file is empty", where="/tmp/x", hint="Again.")))
    assert type(error) is CheckpointError
    assert str(error) == "The file is empty (/tmp/x). Again."
    assert error.hint == "Again."


@pytest.mark.parametrize(
    ("count", "columns", "shape"),
    [(1, None, (1, 1)), (5, None, (2, 3)), (9, None, (3, 3)), (5, 5, (1, 5)), (5, 2, (3, 2))],
)
def test_a_grid_shows_every_image_once_in_reading_order(
    count: int, columns: int | None, shape: tuple[int, int]
) -> None:
    images = np.random.default_rng(0).integers(0, 200, (count, 3, 6, 4), dtype=np.uint8)
    sheet = np.asarray(grid(images, columns=columns))
    assert sheet.shape == (shape[0] * (6 + GAP) + GAP, shape[1] * (4 + GAP) + GAP, 3)
    for number, image in enumerate(images):
        top, left = GAP + number // shape[1] * (6 + GAP), GAP + number % shape[1] * (4 + GAP)
        assert (sheet[top : top + 6, left : left + 4] == image.transpose(1, 2, 0)).all()
        sheet = sheet.copy()
        sheet[top : top + 6, left : left + 4] = 255
    assert (sheet == 255).all()


def test_a_progress_bar_shows_label_and_rate_but_not_for_short_work(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with progress_bar("reading", "photo") as update:
        update(1, 10)
    assert "reading" not in capsys.readouterr().err
    with progress_bar("reading", "photo") as update:
        update(1, 10)
        time.sleep(0.6)
        update(7, 10)
        time.sleep(0.35)
        update(10, 10)
    output = capsys.readouterr()
    assert "reading" in output.err
    assert "10/10" in output.err
    assert "photo/s" in output.err
    assert output.out == ""


def test_a_progress_bar_ends_with_the_last_step(capsys: pytest.CaptureFixture[str]) -> None:
    with progress_bar("reading", "photo") as update:
        time.sleep(0.6)
        update(10, 10)
        assert capsys.readouterr().err.endswith("\n")
        print("timing", file=sys.stderr)
    assert capsys.readouterr().err == "timing\n"  # no bar below it, that would seem to be at work


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="no affinity on this system")
def test_only_the_usable_cores_of_a_process_are_used() -> None:
    code = "from palm_assets.runtime import usable_cores; print(usable_cores())"
    run = subprocess.run(
        [sys.executable, "-c", f"import os; os.sched_setaffinity(0, [min(os.sched_getaffinity(0))]); {code}"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.strip() == "1"
    torch.set_num_threads(1)
    use_all_cores()
    assert torch.get_num_threads() == usable_cores()


def test_an_order_of_the_tests_can_be_asked_for() -> None:
    usual = [SimpleNamespace(path=Path(f"{module}.py"), name=name) for module in "abc" for name in "123456"]
    assert shuffled(usual, "1") == shuffled(usual, "1") != shuffled(usual, "2") != usual
    for seed in ("1", "2"):
        assert sorted(shuffled(usual, seed), key=usual.index) == usual
        modules = [item.path for item in shuffled(usual, seed)]
        assert len([1 for one, next_one in itertools.pairwise(modules) if one != next_one]) == 2
