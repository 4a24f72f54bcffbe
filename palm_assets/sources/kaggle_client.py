"""Kaggle's own client with cleaned credentials, and its errors as errors that say what to do.

kagglehub takes 0.4 s to import, so only the functions that need it do.
"""

from __future__ import annotations

import contextlib
import errno
import lzma
import os
import re
import tarfile
import threading
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from palm_assets.errors import (
    AccessRefusedError,
    CorruptDownloadError,
    DiskFullError,
    PalmError,
    SourceError,
    SourceNotFoundError,
    SourceUnreachableError,
    UnsafeArchiveError,
)
from palm_assets.sources.download import TIMEOUT

if TYPE_CHECKING:
    from kagglehub.config import KaggleApiCredentials

HANDLE_HINT = "Write owner/slug, as in the set's address on kaggle.com, or owner/slug/versions/3"
OFFLINE_HINT = (
    "Check the connection and https://www.kaggle.com, and try again later; a set that is already here, "
    "pinned to its version, needs no connection, and the 'folder' and 'synthetic' sources never do"
)
TOKEN_HINT = (
    "Check the spelling (Kaggle may also refuse sets that do not exist) and accept its terms on its page; "
    "make a token at https://www.kaggle.com/settings (API, Generate New Token) and put it into the file "
    "~/.kaggle/access_token or the variable KAGGLE_API_TOKEN (an old kaggle.json belongs into ~/.kaggle)"
)
AGAIN_HINT = "Run it again, and tell the owner of the data set if that does not help"
_UNSAFE_HINT = "Do not use this data set, and tell its owner; nothing of it was kept"
_ROOM_HINT = "Make room for the archive and its files together, or choose another cache folder; run it again"
_SECRETS = ("KAGGLE_API_TOKEN", "KAGGLE_USERNAME", "KAGGLE_KEY")
_CREDENTIAL = re.compile(r"([A-Za-z0-9._~+/-]+=*)?")  # of RFC 6750; a user name has no other letters either
_environment_lock = threading.RLock()  # held while the environment is changed


@contextlib.contextmanager
def kaggle_client(where: str) -> Iterator[Any]:
    """Kaggle's API client, signed in if there are credentials.

    Raises:
        AccessRefusedError: the credentials cannot be read, or no token looks like that.
    """
    from kagglehub.clients import get_response_processor, get_user_agent
    from kagglesdk.kaggle_client import KaggleClient
    from kagglesdk.kaggle_env import KaggleEnv, get_env

    with _environment_lock, _changed_environment(_clean_secrets()):
        found = _credentials(where)
        client = KaggleClient(
            env=get_env(),
            verbose=get_env() == KaggleEnv.TEST,
            username=found.username if found else None,
            password=found.key if found else None,
            api_token=found.api_key if found else None,
            user_agent=get_user_agent(),
            response_processor=get_response_processor(),
        )
        client.__enter__()  # reads the environment once more
    try:
        _limit_waiting(client)
        yield client
    finally:
        client.__exit__(None, None, None)


@contextlib.contextmanager
def _changed_environment(values: dict[str, str | None]) -> Iterator[None]:
    """Environment variables set, or removed where the value is None, for the time of the block."""
    before = {name: os.environ.get(name) for name in values}
    _set(values)
    try:
        yield
    finally:
        _set(before)


def _set(values: dict[str, str | None]) -> None:
    for name, value in values.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


@contextlib.contextmanager
def kagglehub_cache(folder: Path) -> Iterator[None]:
    """Point kagglehub at a cache folder, which it takes from the environment alone."""
    with _environment_lock, _changed_environment({"KAGGLEHUB_CACHE": str(folder)}):
        yield


def _clean_secrets() -> dict[str, str | None]:
    """Tokens as mounted secrets and env files hold them, without blanks, line ends, quotes and marks."""
    return {name: _clean(os.environ[name]) or None for name in _SECRETS if name in os.environ}


def _clean(secret: str) -> str:
    secret = secret.strip().strip("\ufeff").strip()
    return secret[1:-1].strip() if len(secret) > 1 and secret[0] == secret[-1] in "\"'" else secret


