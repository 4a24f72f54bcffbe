"""Selects the checkpoint of a training run whose samples are closest to the people of validation."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from palm_assets.gan.checkpoint import load_networks, save_networks
from palm_assets.gan.networks import Discriminator, Generator
from palm_assets.gan.sampler import PalmModel
from palm_assets.quality.extractors.registry import ExtractorName
from palm_assets.quality.features import extract, load_extractor
from palm_assets.quality.kid import kernel_distance
from palm_assets.store.atomic import write_atomically

CHECKPOINTS_FILE = "checkpoints.json"
EXTRACTOR: ExtractorName = "efficientnet-lite0"  # fast, and its weights come with its package
SAMPLES = 500
SEED = 4 * 10**9  # the same latents for every checkpoint, so that differences are due to the weights
MIN_VALIDATION = 8  # crops; with fewer, distances mean nothing and the last checkpoint is kept


@dataclass(frozen=True)
class CheckpointRecord:
    """The measured quality of one checkpoint.

    Attributes:
        images_seen: real images shown until the checkpoint.
        kernel_distance: kernel distance on EfficientNet-Lite0 features between its samples and the
            validation crops; NaN if these are too few.
        kernel_distance_sd: standard deviation of that distance over random subsets.
    """

    images_seen: int
    kernel_distance: float
    kernel_distance_sd: float


class CheckpointSelector:
    """Keeps the best checkpoint so far in a folder, where a resumed run finds it.

    Args:
        validation: crops of the people who choose, uint8 RGB (N, 3, S, S).
        folder: holds the weights of the best checkpoint, and the records of all of them.
    """

    def __init__(self, validation: np.ndarray, folder: Path) -> None:
        self._folder = folder
        self._extractor = load_extractor(EXTRACTOR) if len(validation) >= MIN_VALIDATION else None
        self._real = None if self._extractor is None else extract(self._extractor, validation)
        self.checkpoints: list[CheckpointRecord] = []
        records = folder / CHECKPOINTS_FILE
        if records.is_file():
            rows = json.loads(records.read_text(encoding="utf-8"))
            self.checkpoints = [CheckpointRecord(**row) for row in rows]
        if self.checkpoints and not self._weights(self.best).is_dir():
            self.checkpoints = []  # of a training whose files were deleted

    @property
    def best(self) -> CheckpointRecord:
        """The checkpoint with the smallest kernel distance; the last one if none has a distance."""
        measured = [row for row in self.checkpoints if np.isfinite(row.kernel_distance)]
        return min(measured, key=lambda row: row.kernel_distance) if measured else self.checkpoints[-1]

    def consider(self, model: PalmModel, images_seen: int) -> CheckpointRecord:
        """Measure a checkpoint, and keep its weights if it is the best so far."""
        record = self._measure(model, images_seen)
        # A run that was rolled back or resumed reaches the same checkpoint again. The better one is kept.
        before = self.best if self.checkpoints else None
        if before is not None and before.images_seen == images_seen and not _is_better(record, before):
            return record
        self.checkpoints = [row for row in self.checkpoints if row.images_seen != images_seen] + [record]
        if self.best is record:
            self._keep(model, images_seen)
        rows = [asdict(row) for row in self.checkpoints]
        write_atomically(self._folder / CHECKPOINTS_FILE, json.dumps(rows).encode())
        for weights in self._folder.glob("at-*"):
            if weights != self._weights(self.best):
                shutil.rmtree(weights, ignore_errors=True)
        return record

    def networks(self) -> tuple[Generator, Discriminator]:
        """The networks of the best checkpoint.

        Raises:
            CheckpointError: its files are damaged.
        """
        generator, discriminator, _ = load_networks(self._weights(self.best))
        return generator, discriminator

    def _weights(self, record: CheckpointRecord) -> Path:
        return self._folder / f"at-{record.images_seen}"

    def _measure(self, model: PalmModel, images_seen: int) -> CheckpointRecord:
        if self._extractor is None or self._real is None:
            return CheckpointRecord(images_seen, float("nan"), float("nan"))
        images = model.sample(SAMPLES, seed=SEED)
        features = extract(self._extractor, images)
        name, digest = self._extractor.identity
        distance = kernel_distance(features, self._real, extractor=name, digest=digest)
        return CheckpointRecord(images_seen, distance.value, distance.sd)

    def _keep(self, model: PalmModel, images_seen: int) -> None:
        target = self._folder / f"at-{images_seen}"
        draft = self._folder / f"draft-{images_seen}"
        for old in (draft, target):
            shutil.rmtree(old, ignore_errors=True)
        draft.mkdir(parents=True)
        save_networks(model.generator, model.discriminator, model.networks, draft)
        draft.rename(target)


def _is_better(record: CheckpointRecord, before: CheckpointRecord) -> bool:
    return not np.isfinite(before.kernel_distance) or record.kernel_distance < before.kernel_distance
