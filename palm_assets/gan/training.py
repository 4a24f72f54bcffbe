"""The adversarial game: a generator and a discriminator, trained against each other on cropped palms."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from palm_assets.cpu import use_all_cores
from palm_assets.errors import CheckpointError, DatasetError, TrainingDivergedError
from palm_assets.gan.augment import augmented
from palm_assets.gan.config import GanConfig
from palm_assets.gan.losses import discriminator_loss, generator_loss, gradient_penalty
from palm_assets.gan.networks import Discriminator, Generator
from palm_assets.gan.state import load_state, save_state

STATE_FILE = "state.safetensors"
REPORT_SECONDS = 1.0


@dataclass(frozen=True)
class Figures:
    """Where training stands: images shown so far and in all, mean losses and logits since the last report."""

    seen: int
    total: int
    loss_d: float
    loss_g: float
    logit_real: float
    logit_fake: float
    images_per_second: float


@dataclass(frozen=True)
class Trained:
    """What training leaves: the averaged generator, the discriminator, and the curves."""

    generator: Generator
    discriminator: Discriminator
    curves: tuple[Figures, ...]


class Game:
    """Both players with their optimizers, the averaged generator, and all randomness."""

    def __init__(self, images: np.ndarray, config: GanConfig) -> None:
        self.config = config
        self.device = torch.device(_device(config.device))
        torch.manual_seed(config.seed)  # the weights' start
        self.generator = Generator(config).to(self.device).to(memory_format=torch.channels_last)
        self.discriminator = Discriminator(config).to(self.device).to(memory_format=torch.channels_last)
        self.average = copy.deepcopy(self.generator).requires_grad_(False)
        betas = (config.beta1, config.beta2)
        self.optimizer_g = torch.optim.Adam(
            self.generator.parameters(), config.generator_lr, betas, fused=True
        )
        self.optimizer_d = torch.optim.Adam(
            self.discriminator.parameters(), config.discriminator_lr, betas, fused=True
        )
        self.random = torch.Generator().manual_seed(config.seed)
        self.images = torch.from_numpy(np.array(images))  # uint8 (N, 3, S, S), once into memory
        self.seen = 0

    def step(self) -> dict[str, Tensor]:
        """Show both players a batch: the discriminator learns, then the generator, on the same fakes."""
        config = self.config
        penalised = (config.r1 > 0 or config.r2 > 0) and (
            self.seen // config.batch
        ) % config.penalty_every == 0
        real = self._view(self._photographs()).requires_grad_(penalised)
        generated = self.generator(self._latents())
        fake = self._view(generated.detach()).requires_grad_(penalised)

        logits_real, logits_fake = self.discriminator(real), self.discriminator(fake)
        loss_d = discriminator_loss(config.loss, logits_real, logits_fake)
        penalty = torch.zeros((), device=self.device)
        if penalised and config.r1 > 0:
            penalty = penalty + config.r1 * gradient_penalty(logits_real, real)
        if penalised and config.r2 > 0:
            penalty = penalty + config.r2 * gradient_penalty(logits_fake, fake)
        self._learn(self.optimizer_d, loss_d + penalty * config.penalty_every)

        self.discriminator.requires_grad_(
            False
        )  # the generator's step needs no gradients of the opponent's weights
        opposite = self.discriminator(real.detach()) if config.loss == "relativistic" else None
        loss_g = generator_loss(config.loss, self.discriminator(self._view(generated)), opposite)
        self._learn(self.optimizer_g, loss_g)
        self.discriminator.requires_grad_(True)

        self.seen += config.batch
        self._average()
        return {"d": loss_d, "g": loss_g, "real": logits_real.mean(), "fake": logits_fake.mean()}

    def _photographs(self) -> Tensor:
        chosen = torch.randint(len(self.images), (self.config.batch,), generator=self.random)
        batch = self.images[chosen].to(self.device, non_blocking=True)
        return batch.to(torch.float32, memory_format=torch.channels_last).div_(127.5).sub_(1)

    def _latents(self) -> Tensor:
        return torch.randn(self.config.batch, self.config.latent, generator=self.random).to(self.device)

    def _view(self, images: Tensor) -> Tensor:
        return augmented(images, self.config.augment, self.random)

    def _learn(self, optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()

    @torch.no_grad()
    def _average(self) -> None:
        """Follow the generator with a half-life that grows with what was seen (Karras et al. 2020, ADA)."""
        half_life = min(self.config.ema_kimg * 1000, self.seen * self.config.ema_rampup)
        weight = 1 - 0.5 ** (self.config.batch / max(half_life, 1e-8))
        torch._foreach_lerp_(list(self.average.parameters()), list(self.generator.parameters()), weight)

    def is_finite(self) -> bool:
        """Whether all weights and averages are numbers."""
        networks = (self.generator, self.discriminator, self.average)
        return all(bool(value.isfinite().all()) for net in networks for value in net.state_dict().values())

    def parts(self) -> dict[str, object]:
        """All that a resumed run needs."""
        return {
            "generator": self.generator,
            "discriminator": self.discriminator,
            "average": self.average,
            "optimizer_g": self.optimizer_g,
            "optimizer_d": self.optimizer_d,
            "random": self.random,
        }


def train(
    images: np.ndarray,
    config: GanConfig,
    work: Path,
    *,
    report: Callable[[Figures], None] = lambda figures: None,
    snapshot: Callable[[Generator, int], None] = lambda generator, seen: None,
    stopped: Callable[[], bool] = lambda: False,
) -> Trained | None:
    """Play until `config.kimg` thousand photographs were shown; a state saved in `work` is taken up again.

    Args:
        images: uint8 RGB (N, 3, S, S) with S = `config.image_size`.
        config: the recipe.
        work: folder of the resumable state, saved every `config.save_minutes` and when stopped.
        report: called about once a second.
        snapshot: called every `config.snapshot_kimg` with the averaged generator, ready for sampling.
        stopped: asked after every step; True saves the state and ends the call with None.

    Raises:
        DatasetError: the images do not have the configured size, or there are too few for a batch.
        TrainingDivergedError: a loss or a weight is no longer finite.
    """
    _check(images, config)
    use_all_cores()
    torch.set_flush_denormal(True)  # vanishing activations otherwise take a hundred times longer on a CPU
    game = Game(images, config)
    path = work / STATE_FILE
    notes = load_state(path, game.parts()) or {"seen": 0, "curves": []}
    game.seen = notes["seen"]
    curves = [Figures(**row) for row in notes["curves"]]
    total = math.ceil(config.kimg * 1000 / config.batch) * config.batch
    window = _Window(game.seen)
    saved = time.monotonic()

    def diverged(what: str) -> TrainingDivergedError:
        return TrainingDivergedError(
            f"{what} after {game.seen} images",
            hint="Lower the learning rates, or set r1: 1 to calm the discriminator.",
        )

    def save() -> None:
        if not game.is_finite():  # such a state would end every later run too
            raise diverged("A weight is not finite")
        rows = [vars(row) for row in curves]
        save_state(path, game.parts(), {"seen": game.seen, "curves": rows})

    while game.seen < total:
        window.add(game.step())
        if window.age() >= REPORT_SECONDS or game.seen >= total:
            figures = window.figures(game.seen, total)
            window = _Window(game.seen)
            if not math.isfinite(figures.loss_d + figures.loss_g):
                raise diverged("A loss is not finite")
            curves.append(figures)
            report(figures)
        if game.seen % (config.snapshot_kimg * 1000) < config.batch and game.seen < total:
            snapshot(ready_for_sampling(game.average, config), game.seen)
        if stopped():
            save()
            return None
        if time.monotonic() - saved > config.save_minutes * 60:
            save()
            saved = time.monotonic()
    save()
    return Trained(ready_for_sampling(game.average, config), game.discriminator.eval(), tuple(curves))


@torch.no_grad()
def ready_for_sampling(average: Generator, config: GanConfig, batches: int = 32, size: int = 64) -> Generator:
    """A copy whose batch-norm statistics are those of its own weights.

    Averaged weights never produced the running statistics that were averaged along with them, so these are
    measured afresh (Izmailov et al. 2018, arXiv:1803.05407, section 3.2, do so for averaged classifiers).
    """
    ready = copy.deepcopy(average).train()
    norms = [module for module in ready.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a plain mean over the batches below
    random = torch.Generator().manual_seed(config.seed)
    device = next(ready.parameters()).device
    for _ in range(batches):
        ready(torch.randn(size, config.latent, generator=random).to(device))
    return ready.eval()


class _Window:
    """Means since the last report, without waiting for the device at every step."""

    def __init__(self, seen: int) -> None:
        self._seen = seen
        self._start = time.monotonic()
        self._steps: list[dict[str, Tensor]] = []

    def add(self, step: dict[str, Tensor]) -> None:
        self._steps.append({name: value.detach() for name, value in step.items()})

    def age(self) -> float:
        return time.monotonic() - self._start

    def figures(self, seen: int, total: int) -> Figures:
        means = {name: float(torch.stack([s[name] for s in self._steps]).mean()) for name in self._steps[0]}
        rate = (seen - self._seen) / max(self.age(), 1e-9)
        return Figures(seen, total, means["d"], means["g"], means["real"], means["fake"], rate)


def _device(wanted: str) -> str:
    available = torch.cuda.is_available()
    if wanted == "cuda" and not available:
        raise CheckpointError("No CUDA device was found", hint="Set `device: auto` or `device: cpu`.")
    return "cuda" if available and wanted != "cpu" else "cpu"


def _check(images: np.ndarray, config: GanConfig) -> None:
    wanted = (3, config.image_size, config.image_size)
    if images.shape[1:] != wanted:
        raise DatasetError(
            f"The crops are {images.shape[1:]}, the networks want {wanted}",
            hint="Give cropped_palms and dcgan_checkpoint the same image_size.",
        )
    if len(images) < config.batch:
        raise DatasetError(
            f"{len(images)} crops do not fill a batch of {config.batch}",
            hint="Add photographs or lower `batch`.",
        )
