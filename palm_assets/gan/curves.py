"""Training curves of a run of any length: thinned while it runs, kept in a file of JSON lines."""

from __future__ import annotations

import json
import logging
from pathlib import Path

from palm_assets.gan.metrics import TrainingMetrics
from palm_assets.store.atomic import write_atomically

MAX_ROWS = 4096

log = logging.getLogger(__name__)


class Curves:
    """Reports of a run in order. Once there are `MAX_ROWS`, every second one is dropped, again and again.

    Attributes:
        stride: one of so many reports is kept.
    """

    def __init__(self, rows: list[TrainingMetrics] | None = None, stride: int = 1) -> None:
        self._rows = list(rows or [])
        self._latest: TrainingMetrics | None = self._rows[-1] if self._rows else None
        self._until_next = 0
        self.stride = stride

    def add(self, row: TrainingMetrics) -> None:
        """Append a report."""
        self._latest = row
        if self._until_next > 0:
            self._until_next -= 1
            return
        self._rows.append(row)
        self._until_next = self.stride - 1
        if len(self._rows) >= MAX_ROWS:  # an even number: the last row is dropped
            self._rows = self._rows[::2]
            self.stride *= 2

    @property
    def rows(self) -> list[TrainingMetrics]:
        """The reports that were kept, and the latest."""
        if self._latest is None or self._latest in self._rows[-1:]:
            return list(self._rows)
        return [*self._rows, self._latest]

    def write(self, path: Path) -> None:
        """Replace the file, at most about a megabyte."""
        write_atomically(path, b"".join(json.dumps(vars(row)).encode() + b"\n" for row in self.rows))


def read_curves(path: Path, images_seen: int, stride: int) -> Curves:
    """The curves in a file up to so many images; empty, with a warning, if the file is damaged."""
    try:
        with path.open(encoding="utf-8") as lines:
            rows = [TrainingMetrics(**json.loads(line)) for line in lines]
    except FileNotFoundError:
        rows = []
    except (OSError, ValueError, TypeError) as error:  # training needs no curves
        log.warning("The curves in %s cannot be read (%s); they start anew.", path, error)
        rows = []
    return Curves([row for row in rows if row.images_seen <= images_seen], stride)
