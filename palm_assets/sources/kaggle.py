"""Sets of photographs from Kaggle, through the real kagglehub client.

kagglehub asks, follows redirects, checks the MD5 that the storage announces, unpacks and shows progress.
But it unpacks in place, keeps a broken archive (and believes a stale one of the right size, unchecked),
renames unsafe members silently and raises a dozen unrelated exceptions. So it works here in a staging folder
that is always fresh, the archive is looked at before anything counts, and a set is published by one rename
into kagglehub's own cache layout: plain kagglehub finds what was fetched here, and the other way round.

kagglehub takes 0.4 s to import, so only the functions that need it do.
"""

from __future__ import annotations

import contextlib
import fcntl
import lzma
import os
import re
import shutil
import stat
import tarfile
import threading
import zipfile
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from palm_assets.errors import (
    AccessRefusedError,
    CorruptDownloadError,
    DiskFullError,
    PalmError,
    RequestError,
    SourceError,
    SourceNotFoundError,
    SourceUnreachableError,
    UnsafeArchiveError,
)
from palm_assets.store.os_errors import is_disk_full

_SLUG = r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}"
_HANDLE = re.compile(rf"(?P<name>{_SLUG}/{_SLUG})(/versions/(?P<version>[1-9][0-9]{{0,8}}))?")
_CACHE_VARIABLE = "KAGGLEHUB_CACHE"
_cache_variable_lock = threading.RLock()

_HANDLE_HINT = "Write owner/slug, as in the set's address on kaggle.com, or owner/slug/versions/3"
_TOKEN_HINT = (
    "Check the spelling (Kaggle may also refuse sets that do not exist) and accept its terms on its page; "
    "make a token at https://www.kaggle.com/settings (API, Generate New Token) and put it into the file "
    "~/.kaggle/access_token or the variable KAGGLE_API_TOKEN (an old kaggle.json belongs into ~/.kaggle)"
)
_OFFLINE_HINT = (
    "Check the connection and https://www.kaggle.com, and try again later; a set that is already here, "
    "pinned to its version, needs no connection, and the 'folder' and 'drawn' sources never do"
)
_AGAIN_HINT = "Nothing of it was kept: run it again, and tell the set's owner if that does not help"
_UNSAFE_HINT = "Nothing of it was kept: do not use this set, and tell its owner"
_ROOM_HINT = "Make room for the archive and its files together, or choose another cache folder; run it again"


@dataclass(frozen=True)
class KaggleSet:
    """A set that was fetched: the folder with its files as published, `owner/slug`, and its real version."""

    root: Path
    handle: str
    version: int


def fetch_dataset(
    handle: str,
    *,
    version: int | None = None,
    cache: Path | None = None,
    progress: Callable[[str], None] | None = None,
) -> KaggleSet:
    """Fetch a set of Kaggle, whole or not at all; a set that is already there is not downloaded again.

    Args:
        handle: `owner/slug`, or `owner/slug/versions/N`, which pins the version.
        version: the pinned version (from 1); None asks Kaggle for the newest.
        cache: folder for downloads; None is kagglehub's own (`KAGGLEHUB_CACHE`, else `~/.cache/kagglehub`).
        progress: is told in a few words what happens; kagglehub's own progress bar shows on the terminal.

    Raises:
        RequestError: the handle or version makes no sense.
        SourceNotFoundError: no such set or version.
        AccessRefusedError: the set needs credentials, or those given are not enough or unreadable.
        SourceUnreachableError: Kaggle did not answer, or is out of order.
        CorruptDownloadError: what arrived is truncated, fails its checksum or is no archive.
        UnsafeArchiveError: a member is a link, or its path is absolute or climbs out of the folder.
        DiskFullError: no room in the cache.
        SourceError: the cache folder cannot be written.
    """
    name, version = _parse(handle, version)
    say = progress or (lambda _: None)
    from kagglehub.config import get_cache_folder
    from kagglehub.handle import DatasetHandle

    if version is None:
        say(f"asking Kaggle for the newest version of {name}")
        version = newest_version(name)
    pinned = DatasetHandle(*name.split("/"), version)
    cache = Path(cache or get_cache_folder()).expanduser().absolute()
    with _typed_errors(str(pinned), cache):
        root = _finished(pinned, cache)
        if root is None:
            with _turn(cache, say):
                root = _finished(pinned, cache) or _fetch(pinned, cache, say)
    say(f"{name} version {version} is in {root}")
    return KaggleSet(root, name, version)


