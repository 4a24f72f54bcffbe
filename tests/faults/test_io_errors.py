"""Each system call of publish, release, save and tidy fails once: old or new is left, never half.

The short form fails every call of a kind with one error; the long form (`make test-faults`) with both.
"""

from __future__ import annotations

import random
import shutil
import signal
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from palm_assets.gan.saved_states import SavedStates
from palm_assets.release.status import survey
from palm_assets.store.artifacts import Kind, Store
from tests.faults import operations
from tests.faults.conftest import KILLS, LONG, report_row
from tests.faults.operations import DONE, STEPS_FILE, TYPED_ERROR, state_parts
from tests.faults.test_faults import SEED
from tests.faults.traced import CALLS, Operations

Outcome = Callable[[str], AbstractContextManager[None]]
ERRORS = ("EIO", "ENOSPC")
TRACED = shutil.which("strace") is not None and (
    subprocess.run(["strace", "-o", "/dev/null", "true"], capture_output=True, check=False).returncode == 0
)
pytestmark = pytest.mark.skipif(not TRACED, reason="Debian's strace is not installed, or may not trace")


@pytest.fixture(scope="module")
def traced() -> Iterator[Operations]:
    with Operations() as running:
        yield running


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with something to replace and something to remove."""
    store = Store(tmp_path_factory.mktemp("before") / "home")
    store.set_current("cropped_palms", operations.make(store, "crops", "old"))
    store.release(operations.make(store, "models", "first"), operations.make(store, "reference", "first"))
    operations.make(store, "models", "unused")
    operations.make(store, "models", "second")
    operations.make(store, "reference", "second")
    for _ in range(3):
        operations.save(store)
    return store.home


def visible(store: Store) -> dict[str, object]:
    """What readers see; raises if anything of it is damaged."""
    assert [row for row in survey(store, verify=True) if row.problem] == []
    kinds: tuple[Kind, ...] = ("crops", "models", "reference")
    release = store.released()
    assert release is not None
    store.open("models", release.model)
    store.open("reference", release.reference)
    states = SavedStates(store.work_folder("models", "0123456789ab"), 1)
    parts = state_parts()
    notes = states.load(parts)
    assert notes is not None
    assert parts["random"].initial_seed() == 0 or parts["random"].get_state().shape
    return {
        **{kind: frozenset(store.versions(kind)) for kind in kinds},
        "current": store.current("cropped_palms").version,
        "released": release.model,
        "state": notes["seed"],
    }


@pytest.mark.parametrize("operation", ["publish", "release", "save", "tidy"])
def test_a_system_call_that_fails_leaves_the_old_or_the_new(
    traced: Operations, before: Path, tmp_path: Path, operation: str, outcome: Outcome
) -> None:
    home, log = tmp_path / "home", tmp_path / "log"
    shutil.copytree(before, home)
    old = visible(Store(home))
    whole = traced.run(operation, home, log)
    assert whole.status == DONE
    new = visible(Store(home))
    assert old != new
    tried: Counter[str] = Counter()
    for call, pattern in CALLS.items():
        every = 1 if LONG or call != "openat" else 3  # most of them only read
        for number in range(1, whole.calls[call] + 1, every):
            for error in ERRORS if LONG else (ERRORS[number % 2],):
                shutil.rmtree(home)
                shutil.copytree(before, home)
                ended = traced.run(operation, home, log, f"{pattern}:error={error}:when={number}")
                fault = f"{error} at {call} {number} of {operation}: {ended.injected}"
                if str(home) in ended.injected:  # torch's own files are another matter
                    assert ended.status in (DONE, TYPED_ERROR), fault
                if not ended.injected:  # it took another path, with fewer calls
                    continue
                left = visible(Store(home))
                assert all(left[key] in (old[key], new[key]) for key in old), fault
                with outcome(f"{call} fails: {operation}"):
                    assert traced.run(operation, home, log).status == DONE, fault
                    again = visible(Store(home))
                    assert {**again, "state": 0} == {**new, "state": 0}, fault
                tried[call] += 1
    assert sum(tried.values()) >= 10
    report_row(operation, tried)


def test_a_kill_between_the_last_word_of_a_training_and_its_publication_costs_nothing(
    traced: Operations, tmp_path: Path, outcome: Outcome, record_property: Callable[[str, str], None]
) -> None:
    """Trained once, however often and whenever the process is killed afterwards."""
    chance = random.Random(SEED)
    home, log = tmp_path / "home", tmp_path / "log"
    whole = traced.run("train", home, log)
    assert whole.status == DONE
    steps = (home / STEPS_FILE).read_bytes()
    assert len(steps) == 10
    version = Store(home).versions("models")[0]
    published = sum(whole.calls.values())
    shutil.rmtree(home)
    trained = tmp_path / "trained"  # killed at the first call after the last word
    ended = traced.run("train", trained, log, f"{_PATTERNS}:signal=KILL:when=1")
    assert ended.status == -signal.SIGKILL
    for _ in range(KILLS):
        moment = chance.randint(1, published)
        record_property("fault", f"seed {SEED}: killed at call {moment} of {published}")
        shutil.rmtree(home, ignore_errors=True)
        shutil.copytree(trained, home)
        with outcome("kill between a training's last word and its publication"):
            ended = traced.run("train", home, log, f"{_PATTERNS}:signal=KILL:when={moment}")
            assert ended.status in (-signal.SIGKILL, DONE)
            assert traced.train_untraced(home) == DONE
            assert Store(home).open("models", version)
            assert (home / STEPS_FILE).read_bytes() == steps, "it was trained again"
            assert not [path for path in home.glob("work/models-*") if path.is_dir()]
            assert not list(home.glob("work/draft-*"))


_PATTERNS = ",".join(CALLS.values())
