"""Failed runs: refusals are reported as such and not retried, and no report is lost."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from palm_assets.errors import RefusedError
from palm_assets.store.artifacts import Artifact
from pipelines import assets
from pipelines.automation import RETRY_TAGS, RetrainingSettings
from pipelines.definitions import definitions
from pipelines.failures import failure_sensor
from pipelines.resources import ArtifactIOManager


class Failures:
    """The sensor over one instance, its command, and what the command received."""

    def __init__(self, folder: Path, instance: dg.DagsterInstance) -> None:
        self.received, self.script = folder / "received.jsonl", folder / "script.py"
        self.instance, self.cursor = instance, None
        self.sensor = failure_sensor(shlex.join([sys.executable, str(self.script)]))
        self.mend()

    def mend(self) -> None:
        self.script.write_text(
            f"import sys; open({str(self.received)!r}, 'a').write(sys.stdin.read() + chr(10))",
            encoding="utf-8",
        )

    def break_for(self, word: str) -> None:
        """The command fails for reports that hold a word."""
        self.script.write_text(
            f"import sys; text = sys.stdin.read(); sys.exit({word!r} in text) if {word!r} in text else "
            f"open({str(self.received)!r}, 'a').write(text + chr(10))",
            encoding="utf-8",
        )

    def tick(self) -> str:
        context = dg.build_sensor_context(instance=self.instance, cursor=self.cursor)
        result = self.sensor.evaluate_tick(context)
        self.cursor = result.cursor
        return str(result.skip_message)

    def reported(self) -> list[dict[str, Any]]:
        if not self.received.is_file():
            return []
        return [json.loads(line) for line in self.received.read_text(encoding="utf-8").splitlines()]


@dg.op
def ends_badly() -> None:
    raise OSError("the cable was pulled")


def fail(instance: dg.DagsterInstance, name: str = "bad") -> str:
    job = dg.GraphDefinition(name=name, node_defs=[ends_badly]).to_job()
    return job.execute_in_process(instance=instance, raise_on_error=False).run_id


@pytest.fixture
def failures(tmp_path: Path, instance: dg.DagsterInstance) -> Failures:
    return Failures(tmp_path, instance)


def test_each_failed_run_is_reported_once(failures: Failures) -> None:
    fail(failures.instance)  # before the sensor was turned on
    failures.tick()
    run = fail(failures.instance)
    failures.tick()
    failures.tick()
    (report,) = failures.reported()
    assert report["run"] == run
    assert report["job"] == "bad"
    assert report["steps"] == ["ends_badly"]
    assert report["outcome"] == "failed"
    assert "the cable was pulled" in report["error"] or "ends_badly" in report["error"]
    assert report["checks"] == []


def test_what_a_person_canceled_is_not_reported(failures: Failures) -> None:
    failures.tick()
    run = failures.instance.get_run_by_id(fail(failures.instance))
    assert run is not None
    failures.instance.report_run_canceled(run)
    other = fail(failures.instance)
    failures.tick()
    assert [report["run"] for report in failures.reported()] == [other]


def test_a_failing_command_loses_no_report(failures: Failures) -> None:
    failures.tick()
    failures.script.write_text("raise SystemExit(3)", encoding="utf-8")
    runs = [fail(failures.instance, name) for name in ("first", "second", "third")]
    assert "3 kept for the next tick" in failures.tick()
    failures.tick()
    assert failures.reported() == []
    failures.break_for("second")
    for _ in range(3):
        failures.tick()
    assert {report["run"] for report in failures.reported()} == {runs[0], runs[2]}
    failures.mend()
    failures.tick()
    failures.tick()
    assert [report["run"] for report in failures.reported()][-1] == runs[1]
    assert len(failures.reported()) == 3


def test_a_cursor_of_another_sensor_starts_anew(failures: Failures) -> None:
    failures.cursor = '{"__class__": "RunStatusSensorCursor", "record_id": 3}'
    failures.tick()
    run = fail(failures.instance)
    failures.tick()
    assert [report["run"] for report in failures.reported()] == [run]


def test_the_alert_is_on_if_there_is_a_command() -> None:
    defs = definitions(Path("unused"), RetrainingSettings(failure_command="mail"))
    assert defs.get_sensor_def("run_failure_command").default_status == dg.DefaultSensorStatus.RUNNING


@pytest.fixture
def retrying(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    """An instance whose daemon retries runs that are tagged, as dagster_home/dagster.yaml has it."""
    (tmp_path / "retrying").mkdir()
    overrides = {"run_retries": {"enabled": True, "max_retries": 0}}
    with dg.DagsterInstance.local_temp(str(tmp_path / "retrying"), overrides=overrides) as instance:
        yield instance


def will_retry(instance: dg.DagsterInstance, run_id: str) -> str | None:
    run = instance.get_run_by_id(run_id)
    assert run is not None
    return run.tags.get("dagster/will_retry")


def test_a_refusal_by_a_check_is_reported_as_such_and_not_retried(
    tmp_path: Path, retrying: dg.DagsterInstance
) -> None:
    failures = Failures(tmp_path, retrying)
    failures.tick()
    job = definitions(tmp_path / "home").resolve_implicit_global_asset_job_def()
    photos = {"synthetic_photos": 20, "synthetic_people": 4, "synthetic_size": 128}
    result = job.execute_in_process(
        run_config={
            "ops": {"raw_hands": {"config": photos}},
            "resources": {"gate": {"config": {"min_photos": 20, "min_people": 2}}},
        },
        instance=retrying,
        asset_selection=[dg.AssetKey("raw_hands")],
        tags=RETRY_TAGS,
        raise_on_error=False,
    )
    assert not result.success
    assert will_retry(retrying, result.run_id) == "false"
    failures.tick()
    (report,) = failures.reported()
    assert report["outcome"] == "refused"
    assert report["will_retry"] is False
    (check,) = report["checks"]
    assert check["check"] == "photos_are_usable"
    assert check["reason"] == "usable photographs 14 (at least 20)"
    assert check["values"]["usable photographs"] == 14


def test_a_refused_release_is_reported_as_such_and_not_retried(
    tmp_path: Path,
    retrying: dg.DagsterInstance,
    monkeypatch: pytest.MonkeyPatch,
    publish_model: Callable[..., Artifact],
) -> None:
    def refuse(*_: Any) -> None:
        raise RefusedError("Model 1 is not released: not_blank: share 0.5 (at most 0.02)", hint="It stays.")

    monkeypatch.setattr(assets, "release_if_passed", refuse)
    monkeypatch.setattr(assets, "require_inputs", lambda *_, **__: None)
    monkeypatch.setattr(assets, "lineage_of", lambda *_: None)
    monkeypatch.setattr(ArtifactIOManager, "load_input", lambda *_: publish_model())
    failures = Failures(tmp_path, retrying)
    failures.tick()
    job = definitions(tmp_path / "home").resolve_implicit_global_asset_job_def()
    result = job.execute_in_process(
        instance=retrying,
        asset_selection=[dg.AssetKey("palm_release")],
        tags=RETRY_TAGS,
        raise_on_error=False,
    )
    assert will_retry(retrying, result.run_id) == "false"
    failures.tick()
    (report,) = failures.reported()
    assert report["outcome"] == "refused"
    assert report["checks"][0]["check"] == "palm_release"
    assert "not_blank: share 0.5 (at most 0.02)" in report["checks"][0]["reason"]


def test_another_failure_is_retried(retrying: dg.DagsterInstance) -> None:
    job = dg.GraphDefinition(name="bad", node_defs=[ends_badly]).to_job(tags=RETRY_TAGS)
    run = job.execute_in_process(instance=retrying, raise_on_error=False).run_id
    assert will_retry(retrying, run) == "true"
