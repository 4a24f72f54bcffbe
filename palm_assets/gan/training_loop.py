"""Training loop: saves state, takes snapshots, and rolls back when training diverges."""

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
from palm_assets.gan.curves import Curves, read_curves
from palm_assets.gan.metrics import TrainingMetrics
from palm_assets.gan.networks import Discriminator, Generator
from palm_assets.gan.saved_states import SavedStates
from palm_assets.gan.state_files import STATE_FILE as STATE_FILE
from palm_assets.gan.trainer import Trainer
from palm_assets.gan.training_images import TrainingImages
from palm_assets.gan.warm_start import start_from
from palm_assets.progress import ShouldStop, never
from palm_assets.runtime import use_all_cores

CURVES_FILE = "curves.jsonl"
REPORT_SECONDS = 1.0
MAX_ROLLBACKS = 3
ROLLBACK_LR_FACTOR = 0.5  # for both learning rates, at each rollback
MAX_MAGNITUDE = 1e4  # of mean losses and logits; training diverges above it
WON_LOSS = 1e-3  # a discriminator loss below it leaves the generator without a gradient
WON_REPORTS = 30  # this many consecutive reports below WON_LOSS: the discriminator has won
SAFE_REPORTS = 2 * WON_REPORTS  # a state followed by so many reports was saved well before a lost game
NOT_FINITE = "A weight is not finite"
WON = "The discriminator has won outright"

Report = Callable[[TrainingMetrics], None]
Snapshot = Callable[[Generator, Discriminator, int], None]


@dataclass(frozen=True)
class TrainingResult:
    """Result of a completed training.

    Attributes:
        generator: the EMA generator, in evaluation mode.
        discriminator: the EMA discriminator, in evaluation mode.
        metrics: reports of the run, in order; thinned if there are thousands.
        rollbacks: number of rollbacks.
    """

    generator: Generator
    discriminator: Discriminator
    metrics: tuple[TrainingMetrics, ...]
    rollbacks: int = 0


def training_loop(
    images: np.ndarray | TrainingImages,
    config: GanConfig,
    work: Path,
    *,
    labels: Tensor | None = None,
    start: Path | None = None,
    report: Report = lambda metrics: None,
    snapshot: Snapshot = lambda generator, discriminator, images_seen: None,
    should_stop: ShouldStop = never,
) -> TrainingResult | None:
    """Train until `config.kimg` thousand real images were shown; resume if a state is saved in `work`.

    Training that diverges is rolled back to a saved state and continues at half the learning rates, at most
    three times. If the discriminator has won, which shows after half a minute only, that is a state from
    before; else it is the newest one, and the one before if that diverges again.

    Args:
        images: uint8 RGB (N, 3, S, S) with S = `config.image_size`, read batch by batch.
        config: networks and recipe.
        work: folder for the resumable state and the curves, saved every `config.save_minutes`, before each
            snapshot, and at the end.
        labels: label vectors of the images, float32 (N, L), for conditional networks.
        start: folder of the model whose weights a new run starts from; see `palm_assets.gan.warm_start`.
        report: called about once a second.
        snapshot: called every `config.snapshot_kimg` and at the end with copies of the EMA generator and the
            EMA discriminator in evaluation mode, and the images seen. Called again if the process died during
            the call.
        should_stop: asked after every step; if True, the state is saved and training ends.

    Returns:
        The result, or None if training was stopped.

    Raises:
        DatasetError: the images do not have the configured size, or there are too few for a batch.
        CheckpointError: the saved state or the model in `start` is damaged, or has other networks.
        TrainingDivergedError: training diverged again after the last rollback.
    """
    _check_images(images, config)
    use_all_cores()
    torch.set_flush_denormal(True)  # denormal numbers are a hundred times slower on a CPU
    torch.backends.cudnn.benchmark = True  # shapes never change, so a search for the fastest kernels pays off
    run = _Run(images, config, work, start, labels)

    def take_snapshot() -> None:
        discriminator = copy.deepcopy(run.trainer.discriminator_ema).eval()
        generator = with_recomputed_batch_norm(run.trainer.generator_ema, config)
        snapshot(generator, discriminator, run.trainer.images_seen)

    if run.interrupted_in_snapshot:
        take_snapshot()
    last_save = time.monotonic()
    while run.trainer.images_seen < run.total:
        metrics = run.step()
        if metrics is not None:
            if reason := divergence(run.recent):
                run.roll_back(reason)
                continue
            report(metrics)
        snapshot_due = run.snapshot_due()
        # A snapshot takes long, and a process that is asked to stop may be killed before it ends: save first.
        if snapshot_due or time.monotonic() - last_save > config.save_minutes * 60:
            last_save = time.monotonic()
            if not run.trainer.is_finite():
                run.roll_back(NOT_FINITE)
                continue
            run.save(before_snapshot=snapshot_due)
        if snapshot_due:
            take_snapshot()
        if should_stop():
            run.save()
            return None
    run.save()
    generator = with_recomputed_batch_norm(run.trainer.generator_ema, config)
    return TrainingResult(
        generator, run.trainer.discriminator_ema.eval(), tuple(run.curves.rows), run.rollbacks
    )


