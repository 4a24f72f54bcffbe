"""A month of schedule ticks, each a real run of the whole graph; two ticks in `make test`."""

from __future__ import annotations

import contextlib
import copy
import gc
import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
import yaml

from palm_assets.release.serving import ModelWatcher
from palm_assets.store.artifacts import Store
from pipelines.automation import RetrainingSettings
from pipelines.definitions import definitions
from tests.e2e.dagster_service import postgres_storage
from tests.pipelines.conftest import failures
from tests.tiny import LENIENT, TINY

LONG = bool(os.environ.get("PALM_DAGSTER_LONG"))
TICKS = 30 if LONG else 2
KEEP_MODELS, KEEP_RELEASES = 2, 2
KEPT = KEEP_MODELS + KEEP_RELEASES + 2  # and the page's, and the best release so far
FIRST = datetime(2026, 11, 1, 3, tzinfo=UTC)


def write_preset(folder: Path) -> Path:
    """Make a folder with one preset that takes seconds and has a lenient gate."""
    retention = {"keep_models": KEEP_MODELS, "keep_releases": KEEP_RELEASES}
    ops = {name: {"config": copy.deepcopy(config)} for name, config in TINY.items()}
    ops["dcgan_checkpoint"]["config"]["snapshot_kimg"] = 100  # one snapshot, at the end
    preset = {
        "ops": ops,
        "resources": {"gate": {"config": LENIENT}, "retention": {"config": retention}},
    }
    folder.mkdir()
    (folder / "tiny.yaml").write_text(yaml.safe_dump(preset))
    return folder


@pytest.fixture(params=["sqlite", "postgres"] if LONG else ["sqlite"])
def instance(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    home = tmp_path / "dagster"
    home.mkdir()
    with contextlib.ExitStack() as stack:
        if request.param == "postgres":
            storage = stack.enter_context(postgres_storage())
            (home / "dagster.yaml").write_text(yaml.safe_dump({"storage": storage}))
            yield stack.enter_context(dg.DagsterInstance.from_config(str(home)))
        else:
            yield stack.enter_context(dg.DagsterInstance.local_temp(str(home)))


def size_of(home: Path) -> int:
    return sum(path.stat().st_size for path in home.rglob("*") if path.is_file())


@pytest.mark.timeout(1800)  # a tick takes up to half a minute
def test_a_month_of_ticks_keeps_to_the_retention_config_and_every_release_can_be_served(
    tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    home = tmp_path / "home"
    here = definitions(
        home, RetrainingSettings(preset="tiny", cron="0 3 * * *"), write_preset(tmp_path / "presets")
    )
    job, store, sizes = here.resolve_job_def("tiny"), Store(home), []
    watcher = ModelWatcher(store, origin="synthetic")
    for day in range(TICKS):
        context = dg.build_schedule_context(instance, FIRST + timedelta(days=day))
        (request,) = here.get_schedule_def("retrain").evaluate_tick(context).run_requests or ()
        result = job.execute_in_process(request.run_config, instance=instance, raise_on_error=False)
        assert result.success, failures(result)
        gc.collect()  # a real tick is a process of its own: nothing of it is held when it has ended

        release = store.released("synthetic")
        assert release is not None
        assert release.model == store.current("dcgan_checkpoint").version  # another seed each day
        store.open("reference", release.reference)
        if day == 0:
            served = watcher.served()  # by a page that is idle for the rest of the month
            assert served.model is not None
        assert served.model is not None
        store.open("models", served.model.version)
        assert len(store.versions("models")) <= KEPT
        sizes.append(size_of(home))
    assert max(sizes) <= 1.1 * max(sizes[: KEPT + 1]), sizes
