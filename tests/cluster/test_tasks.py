"""Shards on two nodes: a failing one is tried again alone, and nothing goes on after an interruption.

The connection exists before and stays; the tests of cropping and of the reference make their own.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from palm_assets import __version__
from palm_assets.cluster.connection import connected, import_ray
from palm_assets.cluster.tasks import RETRIES, Work, on_node, run_on_cluster
from palm_assets.errors import ClusterError
from tests.cluster.ray_nodes import Nodes, until
from tests.cluster.work import Numbers, calls_of, note_of, total_on_node


@pytest.fixture(scope="module")
def connection(started_nodes: Nodes) -> Iterator[None]:
    with connected(started_nodes.address):
        yield


def work_in(folder: Path, *, in_order: bool = True) -> Work[Numbers]:
    return Work[Numbers](total_on_node, (folder,), note_of, in_order=in_order)


@pytest.mark.alone
@pytest.mark.usefixtures("connection")
def test_a_shard_that_fails_is_tried_again_alone_and_named_if_it_fails_for_good(
    nodes: Nodes, tmp_path: Path
) -> None:
    shards = [Numbers(first, first + 5, failures=2 if first == 10 else 0) for first in range(0, 50, 5)]
    reports: list[tuple[int, int]] = []
    found = run_on_cluster(
        work_in(tmp_path), shards, nodes.address, progress=lambda *report: reports.append(report)
    )
    assert list(found) == [(shard, sum(range(shard.first, shard.end))) for shard in shards]
    assert [calls_of(tmp_path, shard) for shard in shards] == [1, 1, 3, *[1] * 7]
    assert reports[-1] == (50, 50)
    assert reports == sorted(reports)
    hopeless = Numbers(100, 105, failures=99)
    with pytest.raises(OSError, match="100 cannot be read") as raised:
        list(run_on_cluster(work_in(tmp_path, in_order=False), [shards[0], hopeless], nodes.address))
    assert raised.value.__notes__ == ["in the shard from 100"]
    assert calls_of(tmp_path, hopeless) == 1 + RETRIES


@pytest.mark.alone
@pytest.mark.usefixtures("connection")
def test_an_interruption_leaves_no_task(nodes: Nodes, tmp_path: Path) -> None:
    shards = [Numbers(first, first + 5, seconds=60) for first in range(0, 50, 5)]

    def interrupt(done: int, total: int) -> None:
        if done:  # of a shard that is not finished
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(run_on_cluster(work_in(tmp_path), shards, nodes.address, progress=interrupt))
    assert until(lambda: not nodes.running(total_on_node), 10)
    assert import_ray().is_initialized()
    assert 1 <= sum(calls_of(tmp_path, shard) for shard in shards) <= 2


def test_a_node_with_another_version_says_so(tmp_path: Path) -> None:
    with pytest.raises(ClusterError, match=r"runs Palms .*, this machine 0\.0"):
        on_node("0.0", total_on_node, None, 0, Numbers(0, 1), tmp_path)
    assert __version__ != "0.0"
    assert not list(tmp_path.iterdir())
