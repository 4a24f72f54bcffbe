"""Training: the game played to its end, saved on the way, and set right when it breaks down."""

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

from palm_assets.errors import DatasetError, TrainingDivergedError
from palm_assets.gan.config import GanConfig
from palm_assets.gan.networks import Discriminator, Generator
from palm_assets.gan.trainer import Game
from palm_assets.gan.training_state import load_state, save_state
from palm_assets.gan.warm_start import start_from
from palm_assets.runtime import use_all_cores

STATE_FILE = "state.safetensors"
REPORT_SECONDS = 1.0
MOST_ROLLBACKS = 3
SLOWER = 0.5  # the learning rates' factor after each rollback
EXPLODED = 1e4  # a mean loss or logit beyond any game that still goes on
WON = 1e-3  # a discriminator's loss at which the generator is told nothing any more
WON_FOR = 30  # reports in a row
NOT_FINITE = "A weight is not finite"


@dataclass(frozen=True)
class Figures:
    """Where training stands.

    Attributes:
        seen: photographs shown so far.
        total: photographs shown in all.
        loss_d: mean loss of the discriminator since the last report, and so on.
        loss_g: of the generator.
        logit_real: of photographs.
        logit_fake: of generated images.
        images_per_second: photographs shown.
        strength: probability of each augmentation.
    """

    seen: int
    total: int
    loss_d: float
    loss_g: float
    logit_real: float
    logit_fake: float
    images_per_second: float
    strength: float = 1.0


@dataclass(frozen=True)
class Trained:
    """What training leaves: the averages of both players, and the curves.

    `rollbacks` is how often the game broke down and was taken up again with slower learning.
    """

    generator: Generator
    discriminator: Discriminator
    curves: tuple[Figures, ...]
    rollbacks: int = 0


def train(
    images: np.ndarray,
    config: GanConfig,
    work: Path,
    *,
    start: Path | None = None,
    report: Callable[[Figures], None] = lambda figures: None,
    snapshot: Callable[[Generator, Discriminator, int], None] = lambda generator, discriminator, seen: None,
    stopped: Callable[[], bool] = lambda: False,
) -> Trained | None:
    """Play until `config.kimg` thousand photographs were shown; a state saved in `work` is taken up again.

    A game that breaks down is rolled back to the last state saved and goes on at half the learning rates, up
    to three times.

    Args:
        images: uint8 RGB (N, 3, S, S) with S = `config.image_size`.
        config: the recipe.
        work: folder of the resumable state, saved every `config.save_minutes`, before a
            snapshot, and when stopped.
        start: folder of the model whose weights, grown if need be, are where a new run begins.
        report: called about once a second.
        snapshot: called every `config.snapshot_kimg` and at the end with copies of the averages of both
            players, ready for use; again if the process ended in the midst of it.
        stopped: asked after every step; True saves the state and ends the call with None.

    Raises:
        DatasetError: the images do not have the configured size, or there are too few for a batch.
        CheckpointError: the saved state is damaged or of other networks, or `start` is.
        TrainingDivergedError: it broke down once more after the last rollback.
    """
    _check(images, config)
    use_all_cores()
    torch.set_flush_denormal(True)  # vanishing activations otherwise take a hundred times longer on a CPU
    torch.backends.cudnn.benchmark = True  # a GPU looks for its fastest convolutions once, sizes never change
    run = _Run(images, config, work / STATE_FILE, start)

    def look() -> None:
        judge = copy.deepcopy(run.game.judge).eval()
        snapshot(ready_for_sampling(run.game.average, config), judge, run.game.seen)

    if run.was_ended_looking:
        look()
    saved = time.monotonic()
    while run.game.seen < run.total:
        figures = run.step()
        if figures is not None:
            wrong = trouble(run.curves)
            if wrong:
                run.roll_back(wrong)
                continue
            report(figures)
        due = run.snapshot_due()
        # A look takes a while, and whoever stops a run does not wait that long: saved first.
        if due or time.monotonic() - saved > config.save_minutes * 60:
            saved = time.monotonic()
            if not run.game.is_finite():
                run.roll_back(NOT_FINITE)
                continue
            run.save(looking=due)
        if due:
            look()
        if stopped():
            run.save()
            return None
    run.save()
    generator = ready_for_sampling(run.game.average, config)
    return Trained(generator, run.game.judge.eval(), tuple(run.curves), run.rollbacks)