class _Run:
    """A trainer, its metrics so far, and its saved states."""

    def __init__(
        self,
        images: np.ndarray | TrainingImages,
        config: GanConfig,
        work: Path,
        start: Path | None,
        labels: Tensor | None,
    ) -> None:
        self._images, self._config, self._start, self._labels = images, config, start, labels
        self._curves_file = work / CURVES_FILE
        self._states = SavedStates(work, SAFE_REPORTS)
        self.total = math.ceil(config.kimg * 1000 / config.batch) * config.batch
        self.rollbacks = 0
        self._returned_to: int | None = None  # images seen in the state that was rolled back to last
        self._load()

    def _load(self) -> None:
        self.trainer = trainer = Trainer(self._images, self._config, self._labels)
        self.curves = Curves()
        self.recent: list[TrainingMetrics] = []  # the last reports, in which divergence shows
        self._reports = 0
        notes = self._states.load(trainer.parts())
        if notes is None and self._start is not None:
            start_from(self._start, trainer.generator, trainer.discriminator, self._config.networks())
            trainer.set_label_shares()
            trainer.generator_ema.load_state_dict(trainer.generator.state_dict())
            trainer.discriminator_ema.load_state_dict(trainer.discriminator.state_dict())
        if notes is not None:
            trainer.images_seen = notes["images_seen"]
            trainer.augment_probability = notes["augment_probability"]
            self.curves = read_curves(self._curves_file, trainer.images_seen, notes["stride"])
            self.recent = [TrainingMetrics(**row) for row in notes["recent"]]
            self._reports = notes["age"]
            self.rollbacks = max(self.rollbacks, notes["rollbacks"])
        self._saved_at = trainer.images_seen
        self.interrupted_in_snapshot = notes is not None and notes["before_snapshot"]
        trainer.scale_learning_rates(ROLLBACK_LR_FACTOR**self.rollbacks)
        self._means = _Means(trainer.images_seen)

    def step(self) -> TrainingMetrics | None:
        """Train on one batch; returns metrics about once a second, and after the last batch."""
        self._means.add(self.trainer.step())
        if self._means.age() < REPORT_SECONDS and self.trainer.images_seen < self.total:
            return None
        metrics = self._means.mean(self.trainer, self.total)
        self._means = _Means(self.trainer.images_seen)
        self._reports += 1
        self.recent = [*self.recent, metrics][-WON_REPORTS:]
        self.curves.add(metrics)
        return metrics

    def snapshot_due(self) -> bool:
        interval, seen = self._config.snapshot_kimg * 1000, self.trainer.images_seen
        return seen % interval < self._config.batch or seen >= self.total

    def save(self, *, before_snapshot: bool = False) -> None:
        if not self.trainer.is_finite():  # resuming from such a state would always fail
            raise _diverged(NOT_FINITE, self.trainer.images_seen)
        notes = {
            "images_seen": self.trainer.images_seen,
            "augment_probability": self.trainer.augment_probability,
            "rollbacks": self.rollbacks,
            "before_snapshot": before_snapshot,
            "recent": [vars(row) for row in self.recent],
            "stride": self.curves.stride,
        }
        self.curves.write(self._curves_file)
        self._states.save(self.trainer.parts(), notes, self._reports)
        self._saved_at = self.trainer.images_seen

    def roll_back(self, reason: str) -> None:
        if self.rollbacks >= MAX_ROLLBACKS:
            raise _diverged(reason, self.trainer.images_seen)
        self.rollbacks += 1
        if reason == WON:
            self._states.roll_back(self._reports, to_safety=True)
        elif self._returned_to == self._saved_at:  # it diverged again from the same state
            self._states.roll_back(self._reports, to_safety=False)
        self._load()
        self._returned_to = self._saved_at


