"""Features of images: the first step of every metric.

An `Extractor` streams images through its network and returns one feature vector for each. Every image is
resized on its own to the network's input size and enters it in batches of one fixed shape, the last one
padded. So a feature depends on its image alone, not on how many came with it or in which order.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Barrier, Lock
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from palm_assets.errors import QualityError, WeightsUnavailableError
from palm_assets.progress import Progress, ShouldStop, never, no_progress
from palm_assets.quality.batches import Images, batches_of, count_of
from palm_assets.quality.extractors.identity import extractor_digest
from palm_assets.quality.extractors.registry import EXTRACTORS
from palm_assets.quality.extractors.weights import (
    network_class_of,
    read_weights,
    resolve_extractor,
    weights_file,
)
from palm_assets.runtime import computes_in_bfloat16, usable_cores
from palm_assets.store.atomic import sha256_of

Features = NDArray[np.float32]

_POOL_START_LOCK = Lock()


class ExtractionCancelledError(QualityError):
    """The caller asked to stop; nothing is wrong."""


class Network(Protocol):
    """The network of an extractor.

    Attributes:
        dim: length of a feature vector.
        batch: images in a batch.
    """

    dim: int
    batch: int

    def prepare(self, images: Tensor) -> Tensor:
        """Uint8 RGB images of one size (N, 3, H, W) to the network's input."""
        ...

    def __call__(self, x: Tensor) -> Tensor:
        """Prepared images to features (N, dim)."""
        ...


class Extractor:
    """A loaded network that turns images into features.

    Attributes:
        name: "inception-v3", "efficientnet-lite0" or "dinov2-vits14".
        digest: 12 hex characters that identify its weights file and preprocessing version.
        dim: length of a feature vector.
        precision: "float32" or "bfloat16". It is not part of the digest: a reference records it.
        threads: batches computed at once, by default one for each core; the features do not depend on it.
    """

    def __init__(
        self,
        name: str,
        digest: str,
        network: Network,
        *,
        precision: str = "float32",
        threads: int | None = None,
    ) -> None:
        self.name, self.digest, self.dim, self.precision = name, digest, network.dim, precision
        self.network, self.threads = network, threads or usable_cores()
        self.dtype = torch.bfloat16 if precision == "bfloat16" else torch.float32
        if isinstance(network, torch.nn.Module):
            network.eval().requires_grad_(False)
            network.to(dtype=self.dtype, memory_format=torch.channels_last)  # type: ignore[call-overload]

    @property
    def identity(self) -> tuple[str, str]:
        """Name and digest: features can be compared if these are equal."""
        return self.name, self.digest

    def features(self, images: Images) -> Generator[Features, None, None]:
        """Stream of features (at most `batch`, dim), in the order of the images, in constant memory.

        Args:
            images: uint8 RGB (N, 3, H, W) as tensor, array or memory map, or an iterable of such
                batches or of single (3, H, W) images, of any and mixed sizes.

        Raises:
            QualityError: an item is not a uint8 RGB image (the message says which), or its features
                are not finite.
        """
        running: deque[Future[Features]] = deque()
        with _pool(self.threads) as pool:
            try:
                for batch in batches_of(images, self.network.batch):
                    running.append(pool.submit(self._run, batch))
                    if len(running) > self.threads:  # one batch waits, so that no worker does
                        yield running.popleft().result()
                while running:
                    yield running.popleft().result()
            finally:
                for future in running:
                    future.cancel()

    def _run(self, chunks: list[Tensor]) -> Features:
        """Features of up to one batch of images, through a batch of the one fixed shape."""
        with torch.inference_mode():
            prepared = torch.cat([self.network.prepare(chunk) for chunk in chunks])
            shape = (self.network.batch, *prepared.shape[1:])
            batch = torch.empty(shape, dtype=self.dtype, memory_format=torch.channels_last)
            batch[: len(prepared)] = prepared
            batch[len(prepared) :] = 0
            features: Features = self.network(batch)[: len(prepared)].float().numpy()
        if not np.isfinite(features).all():
            raise QualityError(
                f"Features of {self.name} are not finite",
                hint="The weights of the extractor are damaged: delete the file and download it again",
            )
        return features


