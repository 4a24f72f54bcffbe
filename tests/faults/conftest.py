"""A finished store to break, and a table of the outcomes."""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest

from palm_assets.release.serving import released_model
from palm_assets.release.status import survey
from palm_assets.store.artifacts import Kind, Store
from tests.faults.all_stages import RELEASE

LONG = bool(os.environ.get("PALM_FAULTS_LONG"))
KILLS = 50 if LONG else 3
_OUTCOMES: Counter[tuple[str, str]] = Counter()
_FAILED_CALLS: dict[str, Counter[str]] = {}
_POWER_CUTS: dict[str, int] = {}


@dataclass
class Prepared:
    """A finished store, and the seconds that each stage took."""

    home: Path
    seconds: dict[str, float] = field(default_factory=dict)

    def copy(self, to: Path) -> Store:
        shutil.copytree(self.home, to, dirs_exist_ok=True)
        return Store(to)


def command(home: Path) -> list[str]:
    return [sys.executable, "-m", "tests.faults.all_stages", str(home)]


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    home = tmp_path_factory.mktemp("faults") / "home"
    run = subprocess.run(command(home), capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr[-3000:]
    marks = [line.split() for line in run.stdout.splitlines() if line.startswith(("START", "END"))]
    times = [float(mark[-1]) for mark in marks]
    names = [mark[1] for mark in marks[:-1]]
    spans = [later - earlier for earlier, later in itertools.pairwise(times)]
    return Prepared(home, dict(zip(names, spans, strict=True)))


def assert_undamaged(store: Store) -> None:
    """No partial or damaged artifact is visible, and the released model can be served."""
    assert [row for row in survey(store, verify=True) if row.problem] == []
    model = released_model(store)
    assert model.generate(model.latents(0, [0])).shape == (1, 3, 16, 16)


def assert_next_run_completes(store: Store) -> None:
    run = subprocess.run(command(store.home), capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr[-3000:]
    assert_undamaged(store)
    assert not list(store.home.glob("work/draft-*"))


def forget(store: Store, what: Kind | Literal["release"]) -> None:
    """Delete the artifacts of a stage, so that the next run makes them; the released model stays."""
    release = store.released()
    assert release is not None
    if what != RELEASE:
        for version in set(store.versions(what)) - {release.model}:
            shutil.rmtree(store.home / what / version)


@pytest.fixture
def outcome() -> Callable[[str], object]:
    """A context in which a fault happens; its outcome is counted for the table at the end."""

    @contextmanager
    def counted(fault: str) -> Iterator[None]:
        try:
            yield
        except BaseException:
            _OUTCOMES[fault, "FAILED"] += 1
            raise
        _OUTCOMES[fault, "no partial artifact, released model serves, next run completes"] += 1

    return counted


def report_row(operation: str, tried: Counter[str]) -> None:
    """Add to the table of system calls that were made to fail."""
    _FAILED_CALLS[operation] = tried


def report_power_cuts(operation: str, tried: int) -> None:
    """Add to the list of simulated power cuts."""
    _POWER_CUTS[operation] = tried


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if _POWER_CUTS:
        terminalreporter.section(
            "power cuts, each with another part of what was not flushed: half artifacts 0"
        )
        for operation, times in _POWER_CUTS.items():
            terminalreporter.write_line(f"{operation:<11}{times:>8}")
    if _FAILED_CALLS:
        terminalreporter.section("system calls that failed once: half artifacts 0, work lost 0")
        calls = sorted(set().union(*_FAILED_CALLS.values()))
        terminalreporter.write_line("operation  " + "".join(f"{call:>8}" for call in calls) + "     all")
        for operation, tried in _FAILED_CALLS.items():
            counts = [*(tried[call] for call in calls), tried.total()]
            terminalreporter.write_line(f"{operation:<11}" + "".join(f"{count:>8}" for count in counts))
    if _OUTCOMES:
        terminalreporter.section("faults")
        width = max(len(fault) for fault, _ in _OUTCOMES)
        terminalreporter.write_line(f"{'fault':<{width}}  times  outcome")
        for (fault, result), times in sorted(_OUTCOMES.items()):
            terminalreporter.write_line(f"{fault:<{width}}  {times:>5}  {result}")
