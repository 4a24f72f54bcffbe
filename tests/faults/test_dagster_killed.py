"""kill -9 of the Dagster process: no partial artifact is visible, and the next run completes."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from palm_assets.store.artifacts import Kind, Store
from tests.faults.conftest import LONG, Prepared, assert_undamaged, forget
from tests.faults.test_faults import SEED, another_release
from tests.tiny import LENIENT, TINY

Outcome = Callable[[str], AbstractContextManager[None]]
ASSETS: dict[str, Kind] = {
    "raw_hands": "photos",
    "raw_palm_boxes": "boxes",
    "palm_detector": "detector",
    "cropped_palms": "crops",
    "dcgan_checkpoint": "models",
    "fid_reference": "reference",
    "palm_evaluation": "evaluations",
}
KILLS = 14 if LONG else 1


def dagster(store: Store, folder: Path) -> subprocess.Popen[str]:
    """`dagster asset materialize` of all assets, with a tiny config."""
    gan = {**TINY["dcgan_checkpoint"], "kimg": 1.6, "snapshot_kimg": 100}
    ops = {name: {"config": config} for name, config in {**TINY, "dcgan_checkpoint": gan}.items()}
    preset = folder / "preset.json"
    preset.write_text(json.dumps({"ops": ops, "resources": {"gate": {"config": LENIENT}}}))
    (folder / "dagster").mkdir(exist_ok=True)
    home = {"PALM_HOME": str(store.home), "DAGSTER_HOME": str(folder / "dagster")}
    command = ["asset", "materialize", "-m", "pipelines.definitions", "--select", "*", "-c", str(preset)]
    return subprocess.Popen(
        [sys.executable, "-m", "dagster", *command],
        env={**os.environ, **home},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.mark.parametrize("number", range(KILLS))
def test_kill_9_of_dagster_at_a_random_moment(
    prepared: Prepared, tmp_path: Path, outcome: Outcome, number: int, record_property: Any
) -> None:
    chance = random.Random(SEED + number)
    asset = list(ASSETS)[number % len(ASSETS)] if LONG else "dcgan_checkpoint"
    moment = chance.uniform(0, 1.1 * prepared.seconds[ASSETS[asset]])
    record_property("fault", f"seed {SEED + number}: {asset} after {moment:.3f} s")
    store = prepared.copy(tmp_path / "home")
    another_release(store)
    forget(store, ASSETS[asset])
    with outcome(f"kill -9 of dagster: {asset}"):
        with dagster(store, tmp_path) as running:
            assert running.stdout is not None
            started = any(f"{asset} - STEP_START" in line for line in running.stdout)
            assert started
            time.sleep(moment)
            running.kill()
        assert_undamaged(store)

        with dagster(store, tmp_path) as again:
            output, _ = again.communicate(timeout=300)
        assert again.returncode == 0, output[-3000:]
        assert_undamaged(store)
        # There are two models, the released one and the graph's, and the gate has evaluated both.
        assert len(store.versions(ASSETS[asset])) == (
            2 if asset in ("dcgan_checkpoint", "palm_evaluation") else 1
        )
        assert not list(store.home.glob("work/draft-*"))
