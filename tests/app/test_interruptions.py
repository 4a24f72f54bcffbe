"""Streamlit ends a run at any access to the session when another request comes: nothing must be lost."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from itertools import cycle, repeat
from types import FrameType

import pytest
from streamlit.proto.WidgetStates_pb2 import WidgetStates
from streamlit.runtime.scriptrunner import RerunData, ScriptRunner
from streamlit.runtime.scriptrunner_utils.exceptions import RerunException
from streamlit.runtime.state import safe_session_state as session
from streamlit.testing.v1 import AppTest

from app.i18n.words import Words
from palm_assets.generation.png_metadata import PngMetadata
from tests.app.visits import APP, field, visited, wait

EN = Words("en")
pytestmark = pytest.mark.usefixtures("a_release")


class Interruption:
    """Another request of the browser, at one of the places where Streamlit looks for requests.

    Attributes:
        at: the place; None to let the run go to its end.
        places: all that it came to, in order, each named after the line of the page that it is in.
    """

    def __init__(self) -> None:
        self.at: str | None = None
        self.places: dict[str, None] = {}
        self._of_run: RerunData | None = None

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        run, look = ScriptRunner._run_script, ScriptRunner._maybe_handle_execution_control_request

        def run_script(runner: ScriptRunner, request: RerunData) -> None:
            self._of_run = request
            run(runner, request)

        def look_for_requests(runner: ScriptRunner) -> None:
            if runner._execing and runner._script_thread is threading.current_thread():
                place = line_of_the_page()
                if place is not None:
                    self.places[place] = None
                    if place == self.at:
                        self.at = None
                        raise RerunException(self._without_clicks())
            look(runner)

        monkeypatch.setattr(ScriptRunner, "_run_script", run_script)
        monkeypatch.setattr(ScriptRunner, "_maybe_handle_execution_control_request", look_for_requests)

    def _without_clicks(self) -> RerunData:
        """What the browser sends next: a click is sent once only."""
        assert self._of_run is not None
        states = WidgetStates()
        for state in self._of_run.widget_states.widgets if self._of_run.widget_states else ():
            if state.WhichOneof("value") not in (
                "trigger_value",
                "string_trigger_value",
                "json_trigger_value",
            ):
                states.widgets.append(state)
        return replace(self._of_run, widget_states=states)


def line_of_the_page() -> str | None:
    """File and line of the page that reads or changes the session; None elsewhere, and in callbacks.

    A click that Streamlit drops before its callback has run is lost, and the page cannot know of it.
    """
    frame: FrameType | None = sys._getframe()
    lines: list[str] = []
    touches_session = False
    while frame is not None:
        if frame.f_code.co_name == "_call_callbacks":
            return None
        touches_session |= (
            frame.f_code.co_filename == session.__file__ and frame.f_code.co_name != "register_widget"
        )
        if frame.f_code.co_filename.startswith(str(APP)):
            lines.append(f"{frame.f_code.co_filename.removeprefix(str(APP))}:{frame.f_lineno}")
        frame = frame.f_back
    return lines[0] if lines and touches_session else None


def go(page: AppTest, **parameters: str) -> AppTest:
    """Along the history of the tab."""
    page.query_params.clear()
    page.query_params.update({**parameters, "lang": "en"})
    return page


def other_link(page: AppTest, seed: int) -> None:
    go(page, n="2", seed=str(seed))


def form(page: AppTest, seed: int) -> None:
    field(page.text_input, "seed").set_value(str(seed))
    next(button for button in page.button if button.label == EN("generate")).click()


def end_of_a_job(page: AppTest, seed: int) -> None:
    go(page, n="2", seed=str(seed)).run()
    until = time.monotonic() + 60
    while not page.session_state.generation_job.is_over and time.monotonic() < until:
        time.sleep(0.01)


def origin_of_a_png(page: AppTest, seed: int) -> None:
    palms = page.session_state.generation_result
    page.session_state.pending_png = PngMetadata(seed, 0, palms.model_version, 0.5)


NEW_SEEDS = range(2, 1000)
CASES: dict[str, tuple[Callable[[AppTest, int], None], int, Iterable[int]]] = {
    "new visitor": (other_link, 2, repeat(9)),
    "back and forward": (other_link, 2, cycle((9, 1))),
    "form": (form, 2, NEW_SEEDS),
    "end of a job": (end_of_a_job, 2, NEW_SEEDS),
    "origin of a PNG": (origin_of_a_png, 1, NEW_SEEDS),
}
"""What a visitor does to see the set of a seed, the number of palms in it, and the seeds one by one."""


def visitor(case: str) -> AppTest:
    """A new visitor, or one who has seen the sets of two seeds."""
    page = AppTest.from_file(str(APP / "main.py"), default_timeout=60)
    if case != "new visitor":
        for seed in (9, 1):
            other_link(page, seed)
            page.run()
            wait(page)
    return page


def places_of(page: AppTest, interruption: Interruption, at: str | None) -> list[str]:
    """Run the page to its end, with an interruption at a place; the places of the first run."""
    interruption.places, interruption.at = {}, at
    page.run()
    places = list(interruption.places)
    assert interruption.at is None, "this place was not reached"
    wait(page)
    assert not page.exception
    go(page, **page.session_state.address[1])  # AppTest forgets that of an interrupted run
    return places


@pytest.mark.parametrize("case", CASES)
def test_a_run_that_is_interrupted_anywhere_loses_nothing(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    interruption = Interruption()
    interruption.install(monkeypatch)
    request, count, seeds = CASES[case]
    page = visitor(case)
    lost: dict[str | None, object] = {}
    places: list[str | None] = [None]
    for seed in seeds:
        at = places.pop()
        request(page, seed)
        reached = places_of(page, interruption, at)
        if at is None:
            assert len(reached) > 20
            places += reached
        result = page.session_state.generation_result
        shown = None if result is None else (result.request.count, result.request.seed)
        if shown != (count, seed):
            lost[at] = shown
        if not places:
            break
        if shown != (count, seed) or case == "new visitor":
            page = visitor(case)
    assert lost == {}


def test_a_request_sent_before_the_browser_knew_the_address_goes_back_to_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    page = visited(2)
    form(page, 9)
    page.run()
    wait(page)
    assert page.query_params["seed"] == "9"
    go(page, n="2", seed="1").run()  # without a word of Back or Forward
    assert page.session_state.generation_result.request.seed == 9
    monkeypatch.setattr("app.views.address.ROUND_TRIP", 0)
    go(page, n="2", seed="1").run()
    wait(page)
    assert page.session_state.generation_result.request.seed == 1
