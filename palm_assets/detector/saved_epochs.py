"""Whole checkpoints of a detector's training, as copies with their hashes.

Ultralytics overwrites its checkpoints in place after every epoch and once more at the end: a kill in that
moment leaves files that are none. And they are pickles: here they are compared by their hashes, never opened.
"""

from __future__ import annotations

import logging
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from palm_assets.store.atomic import sha256_of, write_atomically

RECORD_FILE = "saved.json"

log = logging.getLogger(__name__)


class _Record(BaseModel):
    """Number of epochs done, and the hashes of the checkpoints after them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    epochs: int
    last: str
    best: str


class SavedEpochs:
    """The last and the best checkpoint of a training in a work folder.

    Args:
        work: Ultralytics trains in its folder `run`.
    """

    def __init__(self, work: Path) -> None:
        self._work = work
        self._weights = work / "run" / "weights"

    @property
    def last(self) -> Path:
        """The checkpoint that Ultralytics resumes from."""
        return self._weights / "last.pt"

    @property
    def best(self) -> Path:
        """The checkpoint that is best on the validation split."""
        return self._weights / "best.pt"

    def save(self, epochs: int) -> None:
        """Keep what Ultralytics has just written after so many epochs; a kill leaves the copies before it."""
        hashes = {path.stem: sha256_of(path) for path in (self.last, self.best)}
        for path in (self.last, self.best):
            copy = self._copy(hashes[path.stem])
            if not copy.is_file():
                write_atomically(copy, path.read_bytes())
        record = _Record(epochs=epochs, **hashes)
        write_atomically(self._work / RECORD_FILE, record.model_dump_json().encode())
        for copy in self._work.glob("epoch-*.pt"):
            if copy not in [self._copy(digest) for digest in hashes.values()]:
                copy.unlink(missing_ok=True)

    def restore(self) -> int:
        """Put the copies into their places; returns the epochs done, 0 if there is nothing to resume from."""
        try:
            record = _Record.model_validate_json((self._work / RECORD_FILE).read_bytes())
        except FileNotFoundError:
            return 0
        except ValidationError as error:
            log.warning("The record of the detector's training is damaged (%s): it starts over.", error)
            return 0
        for path, digest in ((self.last, record.last), (self.best, record.best)):
            copy = self._copy(digest)
            if not copy.is_file() or sha256_of(copy) != digest:
                log.warning("%s is missing or damaged: the detector's training starts over.", copy)
                return 0
            if not path.is_file() or sha256_of(path) != digest:
                path.parent.mkdir(parents=True, exist_ok=True)
                write_atomically(path, copy.read_bytes())
        return record.epochs

    def _copy(self, digest: str) -> Path:
        return self._work / f"epoch-{digest[:16]}.pt"
