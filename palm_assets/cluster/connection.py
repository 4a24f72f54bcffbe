"""Connection to a Ray cluster."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from palm_assets.errors import ClusterError, PackageMissingError
from palm_assets.runtime import usable_cores

PORT_SECONDS = 10.0
CONNECT_SECONDS = 60.0
_NOTHING_RUNS = "Could not find any running Ray instance"
_PROBE = "import sys, ray; ray.init(sys.argv[1], log_to_driver=False, logging_level='ERROR')"


@contextlib.contextmanager
def connected(address: str | None) -> Iterator[Any]:
    """The module `ray`, connected to a cluster; if it was connected before, it stays so.

    Raises:
        PackageMissingError: Ray is not installed.
        ClusterError: the cluster cannot be reached.
    """
    ray = import_ray()
    if ray.is_initialized():
        yield ray
        return
    found = _reachable(address or os.environ.get("RAY_ADDRESS") or "auto")
    settings: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
    if found == "local":
        settings |= {"num_cpus": usable_cores(), "include_dashboard": False}
    try:
        try:
            with _signal_handler_kept():
                ray.init(found, **settings)
        except (OSError, RuntimeError, ValueError) as error:
            raise _unreachable(str(error), found) from error
        yield ray
    finally:
        ray.shutdown()


def _reachable(address: str) -> str:
    """The address, of a cluster that answers; "local" if none is asked for and none runs on this machine.

    Ray itself would wait for minutes for a host that does not answer, in native code that cannot be
    interrupted. So another process connects first.
    """
    if address == "local":
        return address
    if address != "auto":
        _check_port(address)
    try:
        command = [sys.executable, "-c", _PROBE, address]
        subprocess.run(
            command,
            check=True,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=CONNECT_SECONDS,
        )
    except subprocess.TimeoutExpired:
        raise _unreachable(f"no answer in {CONNECT_SECONDS:g} seconds", address) from None
    except subprocess.CalledProcessError as error:
        if address == "auto" and _NOTHING_RUNS in error.stderr:
            return "local"
        lines = error.stderr.strip().splitlines() or [f"exit status {error.returncode}"]
        raise _unreachable(lines[-1], address) from None
    return address


def _check_port(address: str) -> None:
    """Refuse at once a host or a port that does not answer."""
    try:
        parts = urlsplit(address if "://" in address else f"//{address}")
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    if not host or port is None:
        raise ClusterError(
            "Not an address of a Ray cluster", where=address, hint="Use host:port or ray://host:port."
        )
    try:
        socket.create_connection((host, port), timeout=PORT_SECONDS).close()
    except OSError as error:
        raise _unreachable(str(error), address) from error


def _unreachable(why: str, address: str) -> ClusterError:
    return ClusterError(
        f"The Ray cluster cannot be reached: {why}",
        where=address,
        hint="Check `ray status` there, and ray_address or RAY_ADDRESS; `ray stop` forgets a cluster that is "
        "gone.",
    )


@contextlib.contextmanager
def _signal_handler_kept() -> Iterator[None]:
    """Ray replaces the handler of SIGTERM, by which Dagster ends a run."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handler = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, handler)


def import_ray() -> Any:
    """The module, loaded on demand: it is in an extra.

    Raises:
        PackageMissingError: it is not installed.
    """
    try:
        import ray
        import ray.exceptions
    except ImportError as error:
        raise PackageMissingError(
            "Ray is not installed", hint="Run `pip install 'palms[cluster]'`, or use `engine: local`."
        ) from error
    return ray
