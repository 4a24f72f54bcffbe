"""Weights of the feature extractors: found, or fetched once, and always verified."""

from __future__ import annotations

import contextlib
import http.client
import shutil
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError

import torch
from filelock import FileLock
from torch import Tensor

from palm_assets.errors import DiskFullError, WeightsUnavailableError
from palm_assets.progress import Progress, no_progress
from palm_assets.quality.extractors.identity import INCEPTION_SHA256
from palm_assets.store.atomic import sha256_of

CHUNK = 1 << 20
ATTEMPTS = 4


@dataclass(frozen=True)
class WeightsFile:
    """A published weights file.

    Attributes:
        extractor: which network it belongs to.
        urls: where it can be fetched, in order of preference.
        names: file names under which it may already be in the cache; the first is ours.
        sha256: hash of its bytes.
        size: bytes.
    """

    extractor: str
    urls: tuple[str, ...]
    names: tuple[str, ...]
    sha256: str
    size: int


INCEPTION = WeightsFile(
    "inception-v3",
    (
        "https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/pt_inception-2015-12-05-6726825d.pth",
        "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/weights-inception-2015-12-05-6726825d.pth",
    ),
    ("pt_inception-2015-12-05-6726825d.pth", "weights-inception-2015-12-05-6726825d.pth"),
    INCEPTION_SHA256,
    95_628_359,
)
DINOV2 = WeightsFile(
    "dinov2-vits14",
    ("https://dl.fbaipublicfiles.com/dinov2/dinov2_vits14/dinov2_vits14_pretrain.pth",),
    ("dinov2_vits14_pretrain.pth",),
    "b938bf1bc15cd2ec0feacfe3a1bb553fe8ea9ca46a7e1d8d00217f29aef60cd9",
    88_283_115,
)


def default_cache() -> Path:
    """PyTorch's own checkpoint folder: weights that pytorch-fid or torch-fidelity fetched are found there."""
    return Path(torch.hub.get_dir()) / "checkpoints"


def find(file: WeightsFile, cache: Path) -> Path | None:
    """The file in the cache if it is there whole, by name and size; no download."""
    for name in file.names:
        path = cache / name
        if path.is_file() and path.stat().st_size == file.size:
            return path
    return None


def adopt(file: WeightsFile, given: Path, cache: Path) -> Path:
    """Take a file that somebody fetched by other means into the cache, if it is the published one.

    Raises:
        WeightsUnavailableError: it is not there, or it is another file.
        DiskFullError: no room in the cache.
    """
    if not given.is_file() or sha256_of(given) != file.sha256:
        raise WeightsUnavailableError(
            f"That is not the published file with the weights of {file.extractor}",
            where=given,
            hint=f"Fetch {file.urls[0]} (SHA-256 {file.sha256[:12]}…), or leave the path out",
        )
    found = find(file, cache)
    if found is not None:
        return found
    with _writing(file, cache):
        beside = cache / f"{file.names[0]}.part"
        shutil.copyfile(given, beside)
        return beside.replace(cache / file.names[0])


def fetch(file: WeightsFile, cache: Path, *, progress: Progress = no_progress, timeout: float = 30.0) -> Path:
    """The file in the cache, downloaded if need be; an interrupted download goes on where it stopped.

    Args:
        file: which one.
        cache: folder; made if missing. Two processes that ask at once share one download.
        progress: called with bytes done and bytes in all.
        timeout: seconds without an answer before an attempt counts as failed.

    Raises:
        WeightsUnavailableError: no address delivered the file with its hash.
        DiskFullError: no room in the cache.
    """
    with _writing(file, cache), FileLock(cache / f".{file.names[0]}.lock"):
        found = find(file, cache)
        if found is not None:
            return found
        return _download(file, cache, progress, timeout)


@contextlib.contextmanager
def _writing(file: WeightsFile, cache: Path) -> Iterator[None]:
    try:
        cache.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        raise DiskFullError(
            f"The weights of {file.extractor} cannot be written: {error.strerror or error}",
            where=cache,
            hint="Free some space, or choose another folder for the weights",
        ) from error


def _download(file: WeightsFile, cache: Path, progress: Progress, timeout: float) -> Path:
    part = cache / f"{file.names[0]}.part"
    reasons = []
    for url in file.urls:
        for _ in range(ATTEMPTS):
            try:
                _continue(url, part, file.size, progress, timeout)
            except (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError) as error:
                reasons.append(f"{url}: {error}")
                if isinstance(error, urllib.error.HTTPError) and error.code < 500:
                    break  # refused: asking again would not help
                continue
            if part.stat().st_size < file.size:
                reasons.append(f"{url}: the connection broke at {part.stat().st_size} of {file.size} bytes")
                continue
            if sha256_of(part) != file.sha256:
                part.unlink()
                reasons.append(f"{url}: what arrived has another SHA-256 than the published file")
                break  # the same address would serve the same bytes
            return part.replace(cache / file.names[0])
    raise WeightsUnavailableError(
        f"The weights of {file.extractor} could not be downloaded. {'; '.join(dict.fromkeys(reasons))}",
        where=cache,
        hint=f"Fetch {file.urls[0]} by other means and put it into that folder, or give its path as "
        "`weights` in the config of the reference, or use efficientnet-lite0, which needs no download",
    )


def _continue(url: str, part: Path, size: int, progress: Progress, timeout: float) -> None:
    """Append what is missing of `part`; start over if the server cannot continue."""
    have = part.stat().st_size if part.exists() else 0
    if have > size:
        part.unlink()
        have = 0
    if have == size:
        return
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    with urllib.request.urlopen(request, timeout=timeout) as answer:
        resumed = answer.status == 206 and answer.headers.get("Content-Range", "").startswith(
            f"bytes {have}-"
        )
        have = have if resumed else 0
        with part.open("ab" if resumed else "wb") as out:
            while have < size and (chunk := answer.read(min(CHUNK, size - have))):
                out.write(chunk)
                have += len(chunk)
                progress(have, size)


def read_weights(path: Path, extractor: str) -> Mapping[str, Tensor]:
    """State dict of a weights file; code in the pickle is not run (`weights_only=True`).

    Raises:
        WeightsUnavailableError: no such file, or not a state dict.
    """
    hint = "Give the path of the published file, or leave it out to have it fetched"
    if not path.is_file():
        raise WeightsUnavailableError(
            f"There is no file with the weights of {extractor}", where=path, hint=hint
        )
    try:
        state = torch.load(path, map_location="cpu", weights_only=True, mmap=False)
    except (OSError, RuntimeError, UnpicklingError, EOFError, ValueError) as error:
        raise WeightsUnavailableError(
            f"The file is not one of weights: {type(error).__name__}", where=path, hint=hint
        ) from error
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise WeightsUnavailableError(
            "The file holds something else than a state dict", where=path, hint=hint
        )
    return state
