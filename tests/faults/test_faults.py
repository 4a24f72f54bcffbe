"""After any fault: no partial artifact is visible, the released model serves, and the next run completes.

The long form (`make test-faults`) kills fifty times and fills the disk in every stage; the short form is part
of `make test`.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from palm_assets.errors import ArtifactError, DiskFullError
from palm_assets.release.retention import RetentionConfig, remove_unused
from palm_assets.store.artifacts import Kind, Store
from tests import models
from tests.faults.all_stages import KINDS, RELEASE, steps
from tests.faults.conftest import (
    KILLS,
    LONG,
    Prepared,
    assert_next_run_completes,
    assert_undamaged,
    command,
    forget,
)
from tests.helpers import mounted_tmpfs, remount

Outcome = Callable[[str], AbstractContextManager[None]]
SEED = int(os.environ.get("PALM_FAULTS_SEED", random.SystemRandom().randrange(2**32)))


def another_release(store: Store) -> None:
    """Release a model that the next run does not make."""
    reference = store.open("reference", store.versions("reference")[0])
    store.release(models.publish_model(store), reference)


@pytest.mark.parametrize("number", range(KILLS))
def test_kill_9_at_a_random_moment(
    prepared: Prepared, tmp_path: Path, outcome: Outcome, number: int, record_property: Any
) -> None:
    chance = random.Random(SEED + number)
    stage = chance.choice([*KINDS, RELEASE])
    moment = chance.uniform(0, 1.1 * prepared.seconds[stage])
    record_property("fault", f"seed {SEED + number}: {stage} after {moment:.3f} s")
    store = prepared.copy(tmp_path / "home")
    another_release(store)
    forget(store, stage)
    with outcome(f"kill -9: {stage}"):
        with subprocess.Popen(command(store.home), stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            for line in process.stdout:
                if line.startswith(f"START {stage} "):
                    break
            time.sleep(moment)
            process.kill()
        assert_undamaged(store)
        assert_next_run_completes(store)


@pytest.mark.parametrize("stage", KINDS if LONG else ("photos", "crops", "models"))
def test_a_full_disk_in_a_stage(prepared: Prepared, tmp_path: Path, outcome: Outcome, stage: Kind) -> None:
    disk = tmp_path / "disk"
    with mounted_tmpfs(disk, "size=200m"), outcome(f"full disk: {stage}"):
        store = prepared.copy(disk / "home")
        another_release(store)
        forget(store, stage)
        used = sum(path.stat().st_blocks * 512 for path in disk.rglob("*"))
        remount(disk, f"size={used + 16 * 1024}")
        with pytest.raises(DiskFullError):
            run_all(store)
        assert_undamaged(store)
        remount(disk, "size=200m")
        run_all(store)
        assert_undamaged(store)


def test_a_read_only_store(prepared: Prepared, tmp_path: Path, outcome: Outcome) -> None:
    disk = tmp_path / "disk"
    with mounted_tmpfs(disk, "size=200m"), outcome("read-only store"):
        store = prepared.copy(disk / "home")
        remount(disk, "ro")
        run_all(store)  # everything is found
        remount(disk, "rw")
        forget(store, "evaluations")
        remount(disk, "ro")
        with pytest.raises(ArtifactError, match="cannot be written"):
            run_all(store)
        assert_undamaged(store)
        remount(disk, "rw")
        run_all(store)


@pytest.mark.parametrize("kind", KINDS if LONG else ("crops", "models", "evaluations"))
def test_a_damaged_artifact(prepared: Prepared, tmp_path: Path, outcome: Outcome, kind: Kind) -> None:
    store = prepared.copy(tmp_path / "home")
    folder = store.home / kind / store.versions(kind)[0]
    largest = max(
        (path for path in folder.rglob("*") if path.is_file()), key=lambda path: path.stat().st_size
    )
    content = bytearray(largest.read_bytes())
    content[len(content) // 2] ^= 0xFF
    with outcome(f"damaged: {kind}"):
        largest.write_bytes(content)
        run_all(store)
        assert_undamaged(store)
        assert folder.is_dir()  # the same version, made again
        assert largest.read_bytes() != bytes(content)


def test_two_materializations_at_once(prepared: Prepared, tmp_path: Path, outcome: Outcome) -> None:
    """Both complete, and each artifact is made once."""
    store = prepared.copy(tmp_path / "home")
    another_release(store)
    kinds: tuple[Kind, ...] = ("crops", "models", "reference", "evaluations")
    for stage in kinds:
        forget(store, stage)
    with outcome("two at once"):
        both = [subprocess.Popen(command(store.home), stdout=subprocess.DEVNULL) for _ in range(2)]
        assert [process.wait() for process in both] == [0, 0]
        assert_undamaged(store)
        for kind in KINDS:
            assert len(store.versions(kind)) == (2 if kind == "models" else 1)


def test_sigterm_in_the_middle(prepared: Prepared, tmp_path: Path, outcome: Outcome) -> None:
    store = prepared.copy(tmp_path / "home")
    forget(store, "crops")
    with outcome("SIGTERM: crops"):
        with subprocess.Popen(command(store.home), stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            while not process.stdout.readline().startswith("START crops "):
                pass
            process.send_signal(signal.SIGTERM)
        assert_undamaged(store)
        assert_next_run_completes(store)


@pytest.mark.skipif(shutil.which("faketime") is None, reason="Debian's faketime is not installed")
@pytest.mark.parametrize("jump", ["+400d", "-400d"])
def test_a_jump_of_the_clock(prepared: Prepared, tmp_path: Path, outcome: Outcome, jump: str) -> None:
    store = prepared.copy(tmp_path / "home")
    another_release(store)
    forget(store, "models")
    forget(store, "evaluations")
    with outcome(f"clock jumps by {jump}"):
        run = subprocess.run(["faketime", "-f", jump, *command(store.home)], capture_output=True, check=False)
        assert run.returncode == 0, run.stderr[-2000:]
        assert_undamaged(store)
        models.release(store, models.publish_model(store, seed=1))  # with the right clock again
        release = store.released()
        assert release is not None
        remove_unused(store, RetentionConfig(keep_models=1, keep_releases=1, keep_work_days=0))
        assert release.model in store.versions("models")
        assert_next_run_completes(store)


def run_all(store: Store) -> None:
    for _, step in steps(store):
        step()
