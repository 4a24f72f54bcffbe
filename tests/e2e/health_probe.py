"""Requests a server's health check repeatedly: `python -m tests.e2e.health_probe HOST:PORT`.

Prints a status and seconds per line. It runs in a process of its own: beside a crowd of simulated
visitors it would measure how those share an interpreter.
"""

from __future__ import annotations

import http.client
import sys
import time


def main(host: str) -> None:
    """Run until terminated."""
    while True:
        start = time.perf_counter()
        connection = http.client.HTTPConnection(host, timeout=60)
        connection.request("GET", "/_stcore/health")
        status = connection.getresponse().status
        print(status, time.perf_counter() - start, flush=True)
        connection.close()
        time.sleep(0.05)


if __name__ == "__main__":
    main(*sys.argv[1:])