def newest_version(handle: str) -> int:
    """Ask Kaggle which version of a set (`owner/slug`) is the newest; downloads nothing.

    Raises:
        RequestError: the handle makes no sense.
        SourceNotFoundError: no such set.
        AccessRefusedError: the set needs credentials, or those given are not enough or unreadable.
        SourceUnreachableError: Kaggle did not answer, is out of order, or is not what answered.
    """
    name, _ = _parse(handle, None)
    from kagglehub.clients import build_kaggle_client
    from kagglesdk.datasets.types.dataset_api_service import ApiGetDatasetRequest

    request = ApiGetDatasetRequest()
    request.owner_slug, request.dataset_slug = name.split("/")
    with _typed_errors(name):
        _check_credentials(name)
        with build_kaggle_client() as client:
            try:
                version = int(client.datasets.dataset_api_client.get_dataset(request).current_version_number)
            except (ValueError, TypeError) as error:
                what = "Something that is not Kaggle answered, the login page of a network perhaps"
                raise SourceUnreachableError(what, where=name, hint=_OFFLINE_HINT) from error
    if version < 1:
        raise SourceNotFoundError("The set has no published version", where=name, hint=_HANDLE_HINT)
    return version


def _parse(handle: str, version: int | None) -> tuple[str, int | None]:
    """The `owner/slug` of a handle and the version that is asked for, if any."""
    match = _HANDLE.fullmatch(handle)
    if match is None:
        raise RequestError("This is no handle of a Kaggle set", where=repr(handle)[:120], hint=_HANDLE_HINT)
    in_handle = int(match["version"]) if match["version"] else None
    if version is not None and (version < 1 or in_handle not in (None, version)):
        hint = "Give one version, a whole number from 1 on, or none for the newest"
        raise RequestError(f"Version {version} makes no sense here", where=handle, hint=hint)
    return match["name"], version or in_handle


def _fetch(pinned: Any, cache: Path, say: Callable[[str], None]) -> Path:
    """Download into a fresh staging folder, look at the archive, publish by renaming."""
    import kagglehub
    from kagglehub.cache import Cache

    staging = cache / ".palms-fetching"
    shutil.rmtree(staging, ignore_errors=True)  # of a fetch that was killed: kagglehub would build on it
    try:
        _check_credentials(str(pinned))
        with _kagglehub_cache(staging):
            # kagglehub removes its archive once unpacked, and zipfile has by then renamed `../x` to `x`. With
            # a link in its place the link is what gets removed, and the archive stays to be looked at.
            archive, link = staging / "archive", Path(Cache().get_archive_path(pinned))
            link.parent.mkdir(parents=True)
            link.symlink_to(archive)
            say(f"downloading {pinned}")
            root = Path(kagglehub.dataset_download(str(pinned)))
        if not root.is_relative_to(staging):  # in a Kaggle or Colab notebook: mounted, not downloaded
            return root
        say(f"checking {pinned}")
        if (member := _unsafe_member(archive)) is not None:
            what = f"A member of the archive is a link or lies outside of its folder: {member[:200]!r}"
            raise UnsafeArchiveError(what, where=str(pinned), hint=_UNSAFE_HINT)
        with ThreadPoolExecutor(16) as pool:  # one by one, 11,000 photos take 35 s instead of 3
            list(pool.map(_flush, (*root.rglob("*"), root)))
        with _kagglehub_cache(cache):
            final = Path(Cache().get_path(pinned))
            shutil.rmtree(final, ignore_errors=True)  # not finished, or it would have been found
            final.parent.mkdir(parents=True, exist_ok=True)
            try:
                Cache().mark_as_complete(pinned)  # means nothing without the folder, which then appears whole
                root.rename(final)
            except BaseException:
                Cache().mark_as_incomplete(pinned)
                raise
        _flush(final.parent)
        return final
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _finished(pinned: Any, cache: Path) -> Path | None:
    """The folder of a set that is wholly there, by kagglehub's rule: the folder and a marker beside it."""
    from kagglehub.cache import Cache

    with _kagglehub_cache(cache):
        found = Cache().load_from_cache(pinned)
    return Path(found) if found else None


