"""Callbacks of long-running work: progress and early stop; and a progress bar."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from tqdm import tqdm

Progress = Callable[[int, int], None]
"""Called as `progress(done, total)`, often enough for a progress bar."""

Report = Callable[[str], None]
"""Called with a line for people about what is being done."""

ShouldStop = Callable[[], bool]
"""Asked regularly; True ends the work early."""


def no_progress(done: int, total: int) -> None:
    """Report nothing."""


def silent(line: str) -> None:
    """Report nothing."""


def never() -> bool:
    """Never stop."""
    return False


@contextlib.contextmanager
def progress_bar(label: str, unit: str = "it") -> Iterator[Progress]:
    """A progress bar with rate and ETA on standard error, which appears after half a second.

    It ends with the last step, whatever goes on afterwards: what that writes stands below it.
    """
    with tqdm(desc=label, unit=unit, delay=0.5, mininterval=0.3, dynamic_ncols=True) as bar:

        def update(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)
            if done >= total > 0:
                bar.close()

        yield update
