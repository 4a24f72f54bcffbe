"""Messages and the outcome of a trainer reach Dagster complete."""

import queue
import threading
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from palm_assets.errors import DatasetError
from palm_assets.gan.config import GanConfig
from palm_assets.stages.training_job import JobOutcome, ModelJob
from pipelines.training import MAX_RETRIES, complete_lines, subprocess_runner


def test_a_line_is_passed_on_once_it_is_complete(tmp_path: Path) -> None:
    path, ended, read = tmp_path / "messages", threading.Event(), queue.Queue[str]()
    path.touch()

    def follow() -> None:
        for line in complete_lines(path, ended.is_set):
            read.put(line)

    def written(part: str) -> None:
        with path.open("a") as file:
            file.write(part)

    reader = threading.Thread(target=follow)
    reader.start()
    written("first\nsec")
    assert read.get(timeout=10) == "first\n"
    written("o")
    with pytest.raises(queue.Empty):
        read.get(timeout=0.1)
    written("nd\n")
    assert read.get(timeout=10) == "second\n"
    written("last\nincomplete")
    ended.set()
    reader.join(10)
    assert not reader.is_alive()
    assert read.get(timeout=1) == "last\n"
    assert read.empty()


class DyingClient:
    """A process that writes its outcome and then ends badly: out of memory, or in CUDA's teardown."""

    def __init__(self, outcome: JobOutcome | None, error: BaseException) -> None:
        self._outcome, self._error = outcome, error

    def run(self, *, extras: dict[str, str], **_: object) -> None:
        if self._outcome is not None:
            Path(extras["outcome_file"]).write_text(self._outcome.model_dump_json(), encoding="utf-8")
        raise self._error


def run_with(client: DyingClient, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, Any]:
    monkeypatch.setattr(dg, "PipesSubprocessClient", lambda **_: client)
    job = ModelJob(home=tmp_path, inputs={}, config=GanConfig(), folder=tmp_path, work=tmp_path)
    return subprocess_runner(dg.build_asset_context())(job)  # type: ignore[arg-type]


def test_facts_that_were_written_mean_success_however_the_process_ends(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    client = DyingClient(JobOutcome(facts={"kimg": 360}), RuntimeError("failed with code -9"))
    assert run_with(client, monkeypatch, tmp_path) == {"kimg": 360}


def test_an_error_that_was_written_is_raised_however_the_process_ends(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    error = DatasetError("Too few crops", hint="Add some.")
    with pytest.raises(DatasetError, match="Too few crops"):
        run_with(DyingClient(JobOutcome.of_error(error), RuntimeError("code 3")), monkeypatch, tmp_path)


def test_a_process_that_dies_without_a_word_is_started_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(dg.AssetExecutionContext, "retry_number", property(lambda _: MAX_RETRIES - 1))
    with pytest.raises(dg.RetryRequested):
        run_with(DyingClient(None, RuntimeError("code -9")), monkeypatch, tmp_path)


def test_a_process_that_dies_at_its_last_retry_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(dg.AssetExecutionContext, "retry_number", property(lambda _: MAX_RETRIES))
    with pytest.raises(dg.Failure, match="without a result: code -9"):
        run_with(DyingClient(None, RuntimeError("code -9")), monkeypatch, tmp_path)
