"""The panel of a background job: its progress, a button to stop it, and a message if it has no result."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

import streamlit as st

from app.i18n.words import Words
from app.work.jobs import Job, JobFunction, QueueFullError
from app.work.resources import job_queue
from palm_assets.errors import PalmError

Result = TypeVar("Result")
POLL_SECONDS = 0.4


def _any_failure(_: PalmError | None) -> str:
    return "failed"


@dataclass(frozen=True)
class JobPanel(Generic[Result]):
    """One kind of background job of a visitor. Job, result and message are kept in the visitor's session.

    Attributes:
        name: unique among the panels; prefix of its keys in the session.
        progress_text: key of the text for {done} of {total} steps.
        finishing_text: key of the text while work goes on after the last step; "" if it ends with that step.
        stopped_text: key of the message if a stopped job has no result; "" for none.
        failed_text: key of the message for a failed job, given the error of the library, if it was one.
        can_stop: whether there is a button to stop the job.
        keeps_result: whether the result of the last job stays until the next job has one.
        message_kind: how messages look.
    """

    name: str
    progress_text: str = "progress_generated"
    finishing_text: str = ""
    stopped_text: str = ""
    failed_text: Callable[[PalmError | None], str] = _any_failure
    can_stop: bool = False
    keeps_result: bool = False
    message_kind: Literal["error", "info"] = "error"

    @property
    def job(self) -> Job[Result] | None:
        """The unfinished job."""
        job: Job[Result] | None = self._get("job")
        return job

    @property
    def result(self) -> Result | None:
        """The result of the last job that had one."""
        result: Result | None = self._get("result")
        return result

    @property
    def message(self) -> str | None:
        """Key of the text that says why there is no result."""
        message: str | None = self._get("message")
        return message

    @property
    def has_content(self) -> bool:
        """Whether there is a job, a result or a message."""
        return any(self._get(part) is not None for part in ("job", "result", "message"))

    def submit(self, work: JobFunction[Result]) -> bool:
        """Put a job into the queue; False, with a message, if the queue is full."""
        self.set_message(None)
        try:
            job = job_queue().submit(st.session_state.visitor, work)
        except QueueFullError:
            self.set_message("too_busy")
            return False
        self._set("job", job)
        if not self.keeps_result:
            self._set("result", None)
        return True

    def show(self, result: Result) -> None:
        """Show a result that is there already."""
        self.clear()
        self._set("result", result)

    def cancel(self) -> None:
        """Stop the unfinished job, if any."""
        if self.job is not None:
            job_queue().cancel(self.job)

    def set_message(self, key: str | None) -> None:
        """Show this text instead of a result."""
        self._set("message", key)

    def clear(self) -> None:
        """Forget job, result and message."""
        for part in ("job", "result", "message"):
            self._set(part, None)

    def show_progress(self, words: Words, below: Callable[[], None] | None = None) -> None:
        """Follow the unfinished job, if any; the page is rerun when it ends.

        Args:
            words: the visitor's language.
            below: draws what belongs below the progress bar.
        """
        if self.job is not None:
            _follow(self, words, below)

    def show_message(self, words: Words) -> None:
        """Say why there is no result, if there is none."""
        if self.message is not None:
            (st.error if self.message_kind == "error" else st.info)(words(self.message))

    def _finish(self, job: Job[Result]) -> None:
        if job.result is not None:
            self._set("result", job.result)
        if job.state == "failed":
            self.set_message(self.failed_text(job.error))
        elif job.result is None and self.stopped_text:
            self.set_message(self.stopped_text)
        self._set("job", None)  # last, so that a run that is interrupted here is repeated

    def _get(self, part: str) -> Any:
        return st.session_state.get(f"{self.name}_{part}")

    def _set(self, part: str, value: object) -> None:
        st.session_state[f"{self.name}_{part}"] = value


@st.fragment(run_every=POLL_SECONDS)
def _follow(panel: JobPanel[Result], words: Words, below: Callable[[], None] | None) -> None:
    job = panel.job
    if job is None:
        return
    job.keep_alive()
    if job.is_over:
        panel._finish(job)
        st.rerun(scope="app")
    show_progress(words, job, panel.progress_text, panel.finishing_text)
    if below is not None:
        below()
    if panel.can_stop:
        # By a callback, which runs before the script: the next poll can interrupt a run before this line, and
        # the click would be lost.
        st.button(
            words("stop"),
            disabled=job.cancelled,
            key=f"{panel.name}_stop",
            on_click=job_queue().cancel,
            args=(job,),
        )


def show_progress(words: Words, job: Job[Result], progress_text: str, finishing_text: str = "") -> None:
    """A bar with the place in the queue, or the steps done and the time left.

    `progress_text` and `finishing_text` are those of `JobPanel`.
    """
    ahead = job_queue().jobs_ahead(job)
    if job.cancelled:
        text = words("stopping")
    elif job.state == "waiting" and ahead:
        text = words.counted("waiting", ahead)
    elif job.done == 0:
        text = words("starting")
    elif finishing_text and job.done == job.total:
        text = words(finishing_text)
    else:
        text = words(progress_text, done=job.done, total=job.total)
        if job.seconds_left is not None:
            text += " · " + words("time_left", time=words.duration(job.seconds_left))
    st.progress(job.done / job.total if job.total else 0.0, text)


def unfinished_jobs() -> Iterator[Job[Any]]:
    """This visitor's jobs, whichever panel they belong to."""
    for value in list(st.session_state.values()):
        if isinstance(value, Job):
            yield value


def is_busy() -> bool:
    """Whether this visitor waits for a job: another one would cancel it."""
    return any(True for _ in unfinished_jobs())
