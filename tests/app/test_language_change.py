"""What is entered outlives a change of language; a value that the browser sends late counts nothing."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from streamlit.proto.WidgetStates_pb2 import WidgetState, WidgetStates
from streamlit.runtime.scriptrunner import RerunData, ScriptRunner
from streamlit.testing.v1 import AppTest

from app.i18n.words import Words
from app.views import generation
from app.work.links import View
from tests.app.visits import field, visited, wait

pytestmark = pytest.mark.usefixtures("a_release")
EN, RU = Words("en"), Words("ru")


@pytest.fixture
def requests() -> Iterator[list[logging.LogRecord]]:
    """The requests that the page logs. The log's level and where it goes depend on the tests before."""
    records: list[logging.LogRecord] = []

    class Kept(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            records.append(record)

    handler, level = Kept(), generation.log.level
    generation.log.addHandler(handler)
    generation.log.setLevel(logging.INFO)
    yield records
    generation.log.removeHandler(handler)
    generation.log.setLevel(level)


@pytest.fixture
def late(monkeypatch: pytest.MonkeyPatch) -> Callable[[AppTest], None]:
    """Runs the page with a request that the browser sent before it had the answer to the last one.

    It names the widgets of the last request, with the values of then.
    """
    sent: list[WidgetState] = []
    run = ScriptRunner._run_script
    is_late = False

    def run_script(runner: ScriptRunner, request: RerunData) -> None:
        if is_late:
            states = WidgetStates()
            states.widgets.extend(sent)
            request = replace(request, widget_states=states)
        elif request.widget_states is not None:
            sent[:] = request.widget_states.widgets
        run(runner, request)

    monkeypatch.setattr(ScriptRunner, "_run_script", run_script)

    def run_late(page: AppTest) -> None:
        nonlocal is_late
        is_late = True
        page.run()
        is_late = False
        assert not page.exception
        wait(page)

    return run_late


def change_language(page: AppTest, language: str) -> None:
    field(page.button_group, "language_choice").set_value(language).run()
    assert page.session_state.language == language


def entered(page: AppTest) -> dict[str, object]:
    """What the fields show and the button would request."""
    return {
        name: field(fields, name).value
        for name, fields in (
            ("count", page.text_input),
            ("seed", page.text_input),
            ("min_score", page.text_input),
            ("truncation", page.select_slider),
        )
    }


def test_nothing_is_requested_once_more(
    late: Callable[[AppTest], None], requests: list[logging.LogRecord]
) -> None:
    page = visited(2)
    field(page.button_group, "order").set_value("score").run()
    palms = page.session_state.generation_result
    models = field(page.selectbox, "model_choice").options
    page.run()  # the browser sends all of it once
    change_language(page, "ru")
    assert field(page.selectbox, "model_choice").options != models
    late(page)
    assert [record.getMessage() for record in requests] == ["requested"]
    assert page.session_state.generation_result is palms
    assert page.session_state.chosen_model == page.session_state.missing_model == ""
    assert page.session_state.view == View(order="score")
    assert field(page.button_group, "order").value == "score"


def test_what_is_entered_outlives_a_change_of_language_there_and_back(
    late: Callable[[AppTest], None],
) -> None:
    page = visited(2)
    field(page.text_input, "count").set_value("3")
    field(page.text_input, "min_score").set_value("0.1")
    field(page.select_slider, "truncation").set_value(0.5).run()
    expected = {"count": "3", "seed": "1", "min_score": "0.1", "truncation": 0.5}
    for language in ("ru", "en"):
        change_language(page, language)
        assert entered(page) == expected
        late(page)  # its slider still says "0.50", which is no step of the Russian one
        assert page.session_state.language == language
        assert entered(page) == expected
    field(page.button, "generate").click().run()
    wait(page)
    request = page.session_state.generation_result.request
    assert (request.count, request.truncation, request.min_score) == (3, 0.5, 0.1)


def test_an_order_that_an_address_names_is_not_undone_by_a_late_value(
    late: Callable[[AppTest], None],
) -> None:
    page = visited(2)
    page.run()
    page.query_params["order"] = "score"  # by Forward
    page.run()
    assert page.session_state.view.order == "score"
    late(page)
    assert page.session_state.view.order == "score"
    assert page.query_params["order"] == "score"


def test_the_fields_are_those_of_the_address_after_a_way_back(late: Callable[[AppTest], None]) -> None:
    page = visited(2)
    field(page.text_input, "count").set_value("7").run()
    page.query_params.clear()
    page.query_params.update({"n": "3", "seed": "5", "t": "0.5", "lang": "ru"})
    page.run()
    late(page)
    assert page.session_state.language == "ru"
    assert entered(page) == {"count": "3", "seed": "5", "min_score": "", "truncation": 0.5}


def test_a_refused_link_keeps_its_address_when_the_language_changes() -> None:
    page = visited(2)
    page.query_params.clear()
    page.query_params.update({"n": "5000", "seed": "5", "lang": "en"})
    page.run()
    change_language(page, "ru")
    assert (page.query_params["n"], page.query_params["lang"]) == ("5000", "ru")
    assert page.session_state.form_error is not None