def _check_credentials(where: str) -> None:
    """Unreadable credentials are a matter of access, whatever kagglehub raises for them."""
    from kagglehub.config import get_kaggle_credentials

    try:
        get_kaggle_credentials()
    except (ValueError, OSError) as error:
        what = f"Kaggle credentials cannot be read: {error}"
        raise AccessRefusedError(what, where=where, hint=_TOKEN_HINT) from error


def _unsafe_member(archive: Path) -> str | None:
    """The first member that is not a plain file or folder inside; tries the formats in kagglehub's order."""
    if tarfile.is_tarfile(archive):
        with tarfile.open(archive) as tar:
            members = [(m.name, m.isfile() or m.isdir()) for m in tar]
    else:
        with zipfile.ZipFile(archive) as pack:
            members = [(m.filename, not stat.S_ISLNK(m.external_attr >> 16)) for m in pack.infolist()]
    for name, plain in members:
        path = PurePosixPath(name.replace("\\", "/"))
        if not plain or path.is_absolute() or ".." in path.parts or re.match("[A-Za-z]:", name):
            return name
    return None


def _flush(path: Path) -> None:
    """Have a file or folder on the disk before something refers to it."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _kagglehub_cache(folder: Path) -> Iterator[None]:
    """Point kagglehub at a cache folder, which it takes from the environment alone."""
    with _cache_variable_lock:
        before = os.environ.get(_CACHE_VARIABLE)
        os.environ[_CACHE_VARIABLE] = str(folder)
        try:
            yield
        finally:
            del os.environ[_CACHE_VARIABLE]
            if before is not None:
                os.environ[_CACHE_VARIABLE] = before


@contextlib.contextmanager
def _turn(cache: Path, say: Callable[[str], None]) -> Iterator[None]:
    """One fetch at a time in a cache, of whatever process; the lock goes with its process."""
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / ".palms.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"waiting for another download into {cache}")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def _typed_errors(where: str, cache: Path | None = None) -> Iterator[None]:
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
    said = f"{type(error).__name__}: {str(error).strip()[:300]}"
    match error:
        case requests.HTTPError() if status in (404, 410):
            return SourceNotFoundError("Kaggle has no such set or version", where=where, hint=_HANDLE_HINT)
        case requests.HTTPError() if status in (401, 403):
            return AccessRefusedError(f"Kaggle refused access (HTTP {status})", where=where, hint=_TOKEN_HINT)
        case requests.HTTPError():
            return SourceUnreachableError(f"Kaggle answered HTTP {status}", where=where, hint=_OFFLINE_HINT)
        case ChunkedEncodingError() | ContentDecodingError():
            return CorruptDownloadError("The download broke off", where=where, hint=_AGAIN_HINT)
        case requests.RequestException():
            return SourceUnreachableError(f"Kaggle is out of reach, {said}", where=where, hint=_OFFLINE_HINT)
        case CredentialError() | UnauthenticatedError():
            return AccessRefusedError("Kaggle asks for credentials", where=where, hint=_TOKEN_HINT)
        case tarfile.FilterError():
            return UnsafeArchiveError(f"The archive is unsafe, {said}", where=where, hint=_UNSAFE_HINT)
        case OSError() if is_disk_full(error):
            return DiskFullError(f"The disk is full, {where} was not kept", where=cache, hint=_ROOM_HINT)
        case OSError() if error.errno is not None:
            hint = "Choose a cache folder that can be written to, on a disk that is well"
            return SourceError(f"{where} could not be stored, {said}", where=cache, hint=hint)
        case OSError() | DataCorruptionError() | zipfile.BadZipFile() | tarfile.TarError() | EOFError():
            return CorruptDownloadError(f"The download is damaged, {said}", where=where, hint=_AGAIN_HINT)
        case ValueError() | RuntimeError() | zlib.error() | lzma.LZMAError():  # no archive, or an odd one
            return CorruptDownloadError(f"This archive cannot be read, {said}", where=where, hint=_AGAIN_HINT)
    return None
