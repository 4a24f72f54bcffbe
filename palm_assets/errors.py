"""Everything that the outside world can break, as errors a person can act on.

Each error says what was wrong, where, and what to do next. They are raised at the
doors (files, network, weights, checkpoints, requests); inside, code trusts its types.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any


class PalmError(Exception):
    """Base of all errors that a person can do something about.

    Args:
        what: what went wrong, one sentence, no trailing full stop.
        where: the file, folder, address or setting concerned.
        hint: what to do about it, one sentence.
    """

    def __init__(self, what: str, *, where: Path | str | None = None, hint: str) -> None:
        self.what = what
        self.where = None if where is None else str(where)
        self.hint = hint
        place = "" if self.where is None else f" ({self.where})"
        super().__init__(f"{what}{place}. {hint}")

    def __reduce__(self) -> tuple[Any, ...]:
        """Survive the way from another process, which ordinary pickling of keyword arguments does not."""
        return _rebuilt, (type(self), self.what, self.where, self.hint)


def _rebuilt(kind: type[PalmError], what: str, where: str | None, hint: str) -> PalmError:
    return kind(what, where=where, hint=hint)


class SourceError(PalmError):
    """A set of photographs cannot be had."""


class SourceNotFoundError(SourceError):
    """The set or folder that was asked for does not exist."""


class AccessRefusedError(SourceError):
    """The set exists, but these credentials may not read it."""


class SourceUnreachableError(SourceError):
    """The server did not answer, or answered that it is out of order."""


class CorruptDownloadError(SourceError):
    """What arrived is truncated, fails its checksum, or is not the archive it should be."""


class UnsafeArchiveError(CorruptDownloadError):
    """An archive member would be written outside the folder it is unpacked into."""


class DiskFullError(PalmError):
    """No room left where the result has to be written."""


class DatasetError(PalmError):
    """The photographs were read, but they do not make a usable set."""


class PhotoError(PalmError):
    """One photograph cannot be used; the message says why."""


class DetectorError(PalmError):
    """The palm detector cannot be trained or loaded."""


class ArtifactError(PalmError):
    """Something in the artifact store cannot be used."""


class ArtifactMissingError(ArtifactError):
    """The artifact has not been made yet."""


class NothingReleasedError(ArtifactMissingError):
    """No model was ever released."""


class ArtifactCorruptError(ArtifactError):
    """The artifact is there, but it is not what its manifest says."""


class CheckpointError(PalmError):
    """A file of weights is not one that this program can run."""


class TrainingDivergedError(PalmError):
    """The adversarial game broke down (non-finite loss or weights)."""


class RefusedError(PalmError):
    """The gate does not let a candidate through; what is released stays."""


class QualityError(PalmError):
    """A score cannot be computed from what was given."""


class ExtractorMismatchError(QualityError):
    """Two figures or statistics come from different feature extractors."""


class WeightsUnavailableError(QualityError):
    """The weights of a feature extractor are neither here nor downloadable."""


class RequestError(PalmError):
    """A person asked for something that makes no sense or is too much."""


class TrainingStoppedError(PalmError):
    """Training was asked to stop before its end; its state is saved."""
