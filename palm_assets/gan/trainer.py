"""The adversarial training step: both networks, their optimizers and their EMAs."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from palm_assets.errors import CheckpointError
from palm_assets.gan.augment import Augmentations, apply_augmentations, sample_augmentations
from palm_assets.gan.config import GanConfig
from palm_assets.gan.cuda_graph import CudaGraphRunner
from palm_assets.gan.hand_labels import LABELS
from palm_assets.gan.label_vectors import shares
from palm_assets.gan.losses import discriminator_loss, generator_loss, gradient_penalty, overfitting_heuristic
from palm_assets.gan.networks import Discriminator, Generator
from palm_assets.gan.training_images import TrainingImages
from palm_assets.runtime import computes_in_bfloat16

DISCRIMINATOR_EMA_RATIO = 0.1  # its half-life over the generator's: scores must keep up with the generator
MAX_AUGMENT_PROBABILITY = 0.85  # above it, augmentations leak into the samples (Karras 2020, ADA, figure 4)


class Trainer:
    """Both networks with their optimizers, exponential moving averages (EMA) and random number generator.

    Args:
        images: the real images, uint8 RGB (N, 3, S, S) with S = `config.image_size`. They are read batch by
            batch, unless they leave most of a GPU's memory free: then they are copied there.
        config: networks and recipe.
        labels: label vector of each image, float32 (N, L), if the networks are conditional; see
            `palm_assets.gan.label_vectors`.

    Attributes:
        generator_ema: EMA of the generator, from which images are sampled.
        discriminator_ema: EMA of the discriminator, which scores images, because the logits of the
            discriminator itself fluctuate from step to step.
        images_seen: real images shown so far.
        augment_probability: current probability of each kind of augmentation for each image.
    """

    def __init__(
        self, images: np.ndarray | TrainingImages, config: GanConfig, labels: Tensor | None = None
    ) -> None:
        self.config = config
        self.labels = torch.zeros(len(images), 0) if labels is None else labels
        self._weights = _sampling_weights(self.labels, config)
        self.device = torch.device(_device(config.device))
        self.bfloat16 = _use_bfloat16(config.precision, self.device)
        torch.manual_seed(config.seed)  # for the initial weights
        self.generator = Generator(config).to(self.device).to(memory_format=torch.channels_last)
        self.discriminator = Discriminator(config).to(self.device).to(memory_format=torch.channels_last)
        self.set_label_shares()
        self.generator_ema = copy.deepcopy(self.generator).requires_grad_(False)
        self.discriminator_ema = copy.deepcopy(self.discriminator).requires_grad_(False)
        self.optimizer_g = self._adam(self.generator, config.generator_lr)
        self.optimizer_d = self._adam(self.discriminator, config.discriminator_lr)
        self.random = torch.Generator().manual_seed(config.seed)
        self.images = _on_fastest_device(images, self.device)
        self.images_seen = 0
        self.augment_probability = config.augment_probability
        self._augment_kinds = tuple(dict.fromkeys(config.augment))
        self._cuda_graph = CudaGraphRunner(self._update) if self.device.type == "cuda" else None

    def _adam(self, network: nn.Module, lr: float) -> torch.optim.Adam:
        betas = self.config.beta1, self.config.beta2
        capturable = self.device.type == "cuda"  # where a step is captured as a CUDA graph
        return torch.optim.Adam(network.parameters(), lr, betas, fused=True, capturable=capturable)

    def step(self) -> dict[str, Tensor]:
        """Update both networks once: the discriminator, then the generator, on the same generated images.

        Returns:
            `loss_d`, `loss_g`, and the mean logits `logit_real` and `logit_fake`, each of shape ().
        """
        with_penalty = (self.images_seen // self.config.batch) % self.config.penalty_every == 0
        update = self._cuda_graph or self._update
        metrics = update(self._sample_inputs(), with_penalty)
        self.images_seen += self.config.batch
        loss_d, loss_g, logit_real, logit_fake, heuristic = metrics.unbind()
        self._adapt_augmentation(heuristic)
        self._update_emas()
        return {"loss_d": loss_d, "loss_g": loss_g, "logit_real": logit_real, "logit_fake": logit_fake}

    def _update(self, inputs: Sequence[Tensor], with_penalty: bool) -> Tensor:
        """Update both networks, as a CUDA graph can; returns losses, mean logits and heuristic, (5,)."""
        loss = self.config.loss
        images, latents, labels, *augmentations = inputs
        kinds = self._augment_kinds
        augment_real = dict(zip(kinds, augmentations[: len(kinds)], strict=True))
        augment_fake = dict(zip(kinds, augmentations[len(kinds) :], strict=True))

        # The discriminator, on real and generated images.
        with self._autocast():
            real = apply_augmentations(_to_float(images), augment_real)
            fake = apply_augmentations(self.generator(latents).float(), augment_fake)
            logits_real, logits_fake = self._logits(real, fake.detach(), labels)
            loss_d = discriminator_loss(loss, logits_real, logits_fake)
        penalty = self._gradient_penalties(real, fake.detach(), labels) if with_penalty else 0.0
        self._minimize(self.optimizer_d, loss_d + penalty)

        # The generator, through the updated discriminator, whose weights need no gradients here.
        self.discriminator.requires_grad_(False)
        with self._autocast():
            paired = self.discriminator(real, labels) if loss == "relativistic" else None
            loss_g = generator_loss(loss, self.discriminator(fake, labels), paired)
        self._minimize(self.optimizer_g, loss_g)
        if self.config.even_upsampling:
            self.generator.remove_checkerboard()
        self.discriminator.requires_grad_(True)
        heuristic = overfitting_heuristic(loss, logits_real, logits_fake)
        return torch.stack([loss_d, loss_g, logits_real.mean(), logits_fake.mean(), heuristic]).detach()

    def _sample_inputs(self) -> list[Tensor]:
        """Everything random in a step: images, latents, labels, and augmentations of both batches by kind.

        Generated images are asked to have the labels of the real ones. The latents have them appended.
        """
        config = self.config
        images, labels = self._sample_real_images()
        real = self._sample_augmentations()
        latents = torch.randn(config.batch, config.latent, generator=self.random)
        fake = self._sample_augmentations()
        augmentations = (batch[kind] for batch in (real, fake) for kind in self._augment_kinds)
        return [images, torch.cat([latents, labels], 1), labels, *augmentations]

    def _sample_real_images(self) -> tuple[Tensor, Tensor]:
        """Real images, uint8 (N, 3, S, S), and their labels (N, L); half are mirrored if so configured."""
        count = self.config.batch
        if self._weights is None:
            indices = torch.randint(len(self.images), (count,), generator=self.random)
        else:
            indices = torch.multinomial(self._weights, count, replacement=True, generator=self.random)
        if isinstance(self.images, Tensor):
            batch = self.images[indices.to(self.images.device, non_blocking=True)]
        else:
            batch = torch.from_numpy(np.asarray(self.images[indices.numpy()]))
        if self.config.mirror:
            mirrored = torch.rand(count, generator=self.random) < 0.5
            mirrored = mirrored.to(batch.device, non_blocking=True)[:, None, None, None]
            batch = torch.where(mirrored, batch.flip(3), batch)
        return batch, self.labels[indices]

    def _sample_augmentations(self) -> Augmentations:
        config = self.config
        return sample_augmentations(
            config.batch,
            config.image_size,
            config.augment,
            self.random,
            self.augment_probability,
            config.augment_color,
        )

    def _logits(self, real: Tensor, fake: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Logits of both batches, in one pass unless an image's logit depends on the rest of its batch."""
        if self.config.discriminator_norm == "batch" or self.config.minibatch_stddev:
            return self.discriminator(real, labels).float(), self.discriminator(fake, labels).float()
        both = self.discriminator(torch.cat([real, fake]), torch.cat([labels, labels]))
        logits_real, logits_fake = both.float().chunk(2)
        return logits_real, logits_fake

    def _gradient_penalties(self, real: Tensor, fake: Tensor, labels: Tensor) -> Tensor | float:
        """R1 and R2 penalties in float32, scaled up for the steps without them (lazy regularization)."""
        config = self.config
        penalty: Tensor | float = 0.0
        for weight, images in ((config.r1, real), (config.r2, fake)):
            if weight > 0:
                inputs = images.detach().requires_grad_(True)
                penalty += weight * gradient_penalty(self.discriminator(inputs, labels), inputs)
        return penalty * config.penalty_every

    def _minimize(self, optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()

    @torch.no_grad()
    def _adapt_augmentation(self, heuristic: Tensor) -> None:
        """Raise the augmentation probability if the discriminator overfits, else lower it (ADA)."""
        config = self.config
        if config.augment_target > 0:
            step = config.batch / (config.augment_kimg * 1000)
            step = step if float(heuristic) > config.augment_target else -step
            self.augment_probability = min(max(self.augment_probability + step, 0.0), MAX_AUGMENT_PROBABILITY)

    @torch.no_grad()
    def _update_emas(self) -> None:
        """Update both EMAs, with a half-life that grows with the images seen (Karras et al. 2020, ADA)."""
        half_life = min(self.config.ema_kimg * 1000, self.images_seen * self.config.ema_rampup)
        for ema, network, ratio in (
            (self.generator_ema, self.generator, 1),
            (self.discriminator_ema, self.discriminator, DISCRIMINATOR_EMA_RATIO),
        ):
            weight = 1 - 0.5 ** (self.config.batch / max(half_life * ratio, 1e-8))
            torch._foreach_lerp_(list(ema.parameters()), list(network.parameters()), weight)
        # Batch statistics are running means already. Those of the generator are recomputed before sampling.
        buffers = zip(self.discriminator_ema.buffers(), self.discriminator.buffers(), strict=True)
        for buffer, latest in buffers:
            buffer.copy_(latest)

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.bfloat16)

    def scale_learning_rates(self, factor: float) -> None:
        """Multiply both learning rates."""
        for optimizer in (self.optimizer_g, self.optimizer_d):
            for group in optimizer.param_groups:
                group["lr"] *= factor
        if self._cuda_graph is not None:
            self._cuda_graph.reset()  # a captured graph keeps the old learning rates

    def is_finite(self) -> bool:
        """Whether all weights of both networks and both EMAs are finite."""
        networks = (self.generator, self.discriminator, self.generator_ema, self.discriminator_ema)
        return all(bool(value.isfinite().all()) for net in networks for value in net.state_dict().values())

    def set_label_shares(self) -> None:
        """Note in the generator how often each combination of labels is trained on."""
        if self.labels.shape[1]:
            weights = torch.ones(len(self.labels)) if self._weights is None else self._weights
            counted = shares(self.config.labels, self.labels, weights)
            self.generator.get_buffer("label_shares").copy_(counted)

    def parts(self) -> dict[str, object]:
        """The state of training by name, without `images_seen` and `augment_probability`."""
        return {
            "generator": self.generator,
            "discriminator": self.discriminator,
            "generator_ema": self.generator_ema,
            "discriminator_ema": self.discriminator_ema,
            "optimizer_g": self.optimizer_g,
            "optimizer_d": self.optimizer_d,
            "random": self.random,
        }