@contextmanager
def _pool(threads: int) -> Iterator[ThreadPoolExecutor]:
    """Worker threads that compute one batch each, with one core each.

    Threads that share a batch synchronize after each of the network's hundred small steps, and wait there for
    whichever core is busy with something else.
    """
    # `set_num_threads` is meant for the calling thread, but threads that start later inherit the number. So
    # one pool starts at a time, and the number is restored at once.
    with _POOL_START_LOCK:
        before = torch.get_num_threads()
        started = Barrier(threads + 1)

        def start() -> None:
            torch.set_num_threads(1)
            started.wait()

        pool = ThreadPoolExecutor(threads, thread_name_prefix="features", initializer=start)
        for _ in range(threads):
            pool.submit(int)
        started.wait()
        torch.set_num_threads(before)
    with pool:
        yield pool


def load_extractor(
    name: str = "auto",
    *,
    weights: Path | None = None,
    cache: Path | None = None,
    precision: str = "auto",
) -> Extractor:
    """Load an extractor; its weights are downloaded once if necessary.

    Args:
        name: an `ExtractorName`; see `resolve_extractor` for "auto", which never downloads.
        weights: path of a weights file in the published layout, instead of the cache.
        cache: folder of downloaded weights; by default PyTorch's.
        precision: "float32", "bfloat16", or "auto": bfloat16 if the CPU and the extractor support it.

    Raises:
        QualityError: there is no such extractor or precision.
        WeightsUnavailableError: the weights are neither there nor downloadable, or do not fit.
    """
    name = resolve_extractor(name, weights=weights, cache=cache)
    spec = EXTRACTORS[name]
    path = weights or weights_file(name, cache)
    network, sha256 = _load_network(network_class_of(name), name, path)
    if precision not in ("auto", "float32", "bfloat16"):
        raise QualityError(f"There is no precision {precision!r}", hint="Choose float32, bfloat16 or auto")
    if precision == "auto":
        precision = "bfloat16" if spec.bfloat16 and computes_in_bfloat16() else "float32"
    return Extractor(name, extractor_digest(name, sha256), network, precision=precision)


def _load_network(network_class: Any, name: str, path: Path) -> tuple[Network, str]:
    """The network with the weights of a file, and the SHA-256 of that file."""
    with ThreadPoolExecutor(1) as pool:  # hashing takes as long as building the network
        sha256 = pool.submit(sha256_of, path)
        state = read_weights(path, name)
        try:
            network: Network = network_class(state)
        except (KeyError, RuntimeError) as error:
            raise WeightsUnavailableError(
                f"The file does not hold the weights of {name}",
                where=path,
                hint="Give the path of the published file, or leave it out to have it downloaded",
            ) from error
        return network, sha256.result()


def extract(
    extractor: Extractor,
    images: Images,
    *,
    progress: Progress = no_progress,
    should_stop: ShouldStop = never,
) -> Features:
    """Features of a set of images, float32 (N, dim), in their order.

    Args:
        extractor: from `load_extractor`.
        images: see `Extractor.features`. Only N * dim numbers are kept, never the images.
        progress: called with images done and images in all (0 if unknown) after each batch.
        should_stop: called before each batch.

    Raises:
        ExtractionCancelledError: `should_stop` returned True.
        QualityError: an item is not a uint8 RGB image, or its features are not finite.
    """
    rows = list(report_progress(extractor.features(images), count_of(images), progress, should_stop))
    return np.concatenate(rows) if rows else np.zeros((0, extractor.dim), np.float32)


def report_progress(
    batches: Iterable[Features],
    total: int,
    progress: Progress = no_progress,
    should_stop: ShouldStop = never,
) -> Iterator[Features]:
    """The same batches; between them progress is reported and a request to stop is obeyed.

    Raises:
        ExtractionCancelledError: `should_stop` returned True.
    """
    done = 0
    waiting = iter(batches)
    while True:
        if should_stop():
            raise ExtractionCancelledError(
                f"Stopped after {done} images", hint="Start again to process all of them"
            )
        batch = next(waiting, None)
        if batch is None:
            return
        done += len(batch)
        yield batch
        progress(done, total)
