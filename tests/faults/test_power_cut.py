"""A power cut at any moment of publish, release and save leaves the old or the new, never half."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from palm_assets.gan.saved_states import SavedStates
from palm_assets.store.artifacts import Store
from tests.faults import operations
from tests.faults.conftest import report_power_cuts
from tests.faults.operations import OPERATIONS, state_parts
from tests.faults.power_cut import disks, recorded


def prepared(home: Path) -> Store:
    store = Store(home)
    store.set_current("cropped_palms", operations.make(store, "crops", "old"))
    store.release(operations.make(store, "models", "first"), operations.make(store, "reference", "first"))
    operations.make(store, "models", "second")
    operations.make(store, "reference", "second")
    operations.save(store)
    return store


def visible(store: Store) -> tuple[object, ...]:
    """What a reader finds; raises if any of it is damaged."""
    crops = frozenset(store.open("crops", path.name).version for path in (store.home / "crops").iterdir())
    release = store.released()
    assert release is not None
    state = SavedStates(store.home / "work" / "models-0123456789ab", 1).load(state_parts())
    assert state is not None
    current = store.current("cropped_palms").version
    return crops, current, store.open("models", release.model).version, state["seed"]


@pytest.mark.parametrize("operation", ["publish", "release", "save"])
def test_a_power_cut_leaves_the_old_or_the_new(tmp_path: Path, operation: str) -> None:
    store = prepared(tmp_path / "home")
    old = visible(store)
    with recorded(store.home) as recorder:
        OPERATIONS[operation](store)
    new = visible(store)
    assert old != new
    tried = 0
    for disk in disks(recorder, tmp_path / "disks"):
        left = visible(Store(disk))
        assert all(part in (before, after) for part, before, after in zip(left, old, new, strict=True))
        tried += 1
        shutil.rmtree(disk)
    # After the last moment nothing is left to lose.
    last = recorder.moments[-1]
    last.left(tmp_path / "last", recorder.inode, frozenset(), 0.0)
    assert visible(Store(tmp_path / "last")) == new
    report_power_cuts(operation, tried)


@pytest.mark.parametrize("operation", ["publish", "release", "save"])
def test_without_flushing_half_would_be_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, operation: str
) -> None:
    """The simulated disk does lose what the program does not flush."""
    store = prepared(tmp_path / "home")
    old = visible(store)
    with recorded(store.home) as recorder:
        monkeypatch.setattr(recorder, "flushed", lambda handle: None)
        OPERATIONS[operation](store)
    new = visible(store)

    def is_half(disk: Path) -> bool:
        try:
            left = visible(Store(disk))
        except Exception:
            return True
        return not all(part in (before, after) for part, before, after in zip(left, old, new, strict=True))

    assert any(is_half(disk) for disk in disks(recorder, tmp_path / "disks"))
