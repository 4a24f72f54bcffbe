"""A crowd on the page: everybody gets palms, in turn, and memory is freed afterwards.

`make test` runs a short form; `make test-load` the whole: 20 visitors, 200 palms each, five of them leaving,
three rounds, with limits of time and memory.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import psutil
import pytest

from palm_assets.store.artifacts import Store
from tests.e2e.conftest import NETWORKS
from tests.e2e.harness import EN, Server, run_server
from tests.e2e.websocket_visitor import Visitor
from tests.models import publish_model, release

WHOLE = bool(os.environ.get("PALM_LOAD"))
VISITORS, LEAVING, PALMS, ROUNDS = (20, 5, 200, 3) if WHOLE else (8, 2, 100, 1)
SESSION_SECONDS = 5  # that the server keeps the session of a visitor who left
HEALTHY_SECONDS = 0.1


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    store = Store(tmp_path_factory.mktemp("load") / "home")
    release(store, publish_model(store, 1, NETWORKS))
    with run_server(store.home, arguments=[f"--server.disconnectedSessionTTL={SESSION_SECONDS}"]) as server:
        yield server


@dataclass
class HealthChecks:
    """Durations and statuses of repeated health checks."""

    seconds: list[float] = field(default_factory=list)
    statuses: set[int] = field(default_factory=set)

    def share(self, at: float) -> float:
        """Quantile of the durations."""
        return sorted(self.seconds)[min(int(at * len(self.seconds)), len(self.seconds) - 1)]


@contextlib.contextmanager
def health_checks(address: str) -> Iterator[HealthChecks]:
    checks = HealthChecks()
    command = [sys.executable, "-m", "tests.e2e.health_probe", address.removeprefix("http://")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as probe:
        yield checks
        probe.terminate()
        output, _ = probe.communicate()
    for line in output.splitlines():
        status, seconds = line.split()
        checks.statuses.add(int(status))
        checks.seconds.append(float(seconds))


def crowd(server: Server, visitors: int, leaving: int, palms: int) -> list[Visitor]:
    """All at once; every fourth or so leaves while palms are being generated."""
    awaited = EN.counted("palms", palms)
    people = [
        Visitor(
            server.address,
            f"n={palms}&seed={1000 * i}&lang=en",
            awaited,
            leaves=i % 4 == 1 and i // 4 < leaving,
        )
        for i in range(visitors)
    ]
    assert sum(visitor.leaves for visitor in people) == leaving
    for visitor in people:
        visitor.start()
    for visitor in people:
        visitor.join()
    return people


def events(server: Server) -> list[dict[str, object]]:
    return [json.loads(line) for line in server.log.read_text().splitlines() if line.startswith("{")]


def megabytes(server: Server) -> float:
    return psutil.Process(server.process.pid).memory_info().rss / 2**20


def settled(server: Server, below: float) -> float:
    """Megabytes once the sessions of all who left are over; waits a while for them to get below a mark."""
    until = time.monotonic() + 6 * SESSION_SECONDS
    while (now := megabytes(server)) > below and time.monotonic() < until:
        time.sleep(0.5)
    return now


def most_places_jumped(logged: list[dict[str, object]]) -> int:
    """How far anybody got ahead of an earlier visitor, among those who requested equally much."""
    requested = [line["visitor"] for line in logged if line["event"] == "requested"]
    finished = [line["visitor"] for line in logged if line["event"] == "finished"]
    order = [visitor for visitor in requested if visitor in finished]
    return max(order.index(visitor) - place for place, visitor in enumerate(finished))


@pytest.mark.slow
@pytest.mark.alone
def test_a_crowd_is_served_in_turn_and_leaves_nothing_behind(server: Server) -> None:
    crowd(server, 2, 0, PALMS)  # from here on everything is loaded
    time.sleep(2 * SESSION_SECONDS if WHOLE else 0)
    before = megabytes(server)
    for _ in range(ROUNDS):
        said = len(events(server))
        with health_checks(server.address) as checks:
            start = time.monotonic()
            people = crowd(server, VISITORS, LEAVING, PALMS)
            seconds = time.monotonic() - start
        stayed = [visitor for visitor in people if not visitor.leaves]
        assert [v.trouble for v in people if v.trouble] == []
        assert [text for v in people for text in (*v.exceptions, *v.alerts)] == []
        assert all(visitor.has_palms for visitor in stayed)
        assert not [line for line in events(server)[said:] if line["level"] in ("error", "warning")]
        jumped = most_places_jumped(events(server)[said:])
        assert jumped <= 2
        assert checks.statuses == {200}
        if WHOLE:
            after = settled(server, 1.1 * before)
            waits = sorted(visitor.seconds for visitor in stayed)
            print(
                f"{VISITORS} visitors, {LEAVING} leaving, {PALMS} palms each, {seconds:.1f} s",
                f"palms after {waits[0]:.1f} to {waits[-1]:.1f} s, places jumped at most: {jumped}",
                f"health: median {1000 * checks.share(0.5):.0f}, 99 % {1000 * checks.share(0.99):.0f}, "
                f"worst {1000 * max(checks.seconds):.0f} ms of {len(checks.seconds)}",
                f"memory: {before:.0f} MB before, {after:.0f} MB after",
                sep="\n  ",
            )
            assert checks.share(0.99) < HEALTHY_SECONDS
            assert after <= 1.1 * before
