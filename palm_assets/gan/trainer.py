"""The adversarial game: both players, and what happens when a batch is shown to them."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from palm_assets.errors import CheckpointError
from palm_assets.gan.augment import Changes, changed, drawn_changes
from palm_assets.gan.config import GanConfig
from palm_assets.gan.cuda_graph import Recorder
from palm_assets.gan.losses import certainty, discriminator_loss, generator_loss, gradient_penalty
from palm_assets.gan.networks import Discriminator, Generator
from palm_assets.runtime import computes_in_bfloat16

JUDGE_SHARE = 0.1  # of the generator's half-life; the judge has to keep up with it
AUGMENT_MOST = 0.85  # beyond this, changes leak into what is generated (Karras et al. 2020, ADA, figure 4)


class Game:
    """Both players with their optimizers, their averages, and all randomness.

    Attributes:
        average: of the generator, which draws.
        judge: average of the discriminator, which scores: the player itself leaps now and then, and what it
            says of one image changes from step to step.
        seen: photographs shown so far.
        strength: current probability of each augmentation.
    """

    def __init__(self, images: np.ndarray, config: GanConfig) -> None:
        self.config = config
        self.device = torch.device(_device(config.device))
        self.bfloat16 = _in_bfloat16(config.precision, self.device)
        torch.manual_seed(config.seed)  # the weights' start
        self.generator = Generator(config).to(self.device).to(memory_format=torch.channels_last)
        self.discriminator = Discriminator(config).to(self.device).to(memory_format=torch.channels_last)
        self.average = copy.deepcopy(self.generator).requires_grad_(False)
        self.judge = copy.deepcopy(self.discriminator).requires_grad_(False)
        self.optimizer_g = self._adam(self.generator, config.generator_lr)
        self.optimizer_d = self._adam(self.discriminator, config.discriminator_lr)
        self.random = torch.Generator().manual_seed(config.seed)
        self.images = _nearby(torch.from_numpy(np.array(images)), self.device)  # uint8 (N, 3, S, S)
        self.seen = 0
        self.strength = config.augment_probability
        self._kinds = tuple(dict.fromkeys(config.augment))
        self._recorded = self._recorder()

    def _adam(self, player: nn.Module, rate: float) -> torch.optim.Adam:
        betas = self.config.beta1, self.config.beta2
        on_a_gpu = self.device.type == "cuda"  # there a step is recorded
        return torch.optim.Adam(player.parameters(), rate, betas, fused=True, capturable=on_a_gpu)

    def _recorder(self) -> Recorder | None:
        return Recorder(self._play) if self.device.type == "cuda" else None

    def step(self) -> dict[str, Tensor]:
        """Show both players a batch: the discriminator learns, then the generator, from the same fakes."""
        penalised = (self.seen // self.config.batch) % self.config.penalty_every == 0
        play = self._recorded or self._play
        told = play(self._drawn(), penalised)
        self.seen += self.config.batch
        loss_d, loss_g, real, fake, certain = told.unbind()
        self._adapt(certain)
        self._average()
        return {"d": loss_d, "g": loss_g, "real": real, "fake": fake}

    def _play(self, drawn: Sequence[Tensor], penalised: bool) -> Tensor:
        """All that a card can do of a step by itself: both losses, mean logits, and D's certainty, (5,)."""
        kind = self.config.loss
        photographs, latents, *changes = drawn
        views = [dict(zip(self._kinds, part, strict=True)) for part in _halves(changes)]
        with self._autocast():
            real = changed(_pixels(photographs), views[0])
            fake = changed(self.generator(latents).float(), views[1])
            logits_real, logits_fake = self._judged(real, fake.detach())
            loss_d = discriminator_loss(kind, logits_real, logits_fake)
        self._learn(self.optimizer_d, loss_d + (self._penalty(real, fake.detach()) if penalised else 0.0))

        # The generator's step needs no gradients of its opponent's weights.
        self.discriminator.requires_grad_(False)
        with self._autocast():
            # A relativistic generator is judged beside photographs.
            opposite = self.discriminator(real) if kind == "relativistic" else None
            loss_g = generator_loss(kind, self.discriminator(fake), opposite)
        self._learn(self.optimizer_g, loss_g)
        if self.config.even_upsampling:
            self.generator.even_out()
        self.discriminator.requires_grad_(True)
        told = (loss_d, loss_g, logits_real.mean(), logits_fake.mean())
        return torch.stack([*told, certainty(kind, logits_real, logits_fake)]).detach()

    def _drawn(self) -> list[Tensor]:
        """All that chance decides in a step: photographs, latents, and how both batches are changed."""
        config = self.config
        photographs = self._photographs()
        real = self._changes()
        latents = torch.randn(config.batch, config.latent, generator=self.random)
        fake = self._changes()
        return [photographs, latents, *(view[kind] for view in (real, fake) for kind in self._kinds)]

    def _photographs(self) -> Tensor:
        """A batch, uint8 (N, 3, S, S)."""
        count = self.config.batch
        chosen = torch.randint(len(self.images), (count,), generator=self.random)
        batch = self.images[chosen.to(self.images.device, non_blocking=True)]
        if self.config.mirror:
            mirrored = torch.rand(count, generator=self.random) < 0.5
            mirrored = mirrored.to(batch.device, non_blocking=True)[:, None, None, None]
            batch = torch.where(mirrored, batch.flip(3), batch)
        return batch

    def _changes(self) -> Changes:
        config = self.config
        return drawn_changes(
            config.batch,
            config.image_size,
            config.augment,
            self.random,
            self.strength,
            config.augment_colour,
        )

    def _judged(self, real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
        """Logits of both, in one pass unless an image's logit depends on those beside it."""
        if self.config.discriminator_norm == "batch" or self.config.minibatch_stddev:
            return self.discriminator(real).float(), self.discriminator(fake).float()
        logits_real, logits_fake = self.discriminator(torch.cat([real, fake])).float().chunk(2)
        return logits_real, logits_fake

    def _penalty(self, real: Tensor, fake: Tensor) -> Tensor | float:
        """The gradient penalties, weighted up for the steps that have none; in full precision."""
        config = self.config
        penalty: Tensor | float = 0.0
        for weight, images in ((config.r1, real), (config.r2, fake)):
            if weight > 0:
                looked_at = images.detach().requires_grad_(True)
                penalty += weight * gradient_penalty(self.discriminator(looked_at), looked_at)
        return penalty * config.penalty_every

    def _learn(self, optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()

    @torch.no_grad()
    def _adapt(self, certain: Tensor) -> None:
        """Augment more while the discriminator is too certain of photographs, else less (ADA)."""
        config = self.config
        if config.augment_target > 0:
            step = config.batch / (config.augment_kimg * 1000)
            step = step if float(certain) > config.augment_target else -step
            self.strength = min(max(self.strength + step, 0.0), AUGMENT_MOST)

    @torch.no_grad()
    def _average(self) -> None:
        """Follow both players with a half-life that grows with what was seen (Karras et al. 2020, ADA)."""
        half_life = min(self.config.ema_kimg * 1000, self.seen * self.config.ema_rampup)
        for average, player, share in (
            (self.average, self.generator, 1),
            (self.judge, self.discriminator, JUDGE_SHARE),
        ):
            weight = 1 - 0.5 ** (self.config.batch / max(half_life * share, 1e-8))
            torch._foreach_lerp_(list(average.parameters()), list(player.parameters()), weight)
        # Statistics of batches are running means already (the generator's are measured anew at the end).
        for kept, latest in zip(self.judge.buffers(), self.discriminator.buffers(), strict=True):
            kept.copy_(latest)

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.bfloat16)

    def slow_down(self, factor: float) -> None:
        """Multiply both learning rates."""
        for optimizer in (self.optimizer_g, self.optimizer_d):
            for group in optimizer.param_groups:
                group["lr"] *= factor
        if self._recorded is not None:
            self._recorded.forget()  # a recording keeps its rates

    def is_finite(self) -> bool:
        """Whether all weights and averages are numbers."""
        networks = (self.generator, self.discriminator, self.average, self.judge)
        return all(bool(value.isfinite().all()) for net in networks for value in net.state_dict().values())

    def parts(self) -> dict[str, object]:
        """All that a resumed run needs, beside `seen` and `strength`."""
        return {
            "generator": self.generator,
            "discriminator": self.discriminator,
            "average": self.average,
            "judge": self.judge,
            "optimizer_g": self.optimizer_g,
            "optimizer_d": self.optimizer_d,
            "random": self.random,
        }


def _device(wanted: str) -> str:
    available = torch.cuda.is_available()
    if wanted == "cuda" and not available:
        raise CheckpointError("No CUDA device was found", hint="Set `device: auto` or `device: cpu`.")
    return "cuda" if available and wanted != "cpu" else "cpu"


def _pixels(photographs: Tensor) -> Tensor:
    """Bytes as float32 in [-1, 1]."""
    return photographs.to(torch.float32, memory_format=torch.channels_last).div_(127.5).sub_(1)


def _halves(rows: Sequence[Tensor]) -> tuple[Sequence[Tensor], Sequence[Tensor]]:
    return rows[: len(rows) // 2], rows[len(rows) // 2 :]


def _nearby(images: Tensor, device: torch.device) -> Tensor:
    """The photographs where a batch of them is quickest: on the card if they leave most of it free."""
    if device.type == "cuda" and 4 * images.nbytes < torch.cuda.mem_get_info(device)[0]:
        return images.to(device)
    return images


def _in_bfloat16(wanted: str, device: torch.device) -> bool:
    """On a processor that has to emulate it, bfloat16 costs more than twice the time."""
    if wanted != "auto":
        return wanted == "bfloat16"
    return torch.cuda.is_bf16_supported() if device.type == "cuda" else computes_in_bfloat16()