def divergence(metrics: list[TrainingMetrics]) -> str:
    """Why training has diverged, according to the latest metrics; empty if it has not."""
    latest = metrics[-1]
    values = (latest.loss_d, latest.loss_g, latest.logit_real, latest.logit_fake)
    if not all(map(math.isfinite, values)):
        return "A loss is not finite"
    if max(map(abs, values)) > MAX_MAGNITUDE:
        return "The losses exploded"
    window = metrics[-WON_REPORTS:]
    if len(window) == WON_REPORTS and all(row.loss_d < WON_LOSS for row in window):
        return WON
    return ""


def _diverged(reason: str, images_seen: int) -> TrainingDivergedError:
    return TrainingDivergedError(
        f"{reason} after {images_seen} images, and {MAX_ROLLBACKS} rollbacks did not help",
        hint="Lower the learning rates, or raise r1 to regularize the discriminator more.",
    )


@torch.no_grad()
def with_recomputed_batch_norm(
    generator: Generator, config: GanConfig, batches: int = 32, size: int = 64
) -> Generator:
    """A copy of an EMA generator with recomputed batch-norm statistics, in evaluation mode.

    The running statistics were collected with other weights than the averaged ones, so they are recomputed
    from random latents, as for stochastic weight averaging (Izmailov et al. 2018, arXiv:1803.05407, section
    3.2). Independent of global random state.

    Args:
        generator: left unchanged.
        config: its latent size and the seed.
        batches: number of batches of latents.
        size: latents per batch.
    """
    copied = copy.deepcopy(generator).train()
    norms = [module for module in copied.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # cumulative mean over the batches below
    random = torch.Generator().manual_seed(config.seed)
    device = next(copied.parameters()).device
    for _ in range(batches):
        copied(copied.random_inputs(size, random).to(device))
    return copied.eval()


class _Means:
    """Means of metrics since the last report, without synchronizing with the device at every step."""

    def __init__(self, images_seen: int) -> None:
        self._images_seen = images_seen
        self._start = time.monotonic()
        self._steps: list[dict[str, Tensor]] = []

    def add(self, step: dict[str, Tensor]) -> None:
        self._steps.append({name: value.detach() for name, value in step.items()})

    def age(self) -> float:
        return time.monotonic() - self._start

    def mean(self, trainer: Trainer, total: int) -> TrainingMetrics:
        means = {name: float(torch.stack([s[name] for s in self._steps]).mean()) for name in self._steps[0]}
        return TrainingMetrics(
            trainer.images_seen,
            total,
            means["loss_d"],
            means["loss_g"],
            means["logit_real"],
            means["logit_fake"],
            (trainer.images_seen - self._images_seen) / max(self.age(), 1e-9),
            trainer.augment_probability,
        )


def _check_images(images: np.ndarray | TrainingImages, config: GanConfig) -> None:
    expected = (3, config.image_size, config.image_size)
    if images.shape[1:] != expected:
        raise DatasetError(
            f"The crops have shape {images.shape[1:]}, but the networks expect {expected}",
            hint="Set the same image_size for cropped_palms and dcgan_checkpoint.",
        )
    if len(images) < config.batch:
        raise DatasetError(
            f"{len(images)} crops do not fill a batch of {config.batch}",
            hint="Add photographs or lower `batch`.",
        )
