"""The services of deploy/compose.yaml together: a retraining through the gate, a container that is killed."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from palm_assets.store.artifacts import Store
from tests.e2e.compose_services import ComposeServices, compose_services
from tests.e2e.dagster_service import LOADED, PRESET, RUNS, DagsterService, until

pytestmark = pytest.mark.skipif(not os.environ.get("PALM_DAGSTER_LONG"), reason="make test-dagster runs it")


@pytest.fixture(scope="module")
def services() -> Iterator[ComposeServices]:
    folder = Path(tempfile.mkdtemp(prefix="palms-compose-"))
    folder.chmod(0o755)  # PostgreSQL has a user of its own
    presets = folder / "presets"
    presets.mkdir()
    (presets / "tiny.yaml").write_text("# In seconds.\n" + yaml.safe_dump(PRESET))
    changes = {"PALM_PRESETS": str(presets), "PALM_RETRAIN_PRESET": "tiny", "PYTHONWARNINGS": "ignore"}
    try:
        with compose_services(folder, changes) as services:
            for service in ("code", "webserver", "daemon"):  # in the order of `depends_on`
                services.start(service)
                until(lambda service=service: services.healthy(service), 180, service)
            yield services
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def dagster(services: ComposeServices) -> DagsterService:
    """The client of the webserver."""
    service = DagsterService(services.ports["webserver"], services.folder / "palm_home", services.folder)
    until(lambda: service.ask(LOADED)["repositoriesOrError"].get("nodes"), 60, "the code location")
    return service


def test_a_retraining_passes_the_gate(services: ComposeServices, dagster: DagsterService) -> None:
    run = dagster.launch()
    assert dagster.ended(run) == "SUCCESS", dagster.log(run)[-5:]
    store = Store(dagster.home)
    first = store.released("synthetic")
    again = dagster.launch(
        "dcgan_checkpoint", "palm_evaluation", "palm_release", dcgan_checkpoint={"seed": 5}
    )
    assert dagster.ended(again) == "SUCCESS", dagster.log(again)[-5:]
    second = store.released("synthetic")
    assert first is not None
    assert second is not None
    assert second.model != first.model
    assert not list((services.folder / "dagster_home").glob("**/*.db")), "history is kept in PostgreSQL"


def test_a_run_whose_container_is_killed_is_retried_and_goes_on(
    services: ComposeServices, dagster: DagsterService
) -> None:
    changes = {"kimg": 6.4, "seed": 31, "snapshot_kimg": 0.8, "save_minutes": 0.005}
    run = dagster.launch("dcgan_checkpoint", dcgan_checkpoint=changes)
    until(lambda: [*dagster.home.glob("work/models-*/state*.safetensors")], 120, "a saved state")
    services.end("code", signal.SIGKILL)
    assert dagster.run(run)["status"] == "STARTED"
    services.start("code")
    until(lambda: services.healthy("code"), 120, "the code location")
    assert dagster.ended(run, 120) == "FAILURE"
    wanted = {"tags": [{"key": "dagster/root_run_id", "value": run}]}

    def retries() -> list[dict[str, str]]:
        found: list[dict[str, str]] = dagster.ask(RUNS, f=wanted)["runsOrError"]["results"]
        return [entry for entry in found if entry["runId"] != run]

    until(retries, 120, "the retry")
    (retry,) = retries()
    assert dagster.ended(retry["runId"]) == "SUCCESS", dagster.log(retry["runId"])[-5:]
    assert any("resum" in line.lower() for line in dagster.log(retry["runId"])), dagster.log(retry["runId"])


def test_the_page_starts_by_its_command_beside_them(services: ComposeServices) -> None:
    services.changes["STREAMLIT_SERVER_PORT"] = str(services.ports["page"])
    services.start("page")
    until(lambda: services.healthy("page"), 60, "the page")
