"""Typed errors for bad input from outside: files, downloads, weights, checkpoints and requests.

Each error says what is wrong, where, and what to do about it. Input is checked once, where it enters; code
behind that relies on its types.
"""

from __future__ import annotations

import unicodedata
from pathlib import Path
from typing import Any

_TURNS_TEXT = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"  # the direction of what follows


class PalmError(Exception):
    """Base class of all errors that a user can act on; as text it is one line.

    Args:
        what: what is wrong, one sentence without a final period.
        where: the file, folder, address or setting concerned.
        hint: what to do about it, one sentence.
    """

    def __init__(self, what: str, *, where: Path | str | None = None, hint: str) -> None:
        self.what = what
        self.where = None if where is None else str(where)
        self.hint = hint
        place = "" if self.where is None else f" ({self.where})"
        super().__init__(_one_line(f"{what}{place}. {hint}"))

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle support, so that an error can cross processes: the default ignores keyword arguments."""
        return _rebuild, (type(self), self.what, self.where, self.hint)


def _one_line(text: str) -> str:
    """A text in one line that acts on no terminal: files' names may hold line ends and control characters."""
    return "".join(_shown(letter) for letter in text)


def _shown(letter: str) -> str:
    if unicodedata.category(letter) not in ("Cc", "Zl", "Zp") and letter not in _TURNS_TEXT:
        return letter
    return " " if letter.isspace() else letter.encode("unicode_escape").decode()


def _rebuild(kind: type[PalmError], what: str, where: str | None, hint: str) -> PalmError:
    return kind(what, where=where, hint=hint)


class PackageMissingError(PalmError):
    """A feature needs an optional package that is not installed."""

    @classmethod
    def of(cls, package: str, *, extra: str) -> PackageMissingError:
        """The error for a package, and the extra of this program that installs it."""
        return cls(
            f"{package} is not installed", hint=f"Run `pip install {package}`; it is in the extra `{extra}`."
        )


class UnsupportedSystemError(PalmError):
    """The operating system lacks what the program needs."""


class ConfigError(PalmError):
    """A setting has a value that cannot be used, or settings contradict each other."""


class SourceError(PalmError):
    """A set of photographs, or a model, cannot be obtained or published."""


class SourceNotFoundError(SourceError):
    """The requested data set, model, revision, file or folder does not exist."""


class AccessRefusedError(SourceError):
    """The data set or model exists, but these credentials do not give access to it."""


class SourceUnreachableError(SourceError):
    """The server did not answer, or reported an internal error."""


class CorruptDownloadError(SourceError):
    """A download is truncated, fails its checksum, or is not the expected archive."""


class UnsafeArchiveError(CorruptDownloadError):
    """A member of an archive would be written outside the target folder."""


class DiskFullError(PalmError):
    """There is no space left on the disk that a result is written to."""


class DatasetError(PalmError):
    """The photographs can be read, but are not a usable data set."""


class HeldOutError(DatasetError):
    """A model would be measured against people whom it was trained on."""


class PhotoError(PalmError):
    """One photograph cannot be used."""


class DetectorError(PalmError):
    """The palm detector cannot be trained or loaded."""


class ArtifactError(PalmError):
    """An artifact in the store cannot be used."""


class ArtifactMissingError(ArtifactError):
    """The artifact does not exist yet."""


class NothingReleasedError(ArtifactMissingError):
    """No model has been released."""


class ReleaseChangedError(ArtifactError):
    """Another model was released while a candidate was compared with the one before."""


class LineageError(ArtifactError):
    """Artifacts that are used together were not made from the same data."""


class ArtifactCorruptError(ArtifactError):
    """The artifact exists, but does not match its manifest."""


class CheckpointError(PalmError):
    """Model weights, or a saved training state, cannot be loaded."""


class TrainingDivergedError(PalmError):
    """Training diverged, and rollbacks did not help."""


class RefusedError(PalmError):
    """A candidate is not released because it fails a check; the released model stays."""


class QualityError(PalmError):
    """A metric cannot be computed from the given images or features."""


class ExtractorMismatchError(QualityError):
    """Metrics or statistics of different feature extractors would be compared."""


class WeightsUnavailableError(QualityError):
    """The weights of a feature extractor are neither on disk nor downloadable."""


class ClusterError(PalmError):
    """A cluster cannot be reached, or cannot do the work."""


class RequestError(PalmError):
    """A request is invalid or too large."""


class ExportError(PalmError):
    """A model cannot be exported."""


class TrainingStoppedError(PalmError):
    """Training was stopped before its end; its state is saved."""


class ProvenanceError(PalmError):
    """A generated image cannot be marked or signed as configured, or a file cannot be verified."""
