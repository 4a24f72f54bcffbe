"""A cluster that cannot be reached is refused in bounded time."""

from __future__ import annotations

import socket
import time

import pytest

from palm_assets.cluster import connection
from palm_assets.cluster.connection import connected
from palm_assets.errors import ClusterError


@pytest.mark.parametrize("address", ["127.0.0.1:1", "ray://127.0.0.1:1", "no.such.host.invalid:6379"])
def test_a_cluster_that_does_not_answer_is_refused_at_once(address: str) -> None:
    started = time.monotonic()
    with pytest.raises(ClusterError, match="cannot be reached"), connected(address):
        pass
    assert time.monotonic() - started < 2 * connection.PORT_SECONDS


@pytest.mark.parametrize("address", ["head", "head:port", "ray://", ":6379"])
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(ClusterError, match="Not an address"), connected(address):
        pass


def test_a_port_of_something_else_is_refused_in_bounded_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "CONNECT_SECONDS", 3.0)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(ClusterError, match="no answer in 3 seconds"), connected(address):
            pass