def _sampling_weights(labels: Tensor, config: GanConfig) -> Tensor | None:
    """How often each image is drawn, relative to others, (N,); None for equally often."""
    by_aspect = config.balance_aspects if "aspect" in config.labels else 0
    by_skin = config.balance_skins if "skin" in config.labels else 0
    if by_aspect == by_skin == 0:
        return None
    columns = len(LABELS["aspect"]) if "aspect" in config.labels else 0
    kinds = [tuple(row) for row in labels.tolist()]
    of_kind, of_aspect = Counter(kinds), Counter(kind[:columns] for kind in kinds)
    total = dict.fromkeys(of_aspect, 0.0)  # of the shares of an aspect's skins
    for kind, count in of_kind.items():
        total[kind[:columns]] += count ** (1 - by_skin)
    weights = {}
    for kind, count in of_kind.items():
        images = of_aspect[kind[:columns]]
        weights[kind] = images**-by_aspect * (images / total[kind[:columns]]) * count**-by_skin
    return torch.tensor([weights[kind] for kind in kinds], dtype=torch.float64)


def _device(wanted: str) -> str:
    available = torch.cuda.is_available()
    if wanted == "cuda" and not available:
        raise CheckpointError("No CUDA device was found", hint="Set `device: auto` or `device: cpu`.")
    return "cuda" if available and wanted != "cpu" else "cpu"


def _to_float(images: Tensor) -> Tensor:
    """Images uint8 as float32 in [-1, 1]."""
    return images.to(torch.float32, memory_format=torch.channels_last).div_(127.5).sub_(1)


def _on_fastest_device(
    images: np.ndarray | TrainingImages, device: torch.device
) -> Tensor | np.ndarray | TrainingImages:
    """All real images on the GPU if they leave most of its memory free, else where they are."""
    if device.type == "cuda" and 4 * images.nbytes < torch.cuda.mem_get_info(device)[0]:
        return torch.from_numpy(images[np.arange(len(images))]).to(device)
    return images


def _use_bfloat16(wanted: str, device: torch.device) -> bool:
    # "auto" is float32 where bfloat16 would be emulated, which more than doubles the time.
    if wanted != "auto":
        return wanted == "bfloat16"
    return torch.cuda.is_bf16_supported() if device.type == "cuda" else computes_in_bfloat16()
