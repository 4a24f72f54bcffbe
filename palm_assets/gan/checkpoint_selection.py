"""Which checkpoint of a training run is kept: the one whose palms come nearest to people held out of it."""

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
PALMS = 500
SEED = 4 * 10**9  # the same palms of every checkpoint, so that their differences are the checkpoints'
FEWEST = 8  # held-out palms below which a distance says nothing: then the last checkpoint is kept


@dataclass(frozen=True)
class Candidate:
    """One checkpoint.

    Attributes:
        seen: photographs shown until then.
        distance: kernel distance on EfficientNet-Lite0 features between its palms and those of held-out
            people; NaN where too few are held out.
        spread: standard deviation of the distance over random subsets.
    """

    seen: int
    distance: float
    spread: float


class Chooser:
    """Keeps the best checkpoint so far in `folder`; taken up again after a crash."""

    def __init__(self, holdout: np.ndarray, folder: Path) -> None:
        self._folder = folder
        self._extractor = load_extractor(EXTRACTOR) if len(holdout) >= FEWEST else None
        self._real = None if self._extractor is None else extract(self._extractor, holdout)
        self.candidates: list[Candidate] = []
        notes = folder / "candidates.json"
        if notes.is_file():
            self.candidates = [Candidate(**row) for row in json.loads(notes.read_text())]

    @property
    def best(self) -> Candidate:
        """The kept one."""
        known = [row for row in self.candidates if np.isfinite(row.distance)]
        return min(known, key=lambda row: row.distance) if known else self.candidates[-1]

    def consider(self, model: PalmModel, seen: int) -> Candidate:
        """Measure a checkpoint, and keep it if none was better."""
        candidate = self._measured(model, seen)
        # A run rolled back, or resumed from an older state, comes by the same place again.
        self.candidates = [row for row in self.candidates if row.seen != seen] + [candidate]
        if self.best is candidate:
            self._keep(model, seen)
        rows = [asdict(row) for row in self.candidates]
        write_atomically(self._folder / "candidates.json", json.dumps(rows).encode())
        for kept in self._folder.glob("at-*"):
            if kept.name != f"at-{self.best.seen}":
                shutil.rmtree(kept, ignore_errors=True)
        return candidate

    def networks(self) -> tuple[Generator, Discriminator]:
        """Those of the kept checkpoint.

        Raises:
            CheckpointError: its files are damaged.
        """
        generator, discriminator, _ = load_networks(self._folder / f"at-{self.best.seen}")
        return generator, discriminator

    def _measured(self, model: PalmModel, seen: int) -> Candidate:
        if self._extractor is None or self._real is None:
            return Candidate(seen, float("nan"), float("nan"))
        palms = model.draw(model.latents(SEED, range(PALMS)))
        features = extract(self._extractor, palms)
        name, digest = self._extractor.identity
        found = kernel_distance(features, self._real, extractor=name, digest=digest)
        return Candidate(seen, found.value, found.sd)

    def _keep(self, model: PalmModel, seen: int) -> None:
        target = self._folder / f"at-{seen}"
        draft = self._folder / f"draft-{seen}"
        for old in (draft, target):
            shutil.rmtree(old, ignore_errors=True)
        draft.mkdir(parents=True)
        save_networks(model.generator, model.discriminator, model.networks, draft)
        draft.rename(target)
