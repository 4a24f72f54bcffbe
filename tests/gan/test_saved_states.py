"""The states that a run keeps: one to resume from, one to roll back to, and one that is growing old."""

from __future__ import annotations

import itertools
import os
from pathlib import Path
from typing import Any

import pytest
import torch

from palm_assets.gan.curves import MAX_ROWS, Curves, read_curves
from palm_assets.gan.metrics import TrainingMetrics
from palm_assets.gan.saved_states import SavedStates

WINDOW = 30
PARTS: dict[str, Any] = {"random": torch.Generator()}


def saved(folder: Path, ages: list[int]) -> SavedStates:
    states = SavedStates(folder, WINDOW)
    for age in ages:
        states.save(PARTS, {"saved": age}, age)
    return states


def loaded(folder: Path) -> int | None:
    """The age of the state that a new process finds."""
    notes = SavedStates(folder, WINDOW).load(PARTS)
    return None if notes is None else notes["saved"]


@pytest.mark.parametrize("pace", [1, 7, 29, 30, 31, 100])
def test_however_often_states_are_saved_three_are_kept_and_one_of_them_is_safe(
    tmp_path: Path, pace: int
) -> None:
    states = SavedStates(tmp_path, WINDOW)
    for age in range(pace, 40 * pace, pace):
        states.save(PARTS, {"saved": age}, age)
        assert len(list(tmp_path.iterdir())) <= 3
        for later in range(age, age + pace):  # the game may be lost at any time until the next state
            ages = {int(path.stem[6:]) for path in tmp_path.glob("state-*")} | {age}
            safe = [other for other in ages if later - other >= WINDOW]
            if later >= 2 * WINDOW + 2 * pace:
                assert safe
                assert later - max(safe) < 2 * WINDOW + 2 * pace


def test_a_rollback_to_safety_is_lasting_and_drops_what_came_after(tmp_path: Path) -> None:
    saved(tmp_path, list(range(10, 101, 10))).roll_back(105, to_safety=True)
    target = loaded(tmp_path)
    assert target is not None
    assert 30 <= target <= 75
    assert all(int(path.stem[6:]) <= target for path in tmp_path.glob("state-*"))


def test_the_newest_state_is_safe_once_it_is_old_enough(tmp_path: Path) -> None:
    saved(tmp_path, [10, 20]).roll_back(50, to_safety=True)
    assert loaded(tmp_path) == 20


def test_without_a_safe_state_the_run_starts_over(tmp_path: Path) -> None:
    saved(tmp_path, [10, 20, 30]).roll_back(35, to_safety=True)
    assert loaded(tmp_path) is None
    assert list(tmp_path.iterdir()) == []


def test_a_step_back_goes_to_the_state_before_the_newest(tmp_path: Path) -> None:
    states = saved(tmp_path, [10, 50, 90])
    states.roll_back(91, to_safety=False)
    assert loaded(tmp_path) == 50
    states.roll_back(91, to_safety=False)  # the only one is kept
    assert loaded(tmp_path) == 50


def test_a_deleted_state_means_from_the_start(tmp_path: Path) -> None:
    states = saved(tmp_path, [10, 50, 90])
    states.newest.unlink()
    assert loaded(tmp_path) is None
    assert list(tmp_path.iterdir()) == []


def test_a_file_system_without_links_keeps_copies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError("no links here")

    monkeypatch.setattr(os, "link", refuse)
    saved(tmp_path, [10, 50, 90]).roll_back(95, to_safety=True)
    assert loaded(tmp_path) == 50


def row(number: int) -> TrainingMetrics:
    return TrainingMetrics(number, 10**9, 0.8912345678901234, 1.45, 0.65, -0.99, 2801.123, 0.75)


def test_the_curves_of_months_are_thinned_evenly(tmp_path: Path) -> None:
    curves = Curves()
    for number in range(300_000):
        curves.add(row(number))
    seen = [entry.images_seen for entry in curves.rows]
    assert MAX_ROWS / 2 <= len(seen) <= MAX_ROWS + 1
    assert (seen[0], seen[-1]) == (0, 299_999)
    assert {later - earlier for earlier, later in itertools.pairwise(seen[:-1])} == {curves.stride}
    curves.write(tmp_path / "curves.jsonl")
    assert (tmp_path / "curves.jsonl").stat().st_size < 1_500_000
    again = read_curves(tmp_path / "curves.jsonl", 299_999, curves.stride)
    assert again.rows == curves.rows


def test_reports_after_the_state_are_dropped(tmp_path: Path) -> None:
    Curves([row(number) for number in range(10)]).write(tmp_path / "curves.jsonl")
    assert read_curves(tmp_path / "curves.jsonl", 4, 1).rows == [row(number) for number in range(5)]
