from __future__ import annotations

import json
import logging

import pytest

from app.logs import OWN_LOGGERS, JsonLines, write_json_lines
from app.work.jobs import Job, JobQueue, Steps
from tests.app.test_jobs import finished


def line_of(event: str, **extra: object) -> str:
    record = logging.makeLogRecord({"name": "app", "levelname": "INFO", "msg": event, **extra})
    return JsonLines().format(record)


def test_a_record_is_one_json_object_with_its_fields() -> None:
    line = json.loads(line_of("requested", count=24, seed=7))
    assert (line["event"], line["level"], line["name"]) == ("requested", "info", "app")
    assert (line["count"], line["seed"]) == (24, 7)
    assert line["time"].endswith("+00:00")


@pytest.mark.parametrize(
    "evil", ["two\nlines", "\x1b[2J", "\u202ereversed", "\x00", "строка", '"}\n{"event": "x']
)
def test_nothing_in_a_record_acts_in_a_terminal_or_makes_a_second_line(evil: str) -> None:
    line = line_of(evil, typed=evil)
    assert line.isascii()
    assert line.isprintable()
    assert json.loads(line)["event"] == json.loads(line)["typed"] == evil


def test_an_exception_brings_its_traceback_on_the_same_line() -> None:
    try:
        raise ValueError("inside")
    except ValueError as error:
        line = line_of("broke", exc_info=(ValueError, error, error.__traceback__))
    assert "\n" not in line
    assert "ValueError: inside" in json.loads(line)["traceback"]


def test_the_log_is_set_up_while_imports_in_other_threads_add_loggers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Importing(logging.Logger):
        """Meanwhile somebody else's import adds a logger."""

        def __getattribute__(self, name: str) -> object:
            if name == "handlers":
                monkeypatch.setitem(logging.root.manager.loggerDict, "torch.late", logging.Logger("late"))
            return super().__getattribute__(name)

    for name in OWN_LOGGERS:
        monkeypatch.setitem(logging.root.manager.loggerDict, name, logging.Logger(name))
    monkeypatch.setattr(logging, "captureWarnings", lambda capture: None)
    monkeypatch.setitem(logging.root.manager.loggerDict, "streamlit.importing", Importing("importing"))
    write_json_lines.__wrapped__()
    assert all(isinstance(logging.getLogger(name).handlers[0].formatter, JsonLines) for name in OWN_LOGGERS)


def test_a_job_logs_how_it_ended(caplog: pytest.LogCaptureFixture) -> None:
    def work(job: Job[int]) -> Steps[int]:
        yield 3, 3
        return 3

    with caplog.at_level(logging.INFO, "app"):
        finished(JobQueue().submit("visitor-with-a-long-name", work))
    (record,) = caplog.records
    line = json.loads(JsonLines().format(record))
    assert (line["event"], line["job"], line["done"], line["total"]) == ("finished", "test_logs", 3, 3)
    assert line["visitor"] == "visitor-"
