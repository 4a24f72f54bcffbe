"""What long work tells its caller, and asks it: progress, a progress bar, and whether to stop."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from tqdm import tqdm

Progress = Callable[[int, int], None]
"""Called as `progress(done, total)`, at least at every change that a person would notice."""

ShouldStop = Callable[[], bool]
"""Asked now and then; True ends the work early."""


def no_progress(done: int, total: int) -> None:
    """Show nothing."""


def never() -> bool:
    """Do not stop."""
    return False


@contextlib.contextmanager
def progress_bar(label: str, unit: str = "it") -> Iterator[Progress]:
    """A bar with rate and ETA on standard error; it stays out of sight for work under half a second."""
    with tqdm(desc=label, unit=unit, delay=0.5, mininterval=0.3, dynamic_ncols=True) as bar:

        def update(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        yield update
