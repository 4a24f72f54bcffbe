"""Right after a change of language, the browser still sends the texts of the other as values of widgets."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
from streamlit.runtime.scriptrunner import RerunData, ScriptRunner
from streamlit.testing.v1 import AppTest

from app.i18n.words import Words
from app.views import generation
from app.work.links import View
from tests.app.visits import visited, wait

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


def run_with_old_texts(page: AppTest, old: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Run the page with a request in which some widgets still have these values."""
    run = ScriptRunner._run_script
    replaced = []

    def run_script(runner: ScriptRunner, request: RerunData) -> None:
        for state in request.widget_states.widgets if request.widget_states else ():
            for key, text in old.items():
                if state.id.endswith(f"-{key}"):
                    kind = state.WhichOneof("value")
                    if kind == "string_value":
                        state.string_value = text
                    else:
                        assert kind == "string_array_value"
                        state.string_array_value.data[:] = [text]
                    replaced.append(key)
        run(runner, request)

    with monkeypatch.context() as patched:
        patched.setattr(ScriptRunner, "_run_script", run_script)
        page.run()
    assert sorted({*replaced}) == sorted(old)
    wait(page)


def test_nothing_is_requested_once_more(
    monkeypatch: pytest.MonkeyPatch, requests: list[logging.LogRecord]
) -> None:
    page = visited(2)
    page.session_state.view = View(order="score")
    page.run()
    palms = page.session_state.generation_result
    old = {
        "model_widget": page.selectbox(key="model_widget").options[0],
        "order": EN("order_score"),
    }
    next(group for group in page.button_group if group.key == "language").set_value("ru").run()
    assert page.session_state.language == "ru"
    assert page.selectbox(key="model_widget").options[0] != old["model_widget"]
    assert [record.getMessage() for record in requests] == ["requested"]
    run_with_old_texts(page, old, monkeypatch)
    assert not page.exception
    assert len(requests) == 1
    assert page.session_state.generation_result is palms
    assert page.session_state.chosen_model == page.session_state.missing_model == ""
    assert page.session_state.view == View(order="score")


def test_the_form_can_be_sent() -> None:
    page = visited(2)
    page.session_state.kept = {**page.session_state.kept, "aspect": "back"}
    page.session_state.aspect = RU("aspect_palm")  # what a selectbox makes of a text that it does not know
    next(button for button in page.button if button.label == EN("generate")).click().run()
    wait(page)
    assert not page.exception
    assert page.session_state.generation_result.request.count == 2
