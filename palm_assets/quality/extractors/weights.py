"""Weights of the feature extractors: found in the cache or downloaded once, and always verified."""

from __future__ import annotations

import contextlib
import http.client
import importlib
import os
import shutil
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import TYPE_CHECKING, Any

from filelock import FileLock

from palm_assets.errors import QualityError, WeightsUnavailableError
from palm_assets.progress import Progress, no_progress
from palm_assets.quality.extractors.registry import EXTRACTORS, WeightsFile
from palm_assets.store.atomic import sha256_of
from palm_assets.store.os_errors import typed_write_errors

if TYPE_CHECKING:
    from torch import Tensor

CHUNK_BYTES = 1 << 20
ATTEMPTS = 4


def default_cache() -> Path:
    """PyTorch's own checkpoint folder, where pytorch-fid and torch-fidelity put their weights too.

    The rule is that of `torch.hub.get_dir`, stated here so that asking for the folder does not import
    PyTorch.
    """
    cache_home = os.environ.get("XDG_CACHE_HOME", "~/.cache")
    torch_home = os.environ.get("TORCH_HOME", f"{cache_home}/torch")
    return Path(torch_home).expanduser() / "hub" / "checkpoints"


def resolve_extractor(name: str, *, weights: Path | None = None, cache: Path | None = None) -> str:
    """The extractor that a configured name stands for on this machine; never downloads anything.

    "auto" is inception-v3 if its weights are at hand (given, or in the cache), else efficientnet-lite0, whose
    weights come with a package.

    Args:
        name: one of `ExtractorName`.
        weights: a weights file that the caller was given for it.
        cache: folder of downloaded weights; by default `default_cache()`.

    Raises:
        QualityError: there is no extractor of that name.
    """
    if name == "auto":
        published = EXTRACTORS["inception-v3"].weights
        at_hand = weights or (published and find(published, cache or default_cache()))
        return "inception-v3" if at_hand else "efficientnet-lite0"
    if name not in EXTRACTORS:
        raise QualityError(
            f"There is no extractor {name!r}", hint=f"Choose one of {', '.join(EXTRACTORS)} or auto"
        )
    return name


def find(file: WeightsFile, cache: Path) -> Path | None:
    """Path of the file in the cache if it is there and complete, by name and size; downloads nothing."""
    for name in file.names:
        path = cache / name
        if path.is_file() and path.stat().st_size == file.size:
            return path
    return None


def network_class_of(extractor: str) -> Any:
    """The class of an extractor's network, whose module is imported on demand."""
    module, class_name = EXTRACTORS[extractor].network.split(":")
    return getattr(importlib.import_module(module), class_name)


def weights_file(extractor: str, cache: Path | None = None) -> Path:
    """Path of an extractor's weights: in its package, or in the cache, downloaded once if necessary.

    Args:
        extractor: its name, not "auto".
        cache: folder of downloaded weights; by default `default_cache()`.

    Raises:
        WeightsUnavailableError: they are neither there nor downloadable.
    """
    published = EXTRACTORS[extractor].weights
    if published is None:
        packaged: Path = network_class_of(extractor).packaged_weights()
        return packaged
    return fetch(published, cache or default_cache())


def install(extractor: str, given: Path, cache: Path | None = None) -> Path:
    """Copy the weights file that a user gives for an extractor into the cache; see `add_to_cache`.

    Raises:
        WeightsUnavailableError: it is not the published file, or the extractor takes none.
        DiskFullError: no space left in the cache.
    """
    published = EXTRACTORS[extractor].weights
    if published is None:
        raise WeightsUnavailableError(
            f"The weights of {extractor} come with its package", where=given, hint="Leave the path out"
        )
    return add_to_cache(published, given, cache or default_cache())


def add_to_cache(file: WeightsFile, given: Path, cache: Path) -> Path:
    """Copy a file that was downloaded by other means into the cache, if it is the published one.

    Returns:
        Its path in the cache.

    Raises:
        WeightsUnavailableError: it does not exist, or it is another file.
        DiskFullError: no space left in the cache.
    """
    if not given.is_file() or sha256_of(given) != file.sha256:
        raise WeightsUnavailableError(
            f"That is not the published file with the weights of {file.extractor}",
            where=given,
            hint=f"Download {file.urls[0]} (SHA-256 {file.sha256[:12]}…), or leave the path out",
        )
    found = find(file, cache)
    if found is not None:
        return found
    with _writable(cache, file.extractor):
        part = cache / f"{file.names[0]}.part"
        shutil.copyfile(given, part)
        return part.replace(cache / file.names[0])


