"""A trained model for sampling and scoring; the same seed gives the same bytes for any batch size."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
from torch import Tensor

from palm_assets.errors import CheckpointError, RequestError
from palm_assets.gan.checkpoint import load_networks
from palm_assets.gan.config import MAX_SEED, NetworkConfig
from palm_assets.gan.hand_labels import ANY, ANY_HAND, HandLabels
from palm_assets.gan.inference import fused_discriminator, fused_generator
from palm_assets.gan.label_vectors import complete, encode_all, label_size
from palm_assets.gan.networks import Discriminator, Generator
from palm_assets.runtime import use_all_cores

if TYPE_CHECKING:
    from palm_assets.quality.calibration import Calibration

CALIBRATION_FILE = "calibration.json"
MAX_CHUNK = 125  # larger chunks are not faster; in smaller ones the time goes to reordering the weights
CHUNK_PIXELS = 125 * 64**2
MIN_CHUNK = 16


@dataclass(frozen=True)
class PalmModel:
    """A generator and its discriminator, ready for use on a CPU.

    Attributes:
        generator: in evaluation mode.
        discriminator: in evaluation mode.
        networks: their architecture.
        version: version of the artifact.
        folder: folder of the artifact.
        calibration: of the scores, if the model has one.
    """

    generator: Generator
    discriminator: Discriminator
    networks: NetworkConfig
    version: str
    folder: Path
    calibration: Calibration | None = None

    @property
    def scoring(self) -> Literal["calibrated", "raw"]:
        """Whether scores are calibrated probabilities, or the plain sigmoid of the discriminator's logit."""
        return "raw" if self.calibration is None else "calibrated"

    @property
    def image_size(self) -> int:
        """Side of an image in pixels."""
        return self.networks.image_size

    @property
    def chunk(self) -> int:
        """Fixed number of images per batch, as kernels may round differently for another batch size."""
        return max(MIN_CHUNK, min(MAX_CHUNK, CHUNK_PIXELS // self.image_size**2))

    @cached_property
    def _generate(self) -> Callable[[Tensor], Tensor]:
        return fused_generator(self.generator)

    @cached_property
    def _discriminate(self) -> Callable[..., Tensor]:
        return fused_discriminator(self.discriminator)

    @property
    def labels(self) -> list[str]:
        """What the model can be asked for: any of aspect, side and skin."""
        return self.networks.labels

    def latents(self, seed: int, indices: Sequence[int]) -> Tensor:
        """Latent vectors (N, latent) of the images with these indices in the set with this seed.

        Image i depends on seed + i alone, so a set is a prefix of any longer one with the same seed.

        Raises:
            RequestError: the seed is outside 0..2**53.
        """
        if not 0 <= seed <= MAX_SEED:
            raise RequestError(f"The seed {seed} is out of range", hint=f"Choose one from 0 to {MAX_SEED}.")
        rows = [torch.randn(self.networks.latent, generator=_random(seed + index)) for index in indices]
        return torch.stack(rows) if rows else torch.empty(0, self.networks.latent)

    def hands(self, seed: int, indices: Sequence[int], asked: HandLabels = ANY_HAND) -> list[HandLabels]:
        """What the images with these indices in the set with this seed show, if `asked` is asked for.

        A label left open is drawn from seed + i, as often as it was trained on; asking for the value that was
        drawn gives the same image. All labels stay open for a model without labels.

        Raises:
            RequestError: the model cannot be asked for it.
        """
        asked.check(self.labels, self.version)
        if not self.labels:
            return [asked for _ in indices]
        shares = self.generator.get_buffer("label_shares") if label_size(self.labels) else torch.ones(1)
        hands = []
        for index in indices:
            random = _random(seed + index)
            torch.randn(self.networks.latent, generator=random)  # the latent vector comes first
            hands.append(complete(self.labels, asked, shares, torch.rand(3, generator=random)))
        return hands

    def inputs(self, latents: Tensor, hands: Sequence[HandLabels]) -> Tensor:
        """Latent vectors (N, latent) with the labels of each image appended, (N, M), for `generate`.

        For a model without labels they are the latent vectors. With the label `side`, the last number says
        whether the thumb is on the left (-1), where the image is mirrored, or on the right (1).
        """
        parts = [latents, encode_all(self.labels, hands)]
        if "side" in self.labels:
            parts.append(torch.tensor([[-1.0 if hand.thumb_left else 1.0] for hand in hands]).reshape(-1, 1))
        return torch.cat(parts, 1)

    def sample(
        self,
        count: int,
        *,
        seed: int = 0,
        truncation: float = 1.0,
        start: int = 0,
        aspect: str = ANY,
        side: str = ANY,
        skin: str = ANY,
    ) -> np.ndarray:
        """Images `start` to `start + count - 1` of the set with this seed, uint8 RGB (count, 3, S, S).

        Args:
            count: number of images, from 0.
            seed: 0 to 2**53; the same seed gives the same images, whatever the count.
            truncation: scales the latents; 1 gives the full diversity, towards 0 images become alike.
            start: index of the first image.
            aspect: palm, back, or any.
            side: left, right, or any.
            skin: fair, medium, dark, or any. The same seed gives the same hand with another skin.

        Raises:
            RequestError: a value is out of its range, or the model has no such label (`labels`).
        """
        if count < 0 or start < 0 or not 0 < truncation <= 1:
            raise RequestError(
                f"Cannot sample {count} images from index {start} with truncation {truncation}",
                hint="Count and start must be 0 or more, truncation above 0 and at most 1.",
            )
        indices = range(start, start + count)
        hands = self.hands(seed, indices, HandLabels(aspect, side, skin))
        return self.generate(self.inputs(self.latents(seed, indices), hands), truncation=truncation)

    @torch.inference_mode()
    def generate(self, inputs: Tensor, *, truncation: float = 1.0) -> np.ndarray:
        """Images uint8 RGB (N, 3, S, S) of latent vectors (N, latent), with labels appended by `inputs`.

        `truncation` scales the latents: 1 gives the full diversity, towards 0 images become alike.
        """
        seen = self.networks.latent + label_size(self.labels)
        rows = torch.cat(
            [inputs[:, : self.networks.latent] * truncation, inputs[:, self.networks.latent : seen]], 1
        )
        parts = [self._generate(chunk)[:count] for chunk, count in self._chunks(rows)]
        images = torch.cat(parts) if parts else torch.empty(0, 3, self.image_size, self.image_size)
        if "side" in self.labels:
            images = torch.where(inputs[:, seen, None, None, None] < 0, images.flip(3), images)
        return ((images + 1) * 127.5).round_().clamp_(0, 255).to(torch.uint8).contiguous().numpy()

    @torch.inference_mode()
    def logits(self, images: np.ndarray, hands: Sequence[HandLabels] | None = None) -> np.ndarray:
        """The discriminator's logits, float32 (N,), for images uint8 RGB (N, 3, S, S).

        With `hands`, what each image shows, they are logits of hands of this kind. A memory map is read in
        parts.
        """
        parts = []
        for start in range(0, len(images), self.chunk):
            rows = slice(start, start + self.chunk)
            pixels = torch.from_numpy(np.array(images[rows]))
            labels = torch.zeros(len(pixels), label_size(self.labels))
            if hands is not None and self.labels:
                labels = encode_all(self.labels, hands[rows])
                if "side" in self.labels:
                    left = torch.tensor([hand.thumb_left for hand in hands[rows]], dtype=torch.bool)
                    pixels = torch.where(left[:, None, None, None], pixels.flip(3), pixels)
            (chunk, count), (known, _) = next(self._chunks(pixels)), next(self._chunks(labels))
            parts.append(self._discriminate(chunk, known)[:count])
        return torch.cat(parts).numpy() if parts else np.empty(0, np.float32)

    def scores(self, images: np.ndarray, hands: Sequence[HandLabels] | None = None) -> np.ndarray:
        """How real each image looks to the discriminator, float32 (N,) in [0, 1]; see `scoring`.

        Args:
            images: uint8 RGB (N, 3, S, S).
            hands: what each image shows, if known.
        """
        logits = self.logits(images, hands)
        if self.calibration is not None:
            return self.calibration.probability(logits).astype(np.float32)
        # In float64, as float32 kernels may round differently at different positions of a vector.
        halves: np.ndarray = np.tanh(logits.astype(np.float64) / 2) / 2
        return (halves + 0.5).astype(np.float32)

    def _chunks(self, rows: Tensor) -> Iterator[tuple[Tensor, int]]:
        """Chunks of exactly `chunk` rows, the last padded with zeros, each with its number of valid rows."""
        for start in range(0, len(rows), self.chunk):
            chunk = rows[start : start + self.chunk]
            count = len(chunk)
            if count < self.chunk:
                chunk = torch.cat([chunk, chunk.new_zeros(self.chunk - count, *chunk.shape[1:])])
            yield chunk, count


def load_model(folder: Path, version: str) -> PalmModel:
    """Load a model for use on the CPU, with the calibration of its scores if it has one.

    Raises:
        CheckpointError: see `palm_assets.gan.checkpoint.load_networks`; or the calibration cannot be read.
        ArtifactCorruptError: the calibration can be read, but is invalid.
    """
    use_all_cores()
    generator, discriminator, networks = load_networks(folder)
    return PalmModel(generator, discriminator, networks, version, folder, _load_calibration(folder))


def _load_calibration(folder: Path) -> Calibration | None:
    path = folder / CALIBRATION_FILE
    if not path.exists():
        return None
    from palm_assets.quality.calibration import Calibration  # imports SciPy, which takes half a second

    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise CheckpointError(
            "The calibration of the scores cannot be read", where=path, hint="Make the model again."
        ) from error
    return Calibration.from_json(content)


def _random(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)
