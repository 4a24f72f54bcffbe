"""The run log: JSON lines with run and step."""

from __future__ import annotations

import json
import logging
import shutil
from pathlib import Path

import dagster as dg
import pytest

from pipelines.definitions import definitions
from pipelines.run_log import RunLog


def test_every_line_of_a_run_is_json_and_names_its_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the dagster.yaml of `make pipeline`; an asset without its inputs fails at once."""
    shutil.copy("dagster_home/dagster.yaml", tmp_path)
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    with dg.DagsterInstance.get() as instance:
        job = definitions(tmp_path / "home").resolve_implicit_global_asset_job_def()
        result = job.execute_in_process(
            instance=instance, asset_selection=[dg.AssetKey("cropped_palms")], raise_on_error=False
        )
    lines = [json.loads(line) for line in (tmp_path / "logs" / "runs.jsonl").read_text().splitlines()]
    assert {line["run"] for line in lines} == {result.run_id}
    assert any(line.get("step") == "cropped_palms" and line["level"] == "ERROR" for line in lines)
    assert all(line["time"].endswith("+00:00") and line["message"] for line in lines)


def test_a_log_folder_removed_during_a_run_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    log = RunLog()
    shutil.rmtree(tmp_path / "logs", ignore_errors=True)
    log.emit(logging.makeLogRecord({"msg": "made", "levelname": "INFO"}))
    log.close()
    (line,) = (tmp_path / "logs" / "runs.jsonl").read_text(encoding="utf-8").splitlines()
    assert json.loads(line)["message"] == "made"
