"""Models on the Hugging Face Hub, through `huggingface_hub`: download, and its errors as typed ones.

`HF_ENDPOINT` names another server, `HF_TOKEN` a token, `HF_HUB_CACHE` the folder of downloads, as everywhere
with that library.
"""

from __future__ import annotations

import contextlib
import glob
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from palm_assets.errors import (
    AccessRefusedError,
    CorruptDownloadError,
    DiskFullError,
    PackageMissingError,
    PalmError,
    RequestError,
    SourceError,
    SourceNotFoundError,
    SourceUnreachableError,
)
from palm_assets.store.os_errors import is_disk_full

REPOSITORY = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*", re.ASCII)
"""Form of a repository's name: owner/name."""
UNUSED = ("samples/*", "*.png", "*.onnx", "*.md")
"""Files of a repository that loading a model does not need."""
_TOKEN_HINT = "Log in with `hf auth login`, or set HF_TOKEN to a token that may {what}."
_LATER_HINT = "Check the network and HF_ENDPOINT, and try again; what has arrived is kept."


def endpoint() -> str | None:
    """Address of the server, if it is not the Hub's."""
    return os.environ.get("HF_ENDPOINT") or None


def download_repository(name: str, revision: str | None = None, *, files: Iterable[str]) -> Path:
    """Folder of some files of a repository at a revision, downloaded where they are missing.

    The folder has the name of the commit. Files that the repository lacks are missing there, too. Without a
    network, a complete earlier download is used.

    Args:
        name: owner/name.
        revision: branch, tag or commit; by default the main branch.
        files: the only ones to download, except for `UNUSED`.

    Raises:
        PackageMissingError: huggingface_hub is not installed.
        RequestError: this is no name of a repository.
        SourceNotFoundError: there is no such repository or revision.
        AccessRefusedError: it needs a token, or the token is refused.
        SourceUnreachableError: the server does not answer, and there is no complete earlier download.
        CorruptDownloadError: a file is not what the server announced.
        DiskFullError: no space left.
    """
    with hub_errors(name, revision):
        from huggingface_hub import snapshot_download

        folder = snapshot_download(
            name,
            revision=revision,
            endpoint=endpoint(),
            allow_patterns=[glob.escape(file) for file in files],
            ignore_patterns=list(UNUSED),
            library_name="palms",
        )
    return Path(folder)


@contextlib.contextmanager
def hub_errors(name: str, revision: str | None = None, *, publishing: bool = False) -> Iterator[None]:
    """Translate the errors of `huggingface_hub` within the block.

    Args:
        name: of the repository.
        revision: of the repository.
        publishing: whether the block writes to the repository.

    Raises:
        PalmError: see `download_repository`.
    """
    try:
        import huggingface_hub  # noqa: F401
    except ImportError as error:
        raise PackageMissingError.of("huggingface_hub", extra="hub") from error
    try:
        yield
    except PalmError:
        raise
    except Exception as error:
        raise _translated(error, name, revision, publishing) from error


def _translated(error: BaseException, name: str, revision: str | None, publishing: bool) -> Exception:
    import httpx2
    from huggingface_hub import errors

    if isinstance(error, RuntimeError) and error.__cause__ is not None:  # "Error while uploading ..."
        return _translated(error.__cause__, name, revision, publishing)
    if isinstance(error, errors.HFValidationError):
        return RequestError(
            f"{name!r} is no name of a repository",
            hint="Name it OWNER/NAME, with letters, digits, - _ and dots.",
        )
    if isinstance(error, errors.RevisionNotFoundError):
        return SourceNotFoundError(
            f"The repository has no revision {revision!r}",
            where=name,
            hint="Name a branch, tag or commit of it.",
        )
    if isinstance(error, errors.HfHubHTTPError):
        return _of_answer(error, name, publishing)
    unreachable = (httpx2.TransportError, errors.LocalEntryNotFoundError, errors.RevisionResolutionError)
    if isinstance(error, (*unreachable, errors.OfflineModeIsEnabled, TimeoutError, ConnectionError)):
        return SourceUnreachableError(
            f"The Hub cannot be reached: {_first_line(error)}", where=name, hint=_LATER_HINT
        )
    if is_disk_full(error):
        return DiskFullError("The disk is full", where=name, hint="Free some space, or move HF_HUB_CACHE.")
    if isinstance(error, OSError) and "Consistency check failed" in str(error):
        return CorruptDownloadError(
            f"The download is damaged: {_first_line(error)}", where=name, hint="Try again."
        )
    if isinstance(error, (OSError, ValueError, errors.XetDownloadError)):
        return SourceError(f"The Hub cannot be used: {_first_line(error)}", where=name, hint=_LATER_HINT)
    return error if isinstance(error, Exception) else RuntimeError(error)


def _of_answer(error: Any, name: str, publishing: bool) -> Exception:
    """The error for an answer of the server."""
    from huggingface_hub import errors, get_token

    status = error.response.status_code
    what = "write to it" if publishing else "read it"
    if isinstance(error, errors.GatedRepoError | errors.DisabledRepoError):
        return AccessRefusedError(
            "The repository is not open to everyone", where=name, hint="Ask its owner for access on the Hub."
        )
    if status == 403 or (status == 401 and (publishing or get_token() is not None)):
        return AccessRefusedError(
            f"The Hub refuses this token ({status})" if get_token() else "The Hub asks for a token",
            where=name,
            hint=_TOKEN_HINT.format(what=what),
        )
    if status in (401, 404):  # the Hub answers 401 to strangers who ask for what does not exist
        missing = "file" if isinstance(error, errors.EntryNotFoundError) else "model repository"
        return SourceNotFoundError(
            f"There is no such {missing} on the Hub, or it is private",
            where=name,
            hint="Check its name. " + _TOKEN_HINT.format(what=what),
        )
    if status == 429 or status >= 500:
        return SourceUnreachableError(f"The Hub answers {status}", where=name, hint="Try again later.")
    return SourceError(f"The Hub refuses: {_first_line(error)}", where=name, hint="Check the request.")


def _first_line(error: BaseException) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
