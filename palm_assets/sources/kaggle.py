"""Data sets from Kaggle, fetched whole or not at all into kagglehub's own cache.

Kaggle's client signs in and asks; the archive is then downloaded so that it resumes, verified, unpacked in a
staging folder, and published by one rename into the cache layout of kagglehub: plain kagglehub finds what was
fetched here, and the other way round.
"""

from __future__ import annotations

import contextlib
import fcntl
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from palm_assets.errors import RequestError, SourceNotFoundError, SourceUnreachableError
from palm_assets.sources.download import Download, fsync, fsync_tree
from palm_assets.sources.kaggle_client import (
    HANDLE_HINT,
    OFFLINE_HINT,
    kaggle_client,
    kagglehub_cache,
    typed_errors,
)
from palm_assets.sources.unpack import unpack

if TYPE_CHECKING:
    from requests import Response

_SLUG = r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}"
_HANDLE = re.compile(rf"(?P<name>{_SLUG}/{_SLUG})(/versions/(?P<version>[1-9][0-9]{{0,8}}))?")
_STAGING, _PARTIAL = ".palms-fetching", ".palms-partial"


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

    A download that broke off, even one of a process that was killed, resumes where it stopped.

    Args:
        handle: `owner/slug`, or `owner/slug/versions/N`, which pins the version.
        version: the pinned version (from 1); None asks Kaggle for the newest.
        cache: folder for downloads; None is kagglehub's own (`KAGGLEHUB_CACHE`, else `~/.cache/kagglehub`).
        progress: called with a line about each step, and every few seconds with the bytes that arrived; a
            progress bar shows on the terminal.

    Raises:
        RequestError: the handle or version is malformed.
        SourceNotFoundError: no such set or version.
        AccessRefusedError: the set needs credentials, or those given are not enough or unreadable.
        SourceUnreachableError: Kaggle does not answer, or is out of order.
        CorruptDownloadError: what arrived is truncated, fails its checksum or is no archive.
        UnsafeArchiveError: a member is a link, or its path is absolute or leads out of the folder.
        DiskFullError: no room in the cache.
        SourceError: the cache folder cannot be written.
    """
    name, version = _parse(handle, version)
    report = progress or (lambda _: None)
    from kagglehub.config import get_cache_folder
    from kagglehub.handle import DatasetHandle

    if version is None:
        report(f"asking Kaggle for the newest version of {name}")
        version = newest_version(name)
    pinned = DatasetHandle(*name.split("/"), version)
    cache = Path(cache or get_cache_folder()).expanduser().absolute()
    with typed_errors(str(pinned), cache):
        root = _cached(pinned, cache)
        if root is None:
            with _cache_lock(cache, report):
                root = _cached(pinned, cache) or _fetch(pinned, cache, report)
    report(f"{name} version {version} is in {root}")
    return KaggleSet(root, name, version)


def newest_version(handle: str) -> int:
    """Ask Kaggle which version of a set (`owner/slug`) is the newest; downloads nothing.

    Raises:
        RequestError: the handle is malformed.
        SourceNotFoundError: no such set.
        AccessRefusedError: the set needs credentials, or those given are not enough or unreadable.
        SourceUnreachableError: Kaggle does not answer, is out of order, or is not what answered.
    """
    name, _ = _parse(handle, None)
    from kagglesdk.datasets.types.dataset_api_service import ApiGetDatasetRequest

    request = ApiGetDatasetRequest()
    request.owner_slug, request.dataset_slug = name.split("/")
    with typed_errors(name), kaggle_client(name) as client:
        try:
            version = int(client.datasets.dataset_api_client.get_dataset(request).current_version_number)
        except (ValueError, TypeError) as error:
            what = "Something that is not Kaggle answered, perhaps the login page of a network"
            raise SourceUnreachableError(what, where=name, hint=OFFLINE_HINT) from error
    if version < 1:
        raise SourceNotFoundError("The set has no published version", where=name, hint=HANDLE_HINT)
    return version


def _parse(handle: str, version: int | None) -> tuple[str, int | None]:
    """The `owner/slug` of a handle and the version that is asked for, if any."""
    match = _HANDLE.fullmatch(handle)
    if match is None:
        raise RequestError("This is no handle of a Kaggle set", where=repr(handle)[:120], hint=HANDLE_HINT)
    in_handle = int(match["version"]) if match["version"] else None
    if version is not None and (version < 1 or in_handle not in (None, version)):
        hint = "Give one version, a whole number from 1 on, or none for the newest"
        raise RequestError(f"Version {version} cannot be asked for", where=handle, hint=hint)
    return match["name"], version or in_handle


def _fetch(pinned: Any, cache: Path, report: Callable[[str], None]) -> Path:
    """Download, unpack in a fresh staging folder, publish by renaming."""
    staging = cache / _STAGING
    shutil.rmtree(staging, ignore_errors=True)  # of a fetch that was killed
    partial = cache / _PARTIAL / f"{pinned.owner}.{pinned.dataset}.{pinned.version}"
    download = Download(partial, str(pinned), report)
    try:
        if (mounted := _mounted(pinned, staging)) is not None:
            return mounted
        report(f"downloading {pinned}")
        download.fetch(lambda: _request(pinned))
        try:
            report(f"unpacking {pinned}")
            unpack(download.archive, staging / "files", str(pinned))
            fsync_tree(staging / "files")
            return _publish(pinned, staging / "files", cache)
        finally:
            download.remove()
    finally:
        shutil.rmtree(staging, ignore_errors=True)
        with contextlib.suppress(OSError):
            (cache / _PARTIAL).rmdir()  # unless another set is on its way there


def _mounted(pinned: Any, staging: Path) -> Path | None:
    """Where a notebook of Kaggle or Colab has mounted the set; None elsewhere, or if it has not."""
    import kagglehub
    from kagglehub.env import is_in_colab_notebook
    from kagglesdk.kaggle_env import is_in_kaggle_notebook

    if not is_in_kaggle_notebook() and not is_in_colab_notebook():
        return None
    with kagglehub_cache(staging):
        root = Path(kagglehub.dataset_download(str(pinned)))
    return None if root.is_relative_to(staging) else root


@contextlib.contextmanager
def _request(pinned: Any) -> Iterator[Response]:
    """The response with a set's archive, not read yet."""
    from kagglesdk.datasets.types.dataset_api_service import ApiDownloadDatasetRequest

    request = ApiDownloadDatasetRequest()
    request.owner_slug, request.dataset_slug = pinned.owner, pinned.dataset
    request.dataset_version_number = pinned.version
    with (
        kaggle_client(str(pinned)) as client,
        client.datasets.dataset_api_client.download_dataset(request) as response,
    ):
        yield response


def _publish(pinned: Any, files: Path, cache: Path) -> Path:
    """Rename a complete folder to where kagglehub looks for it."""
    from kagglehub.cache import Cache

    with kagglehub_cache(cache):
        final = Path(Cache().get_path(pinned))
        shutil.rmtree(final, ignore_errors=True)  # not finished, or it would have been found
        final.parent.mkdir(parents=True, exist_ok=True)
        try:
            Cache().mark_as_complete(pinned)  # means nothing without the folder, which then appears whole
            files.rename(final)
        except BaseException:
            Cache().mark_as_incomplete(pinned)
            raise
    fsync(final.parent)
    return final


def _cached(pinned: Any, cache: Path) -> Path | None:
    """The folder of a set that is complete by kagglehub's rule: the folder and a marker beside it."""
    from kagglehub.cache import Cache

    with kagglehub_cache(cache):
        found = Cache().load_from_cache(pinned)
    return Path(found) if found else None


@contextlib.contextmanager
def _cache_lock(cache: Path, report: Callable[[str], None]) -> Iterator[None]:
    """One fetch at a time in a cache, over all processes; the lock ends with its process."""
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / ".palms.lock").open("w", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            report(f"waiting for another download into {cache}")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
