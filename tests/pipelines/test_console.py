"""What the console of a run shows of errors: typed ones without a stack, others with it."""

import dagster as dg
import pytest

from palm_assets.errors import ConfigError
from pipelines.console import console_logger
from pipelines.failures import refusal_failure
from pipelines.resources import failures_in_one_line


def run(error: Exception) -> None:
    """A job of two steps; the first one raises the error."""

    @dg.op
    def first(context: dg.OpExecutionContext) -> int:
        context.log.info("first has begun")
        with failures_in_one_line():
            raise error

    @dg.op
    def second(number: int) -> None:
        pass

    @dg.job(logger_defs={"console": console_logger})
    def steps() -> None:
        second(first())

    console = {"console": {"config": {"log_level": "INFO"}}}
    assert not steps.execute_in_process({"loggers": console}, raise_on_error=False).success


@pytest.mark.parametrize(
    "error", [refusal_failure("too few"), ConfigError("Wrong", hint="Correct it.")], ids=["refusal", "typed"]
)
def test_an_error_for_people_is_left_to_the_last_line_of_the_command(
    error: Exception, capfd: pytest.CaptureFixture[str]
) -> None:
    run(error)
    shown = capfd.readouterr().err.splitlines()
    assert len(shown) == 1, shown
    assert shown[0].endswith("first has begun")


def test_a_crash_is_shown_with_its_stack(capfd: pytest.CaptureFixture[str]) -> None:
    run(RuntimeError("the cable burns"))
    shown = capfd.readouterr().err
    assert "RuntimeError: the cable burns" in shown
    assert "Stack Trace:" in shown
    assert "in first\n    raise error" in shown
    assert "STEP_FAILURE" in shown
    assert "Not executing" not in shown