def fetch(file: WeightsFile, cache: Path, *, progress: Progress = no_progress, timeout: float = 30.0) -> Path:
    """Path of the file in the cache, downloaded if necessary; an interrupted download is resumed.

    Args:
        file: which one.
        cache: folder, created if missing. Processes that need the file at the same time share one download.
        progress: called with bytes done and bytes in all.
        timeout: seconds without an answer before an attempt counts as failed.

    Raises:
        WeightsUnavailableError: no URL delivered the file with its hash, or the cache is not writable.
        DiskFullError: no space left in the cache.
    """
    with _writable(cache, file.extractor), FileLock(cache / f".{file.names[0]}.lock"):
        found = find(file, cache)
        if found is not None:
            return found
        return _download(file, cache, progress, timeout)


@contextlib.contextmanager
def _writable(cache: Path, extractor: str) -> Iterator[None]:
    """Create the cache; errors of the operating system in the block become typed ones."""
    with typed_write_errors(
        cache,
        WeightsUnavailableError,
        f"The weights of {extractor} cannot be written",
        hint="Make the folder writable, or set TORCH_HOME to another one.",
        full_hint="Free some space, or set TORCH_HOME to a folder on another disk.",
        only_writes=True,
    ):
        cache.mkdir(parents=True, exist_ok=True)
        yield


def _download(file: WeightsFile, cache: Path, progress: Progress, timeout: float) -> Path:
    part = cache / f"{file.names[0]}.part"
    reasons = []
    for url in file.urls:
        for _ in range(ATTEMPTS):
            try:
                _resume(url, part, file.size, progress, timeout)
            except (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError) as error:
                reasons.append(f"{url}: {error}")
                if isinstance(error, urllib.error.HTTPError) and error.code < 500:
                    break  # refused: a retry would not help
                continue
            if part.stat().st_size < file.size:
                reasons.append(f"{url}: the connection broke at {part.stat().st_size} of {file.size} bytes")
                continue
            if sha256_of(part) != file.sha256:
                part.unlink()
                reasons.append(f"{url}: what arrived has another SHA-256 than the published file")
                break  # the same URL would serve the same bytes
            return part.replace(cache / file.names[0])
    raise WeightsUnavailableError(
        f"The weights of {file.extractor} could not be downloaded. {'; '.join(dict.fromkeys(reasons))}",
        where=cache,
        hint=f"Download {file.urls[0]} by other means into that folder, or give its path as "
        "`weights` in the config of the reference, or use efficientnet-lite0, which needs no download",
    )


def _resume(url: str, part: Path, size: int, progress: Progress, timeout: float) -> None:
    """Append what is missing of `part`; start over if the server does not support ranges."""
    have = part.stat().st_size if part.exists() else 0
    if have > size:
        part.unlink()
        have = 0
    if have == size:
        return
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    with urllib.request.urlopen(request, timeout=timeout) as response:
        resumed = response.status == 206 and response.headers.get("Content-Range", "").startswith(
            f"bytes {have}-"
        )
        have = have if resumed else 0
        with part.open("ab" if resumed else "wb") as out:
            while have < size and (chunk := response.read(min(CHUNK_BYTES, size - have))):
                out.write(chunk)
                have += len(chunk)
                progress(have, size)


def read_weights(path: Path, extractor: str) -> Mapping[str, Tensor]:
    """State dict of a weights file, on the CPU; code in the pickle is not run (`weights_only=True`).

    Raises:
        WeightsUnavailableError: no such file, or not a state dict.
    """
    import torch  # here, so that resolving and finding weights starts quickly

    hint = "Give the path of the published file, or leave it out to have it downloaded"
    if not path.is_file():
        raise WeightsUnavailableError(
            f"There is no file with the weights of {extractor}", where=path, hint=hint
        )
    try:
        state = torch.load(path, map_location="cpu", weights_only=True, mmap=False)
    except (OSError, RuntimeError, UnpicklingError, EOFError, ValueError) as error:
        raise WeightsUnavailableError(
            f"The file does not hold weights: {type(error).__name__}", where=path, hint=hint
        ) from error
    if not isinstance(state, dict) or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise WeightsUnavailableError("The file does not hold a state dict", where=path, hint=hint)
    return state