class _Run:
    """A game with its history, and its state on disk."""

    def __init__(self, images: np.ndarray, config: GanConfig, path: Path, start: Path | None) -> None:
        self._images, self._config, self._path, self._start = images, config, path, start
        self.total = math.ceil(config.kimg * 1000 / config.batch) * config.batch
        self.rollbacks = 0
        self._load()

    def _load(self) -> None:
        self.game = Game(self._images, self._config)
        self.curves: list[Figures] = []
        notes = load_state(self._path, self.game.parts())
        if notes is None and self._start is not None:
            start_from(self._start, self.game.generator, self.game.discriminator, self._config.networks())
            self.game.average.load_state_dict(self.game.generator.state_dict())
            self.game.judge.load_state_dict(self.game.discriminator.state_dict())
        if notes is not None:
            self.game.seen, self.game.strength = notes["seen"], notes["strength"]
            self.curves = [Figures(**row) for row in notes["curves"]]
            self.rollbacks = max(self.rollbacks, notes["rollbacks"])
        self.was_ended_looking = notes is not None and notes.get("looking", False)
        self.game.slow_down(SLOWER**self.rollbacks)
        self._window = _Window(self.game.seen)

    def step(self) -> Figures | None:
        """One batch; figures about once a second."""
        self._window.add(self.game.step())
        if self._window.age() < REPORT_SECONDS and self.game.seen < self.total:
            return None
        figures = self._window.figures(self.game, self.total)
        self._window = _Window(self.game.seen)
        self.curves.append(figures)
        return figures

    def snapshot_due(self) -> bool:
        every, seen = self._config.snapshot_kimg * 1000, self.game.seen
        return seen % every < self._config.batch or seen >= self.total

    def save(self, *, looking: bool = False) -> None:
        if not self.game.is_finite():  # such a state would end every later run too
            raise _diverged(NOT_FINITE, self.game.seen)
        rows = [vars(row) for row in self.curves]
        notes = {
            "seen": self.game.seen,
            "strength": self.game.strength,
            "rollbacks": self.rollbacks,
            "looking": looking,
            "curves": rows,
        }
        save_state(self._path, self.game.parts(), notes)

    def roll_back(self, wrong: str) -> None:
        if self.rollbacks >= MOST_ROLLBACKS:
            raise _diverged(wrong, self.game.seen)
        self.rollbacks += 1
        self._load()


def trouble(curves: list[Figures]) -> str:
    """What has gone wrong with the game by its latest figures; empty if nothing."""
    now = curves[-1]
    figures = (now.loss_d, now.loss_g, now.logit_real, now.logit_fake)
    if not all(map(math.isfinite, figures)):
        return "A loss is not finite"
    if max(map(abs, figures)) > EXPLODED:
        return "The losses exploded"
    latest = curves[-WON_FOR:]
    if len(latest) == WON_FOR and all(row.loss_d < WON for row in latest):
        return "The discriminator has won outright"
    return ""


def _diverged(what: str, seen: int) -> TrainingDivergedError:
    return TrainingDivergedError(
        f"{what} after {seen} images, and {MOST_ROLLBACKS} times slower learning did not help",
        hint="Lower the learning rates, or raise r1 to calm the discriminator.",
    )


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

    def figures(self, game: Game, total: int) -> Figures:
        means = {name: float(torch.stack([s[name] for s in self._steps]).mean()) for name in self._steps[0]}
        rate = (game.seen - self._seen) / max(self.age(), 1e-9)
        logits = means["real"], means["fake"]
        return Figures(game.seen, total, means["d"], means["g"], *logits, rate, game.strength)


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
