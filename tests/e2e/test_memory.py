"""Memory of the page while visitors make, keep and download large sets.

Part of `make test-load` only: 20 visitors of the 256 px starter, three sets of 1,000 palms each, five of them
leaving in each round. What was measured each second is printed.
"""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from websockets.sync.client import ClientConnection

from app.work.palm_sets import MAX_BYTES
from palm_assets.store.starter import STARTER
from tests.e2e.harness import EN, Server, run_server
from tests.e2e.websocket_visitor import Visitor

STAYING, LEAVING, PALMS, ROUNDS = 15, 5, 1000, 3
SESSION_SECONDS = 5  # that the server keeps the session of a visitor who left
PATIENCE = 3000.0


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A page with the starter: nothing was released."""
    home = tmp_path_factory.mktemp("memory") / "home"
    arguments = [f"--server.disconnectedSessionTTL={SESSION_SECONDS}"]
    with run_server(home, arguments=arguments, PALM_STARTER=str(STARTER)) as server:
        yield server


@dataclass(frozen=True)
class Sample:
    """What the server holds at one moment, in MB: memory, shared parts counted in part, and files of sets."""

    rss: float
    pss: float
    sets: float


def sample(server: Server) -> Sample:
    process = Path("/proc") / str(server.process.pid)
    sets = 0
    for link in (process / "fd").iterdir():
        try:
            if re.fullmatch(rf"{re.escape(tempfile.gettempdir())}/.* \(deleted\)", str(link.readlink())):
                sets += link.stat().st_blocks * 512
        except OSError:
            continue  # closed meanwhile
    rollup = dict(
        line.split(":", 1) for line in (process / "smaps_rollup").read_text().splitlines() if ":" in line
    )
    kilobytes = {name: float(rollup[name].split()[0]) for name in ("Rss", "Pss")}
    return Sample(kilobytes["Rss"] / 1024, kilobytes["Pss"] / 1024, sets / 2**20)


@dataclass
class Recorder(threading.Thread):
    """Takes a sample each second."""

    server: Server
    samples: list[Sample] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(daemon=True)
        self._end = threading.Event()

    def __hash__(self) -> int:
        return id(self)

    def run(self) -> None:
        while not self._end.wait(1):
            with contextlib.suppress(OSError):  # the server has ended
                self.samples.append(sample(self.server))

    def stop(self) -> list[Sample]:
        self._end.set()
        self.join()
        return self.samples


@dataclass
class Tab(Visitor):
    """Makes and downloads a set in each round, together with others, and keeps its tab open."""

    place: int = 0
    barrier: threading.Barrier = field(default_factory=lambda: threading.Barrier(1))
    downloads: list[int] = field(default_factory=list)

    def __hash__(self) -> int:
        return id(self)

    def visit(self, connection: ClientConnection) -> None:
        try:
            for number in range(ROUNDS):
                self.barrier.wait(PATIENCE)
                self.request(connection, f"lang=en&n={PALMS}&seed={1 + self.place}000{number}")
                self.downloads.append(self.download(connection))
                self.barrier.wait(PATIENCE)
            self.barrier.wait(PATIENCE)
        except BaseException:
            self.barrier.abort()  # nobody shall wait for it
            raise


def staying(server: Server, place: int, barrier: threading.Barrier) -> Tab:
    return Tab(
        server.address, "", EN.counted("palms", PALMS), patience=PATIENCE, place=place, barrier=barrier
    )


def leaving(server: Server, place: int) -> Visitor:
    query = f"lang=en&n={PALMS}&seed={place + 1}0000000"
    return Visitor(server.address, query, EN.counted("palms", PALMS), leaves=True, patience=PATIENCE)


def together(barrier: threading.Barrier, tabs: list[Tab]) -> None:
    try:
        barrier.wait(PATIENCE)
    except threading.BrokenBarrierError:
        time.sleep(1)
        pytest.fail(f"visitors failed: {[tab.trouble for tab in tabs if tab.trouble]}")


def settled(server: Server, rss: float) -> Sample:
    """What is held once the sessions of all who left are over; waits a while for no more memory than this.

    Streamlit forgets the sessions that are over when the next one ends, and the page then what they held.
    """
    until = time.monotonic() + 12 * SESSION_SECONDS
    while (now := sample(server)).rss > rss and time.monotonic() < until:
        passing = Visitor(server.address, "lang=en&n=1&seed=1", EN.counted("palms", 1), patience=PATIENCE)
        passing.start()
        passing.join()
        time.sleep(SESSION_SECONDS)
    return now


@pytest.mark.skipif(not os.environ.get("PALM_LOAD"), reason="takes half an hour: make test-load")
@pytest.mark.timeout(3600)
@pytest.mark.slow
@pytest.mark.alone
def test_large_sets_take_the_disk_and_no_memory(server: Server) -> None:
    first = staying(server, 90, threading.Barrier(1))
    first.start()
    first.join()  # from here on everything is loaded
    assert first.trouble == ""
    time.sleep(2 * SESSION_SECONDS)
    before = sample(server)
    recorder = Recorder(server)
    recorder.start()
    barrier = threading.Barrier(STAYING + 1)
    tabs = [staying(server, place, barrier) for place in range(STAYING)]
    for tab in tabs:
        tab.start()
    for number in range(ROUNDS):
        start, seen = time.monotonic(), len(recorder.samples)
        together(barrier, tabs)
        gone = [leaving(server, 10 * number + place) for place in range(LEAVING)]
        for visitor in gone:
            visitor.start()
        together(barrier, tabs)
        for visitor in gone:
            visitor.join()
        seconds = time.monotonic() - start
        assert [visitor.trouble for visitor in gone if visitor.trouble] == []
        after, during = sample(server), recorder.samples[seen:]
        print(
            f"round {number + 1}: {seconds:.0f} s, highest RSS {max(one.rss for one in during):.0f} MB, "
            f"sets {max(one.sets for one in during):.0f} MB; "
            f"at its end RSS {after.rss:.0f}, PSS {after.pss:.0f}, sets {after.sets:.0f} MB",
            flush=True,
        )
    together(barrier, tabs)  # all leave
    for tab in tabs:
        tab.join()
    last = settled(server, 1.1 * before.rss)
    highest = recorder.stop()
    print(
        f"{STAYING} visitors stay, {LEAVING} leave in each round, {PALMS} palms, {ROUNDS} rounds",
        f"before: RSS {before.rss:.0f} MB, PSS {before.pss:.0f} MB",
        f"highest: RSS {max(one.rss for one in highest):.0f} MB, "
        f"sets {max(one.sets for one in highest):.0f} MB on the disk, of {len(highest)} samples",
        f"after all left: RSS {last.rss:.0f} MB, PSS {last.pss:.0f} MB, sets {last.sets:.0f} MB",
        sep="\n  ",
    )
    assert [tab.trouble for tab in tabs if tab.trouble] == []
    assert [text for tab in tabs for text in (*tab.exceptions, *tab.alerts)] == []
    assert [len(tab.downloads) for tab in tabs] == [ROUNDS] * STAYING
    assert min(size for tab in tabs for size in tab.downloads) > PALMS * 10_000
    assert max(one.sets for one in highest) * 2**20 <= MAX_BYTES + 2**30
    assert last.rss <= 1.1 * before.rss
    assert last.sets <= max(one.sets for one in highest) / 10
