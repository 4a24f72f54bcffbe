"""Selects the checkpoint of a training run whose samples are nearest to the people held out."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from palm_assets.gan.checkpoint import load_networks, save_networks
from palm_assets.gan.networks import Discriminator, Generator
from palm_assets.gan.sampler import PalmModel
from palm_assets.quality.extractors.identity import ExtractorName
from palm_assets.quality.features import extract, load_extractor
from palm_assets.quality.kid import kernel_distance
from palm_assets.store.atomic import write_atomically

EXTRACTOR: ExtractorName = "efficientnet-lite0"  # ships with its package, and is fast
SAMPLES = 500
SEED = 4 * 10**9  # the same latents for every checkpoint, so that differences are due to the weights
MIN_HELD_OUT = 8  # with fewer held-out crops a distance says nothing: then the last checkpoint is kept


@dataclass(frozen=True)
class CheckpointRecord:
    """How one checkpoint measured up.

    Attributes:
        images_seen: real images shown until then.
        kernel_distance: on EfficientNet-Lite0 features, between its samples and the crops of held-out people;
            NaN where too few are held out.
        kernel_distance_sd: standard deviation of that distance over random subsets.
    """

    images_seen: int
    kernel_distance: float
    kernel_distance_sd: float


class CheckpointSelector:
    """Keeps the best checkpoint so far in `folder`; a resumed run finds it there."""

    def __init__(self, holdout: np.ndarray, folder: Path) -> None:
        self._folder = folder
        self._extractor = load_extractor(EXTRACTOR) if len(holdout) >= MIN_HELD_OUT else None
        self._real = None if self._extractor is None else extract(self._extractor, holdout)
        self.checkpoints: list[CheckpointRecord] = []
        notes = folder / "checkpoints.json"
        if notes.is_file():
            self.checkpoints = [CheckpointRecord(**row) for row in json.loads(notes.read_text())]

    @property
    def best(self) -> CheckpointRecord:
        """The checkpoint that is kept."""
        known = [row for row in self.checkpoints if np.isfinite(row.kernel_distance)]
        return min(known, key=lambda row: row.kernel_distance) if known else self.checkpoints[-1]

    def consider(self, model: PalmModel, images_seen: int) -> CheckpointRecord:
        """Measure a checkpoint, and keep it if none was better."""
        record = self._measure(model, images_seen)
        # A run rolled back, or resumed from an older state, passes the same point again.
        self.checkpoints = [row for row in self.checkpoints if row.images_seen != images_seen] + [record]
        if self.best is record:
            self._keep(model, images_seen)
        rows = [asdict(row) for row in self.checkpoints]
        write_atomically(self._folder / "checkpoints.json", json.dumps(rows).encode())
        for kept in self._folder.glob("at-*"):
            if kept.name != f"at-{self.best.images_seen}":
                shutil.rmtree(kept, ignore_errors=True)
        return record

    def networks(self) -> tuple[Generator, Discriminator]:
        """The networks of the kept checkpoint.

        Raises:
            CheckpointError: its files are damaged.
        """
        generator, discriminator, _ = load_networks(self._folder / f"at-{self.best.images_seen}")
        return generator, discriminator

    def _measure(self, model: PalmModel, images_seen: int) -> CheckpointRecord:
        if self._extractor is None or self._real is None:
            return CheckpointRecord(images_seen, float("nan"), float("nan"))
        images = model.generate(model.latents(SEED, range(SAMPLES)))
        features = extract(self._extractor, images)
        name, digest = self._extractor.identity
        found = kernel_distance(features, self._real, extractor=name, digest=digest)
        return CheckpointRecord(images_seen, found.value, found.sd)

    def _keep(self, model: PalmModel, images_seen: int) -> None:
        target = self._folder / f"at-{images_seen}"
        draft = self._folder / f"draft-{images_seen}"
        for old in (draft, target):
            shutil.rmtree(old, ignore_errors=True)
        draft.mkdir(parents=True)
        save_networks(model.generator, model.discriminator, model.networks, draft)
        draft.rename(target)