def _credentials(where: str) -> KaggleApiCredentials | None:
    from kagglehub.config import KaggleApiCredentials, get_kaggle_credentials

    try:
        found = get_kaggle_credentials()
    except (ValueError, OSError) as error:
        what = f"Kaggle credentials cannot be read: {error}"
        raise AccessRefusedError(what, where=where, hint=TOKEN_HINT) from error
    if found is None:
        return None
    # In a JSON file a value may be a number.
    cleaned = [_clean(str(value or "")) for value in (found.username, found.key, found.api_key)]
    if not all(_CREDENTIAL.fullmatch(value) for value in cleaned):
        what = "The Kaggle credentials hold blanks, line ends or signs that no token has"
        raise AccessRefusedError(what, where=where, hint=TOKEN_HINT)
    username, key, api_key = (value or None for value in cleaned)
    return KaggleApiCredentials(username=username, key=key, api_key=api_key)


def _limit_waiting(client: Any) -> None:
    """Give the requests of Kaggle's client a time limit: by itself it waits for a silent server forever."""
    from requests.adapters import HTTPAdapter

    class Adapter(HTTPAdapter):
        def send(self, request: Any, **options: Any) -> Any:  # type: ignore[override]
            return super().send(request, **{**options, "timeout": options.get("timeout") or TIMEOUT})

    session: Any = getattr(client.http_client(), "_session", None)
    if session is not None:
        for scheme in ("https://", "http://"):
            session.mount(scheme, Adapter())


@contextlib.contextmanager
def typed_errors(where: str, cache: Path | None = None) -> Iterator[None]:
    """Turn what kagglehub, requests and the archive modules raise into errors that say what to do."""
    try:
        yield
    except PalmError:
        raise
    except Exception as error:
        if (typed := _typed(error, where, cache)) is None:
            raise
        raise typed from error


def _typed(error: Exception, where: str, cache: Path | None) -> PalmError | None:
    """The error for a person; None for what can only be a mistake in the program."""
    import requests
    from kagglehub.exceptions import CredentialError, DataCorruptionError, UnauthenticatedError
    from requests.exceptions import ChunkedEncodingError, ContentDecodingError

    status = getattr(getattr(error, "response", None), "status_code", 0)
    message = f"{type(error).__name__}: {str(error).strip()[:300]}"
    match error:
        case requests.HTTPError() if status in (404, 410):
            return SourceNotFoundError("Kaggle has no such set or version", where=where, hint=HANDLE_HINT)
        case requests.HTTPError() if status in (401, 403):
            return AccessRefusedError(f"Kaggle refused access (HTTP {status})", where=where, hint=TOKEN_HINT)
        case requests.HTTPError():
            return SourceUnreachableError(f"Kaggle answered HTTP {status}", where=where, hint=OFFLINE_HINT)
        case ChunkedEncodingError() | ContentDecodingError():
            return CorruptDownloadError("The download broke off", where=where, hint=AGAIN_HINT)
        case requests.RequestException():
            return SourceUnreachableError(
                f"Kaggle is out of reach, {message}", where=where, hint=OFFLINE_HINT
            )
        case CredentialError() | UnauthenticatedError():
            return AccessRefusedError("Kaggle asks for credentials", where=where, hint=TOKEN_HINT)
        case tarfile.FilterError():
            return UnsafeArchiveError(f"The archive is unsafe, {message}", where=where, hint=_UNSAFE_HINT)
        case OSError(errno=errno.ENOSPC | errno.EDQUOT):
            return DiskFullError(f"The disk is full, {where} was not kept", where=cache, hint=_ROOM_HINT)
        case OSError() if error.errno is not None:
            hint = "Choose a cache folder that can be written to, on a disk that works"
            return SourceError(f"{where} could not be stored, {message}", where=cache, hint=hint)
        case OSError() | DataCorruptionError() | zipfile.BadZipFile() | tarfile.TarError() | EOFError():
            return CorruptDownloadError(f"The download is damaged, {message}", where=where, hint=AGAIN_HINT)
        case ValueError() | RuntimeError() | zlib.error() | lzma.LZMAError():  # no archive, or an odd one
            return CorruptDownloadError(
                f"This archive cannot be read, {message}", where=where, hint=AGAIN_HINT
            )
    return None
