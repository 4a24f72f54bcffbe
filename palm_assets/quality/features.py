"""Images to feature vectors: streaming, the same whatever the batch, cancellable.

Every image is resized on its own to the extractor's canonical size (stated in its module)
and enters the network in batches of one fixed shape, the last one padded: so a feature
depends on its image alone, not on how many came with it or in which order.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Barrier, Lock
from typing import Any, Literal, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from palm_assets.errors import QualityError, WeightsUnavailableError
from palm_assets.progress import Progress, ShouldStop, never, no_progress
from palm_assets.quality.batches import Images, batches_of, count_of
from palm_assets.quality.extractors import weights as published
from palm_assets.quality.extractors.dinov2 import DinoV2
from palm_assets.quality.extractors.efficientnet import EfficientNetLite0, packaged_weights
from palm_assets.quality.extractors.identity import ExtractorName, extractor_digest
from palm_assets.quality.extractors.inception import Inception
from palm_assets.runtime import computes_in_bfloat16, usable_cores
from palm_assets.store.atomic import sha256_of

Precision = Literal["auto", "float32", "bfloat16"]

STARTING = Lock()


class ExtractionCancelledError(QualityError):
    """The caller asked to stop; nothing is wrong."""


class Network(Protocol):
    """What an extractor's network offers."""

    dim: int
    batch: int

    def prepare(self, images: Tensor) -> Tensor:
        """Uint8 images of one size to the network's input."""
        ...

    def __call__(self, x: Tensor) -> Tensor:
        """Prepared images to features (N, dim)."""
        ...


NETWORKS: dict[str, Any] = {
    "inception-v3": Inception,
    "efficientnet-lite0": EfficientNetLite0,
    "dinov2-vits14": DinoV2,
}
# In bfloat16 Inception takes half the time, and a score moves by less than its spread if its reference
# was made in bfloat16 too, which is why a reference says how it was made. EfficientNet is quick enough as
# it is, and its features move by 6 %: nearly as far as from a palm to its nearest neighbor.
HALF_PRECISION = {"inception-v3"}
DOWNLOADS = {"inception-v3": published.INCEPTION, "dinov2-vits14": published.DINOV2}


class Extractor:
    """A frozen network that turns images into features.

    Attributes:
        name: "inception-v3", "efficientnet-lite0" or "dinov2-vits14".
        digest: 12 hex characters of its weights file and preprocessing version.
        dim: length of a feature vector.
        precision: "float32" or "bfloat16"; the digest is the same, see `HALF_PRECISION`.
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
        """Name and digest: equal for features that may be compared."""
        return self.name, self.digest

    def features(self, images: Images) -> Iterator[NDArray[np.float32]]:
        """Stream of features (at most `batch`, dim), in the order of the images, in constant memory.

        Args:
            images: uint8 RGB (N, 3, H, W) as tensor, array or memory map, or an iterable of such
                batches or of single (3, H, W) images, of any and mixed sizes.

        Raises:
            QualityError: an item is not a uint8 RGB image (the message says which), or its features
                are not finite.
        """
        running: deque[Future[NDArray[np.float32]]] = deque()
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

    def _run(self, chunks: list[Tensor]) -> NDArray[np.float32]:
        """Features of up to one batch of images, through a batch of the one fixed shape."""
        with torch.inference_mode():
            prepared = torch.cat([self.network.prepare(chunk) for chunk in chunks])
            shape = (self.network.batch, *prepared.shape[1:])
            batch = torch.empty(shape, dtype=self.dtype, memory_format=torch.channels_last)
            batch[: len(prepared)] = prepared
            batch[len(prepared) :] = 0
            features: NDArray[np.float32] = self.network(batch)[: len(prepared)].float().numpy()
        if not np.isfinite(features).all():
            raise QualityError(
                f"Features of {self.name} are not finite",
                hint="The weights of the extractor are damaged: delete and fetch them again",
            )
        return features


@contextmanager
def _pool(threads: int) -> Iterator[ThreadPoolExecutor]:
    """Threads that each compute batches of their own, with one core.

    Two threads that share one batch meet at a barrier after each of a network's hundred small
    steps, and wait there for whichever core is busy with something else.
    """
    # Setting the number of threads is meant for the calling thread, but those that start later
    # copy it too: so one pool at a time starts, and the number is put back at once.
    with STARTING:
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
    name: ExtractorName = "auto",
    *,
    weights: Path | None = None,
    cache: Path | None = None,
    precision: Precision = "auto",
) -> Extractor:
    """A ready extractor.

    Args:
        name: which; "auto" is inception-v3 if its weights are at hand (given or in the cache;
            it never downloads), else efficientnet-lite0.
        weights: path of a weights file in the published layout, instead of the cache.
        cache: folder where downloads are kept, by default PyTorch's.
        precision: "auto" is bfloat16 for `HALF_PRECISION` networks where the CPU has it, else float32.

    Raises:
        WeightsUnavailableError: the weights are neither there nor downloadable, or do not fit.
    """
    cache = cache or published.default_cache()
    if name == "auto":
        at_hand = weights is not None or published.find(published.INCEPTION, cache) is not None
        name = "inception-v3" if at_hand else "efficientnet-lite0"
    if name not in NETWORKS:
        raise QualityError(
            f"There is no extractor {name!r}", hint=f"Choose one of {', '.join(NETWORKS)} or auto"
        )
    if weights is not None:
        path = weights
    elif name == "efficientnet-lite0":
        path = packaged_weights()
    else:
        path = published.fetch(DOWNLOADS[name], cache)
    with ThreadPoolExecutor(1) as beside:
        sha256 = beside.submit(sha256_of, path)
        state = published.read_weights(path, name)
        try:
            network = NETWORKS[name](state)
        except (KeyError, RuntimeError) as error:
            raise WeightsUnavailableError(
                f"The file does not hold the weights of {name}",
                where=path,
                hint="Give the path of the published file, or leave it out to have it fetched",
            ) from error
        digest = extractor_digest(name, sha256.result())
    if precision == "auto":
        precision = "bfloat16" if name in HALF_PRECISION and computes_in_bfloat16() else "float32"
    return Extractor(name, digest, network, precision=precision)


def extract(
    extractor: Extractor,
    images: Images,
    *,
    progress: Progress = no_progress,
    should_stop: ShouldStop = never,
) -> NDArray[np.float32]:
    """Features of a set of images, float32 (N, dim), in their order.

    Args:
        extractor: from `load_extractor`.
        images: see `Extractor.features`. Only N * dim numbers are kept, never the images.
        progress: called with images done and images in all (0 if unknown) after each batch.
        should_stop: asked before each batch.

    Raises:
        ExtractionCancelledError: `should_stop` became true.
        QualityError: an item is not a uint8 RGB image, or its features are not finite.
    """
    rows = list(watched(extractor.features(images), count_of(images), progress, should_stop))
    return np.concatenate(rows) if rows else np.zeros((0, extractor.dim), np.float32)


def watched(
    batches: Iterator[NDArray[np.float32]],
    total: int,
    progress: Progress = no_progress,
    should_stop: ShouldStop = never,
) -> Iterator[NDArray[np.float32]]:
    """The same batches, with progress reported and cancellation heeded between them."""
    done = 0
    while True:
        if should_stop():
            raise ExtractionCancelledError(
                f"Stopped after {done} images", hint="Start again when you want the whole"
            )
        batch = next(batches, None)
        if batch is None:
            return
        done += len(batch)
        yield batch
        progress(done, total)
