"""The arena of recipes: the student's, the textbook's and ours, on the same crops, people and time.

    python benchmarks/recipes.py [CROPS] [--minutes 20 60] [--seeds 0 1 2] [--only ours] [--out runs/recipes]

CROPS is a `crops` artifact, by default the current one of PALM_HOME. Every contestant has the same widths,
the same people in training and the same time: minutes of computing on all cores, which other programs on the
machine cannot eat up. Each run is measured at each of the minutes on its way to the last. Interrupt it
whenever you like: the same command goes on where it stopped, and what is finished is not run again. On a
core each (`taskset -c 0`), two contestants run side by side. It prints a table, and leaves `results.json` and
a grid of each measurement in `--out`.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np

from palm_assets.crops.extraction import Crops, read_crops
from palm_assets.gan.config import GanConfig
from palm_assets.gan.sampler import PalmModel
from palm_assets.gan.trainer import Trainer
from palm_assets.gan.training_loop import STATE_FILE, train, with_recomputed_batch_norm
from palm_assets.gan.training_state import load_state
from palm_assets.image_grid import grid
from palm_assets.quality.config import ReferenceConfig
from palm_assets.quality.features import extract, load_extractor
from palm_assets.quality.frechet import frechet_distance
from palm_assets.quality.kid import kernel_distance
from palm_assets.quality.reference import Reference
from palm_assets.quality.reference_builder import reference_from_features
from palm_assets.quality.set_metrics import evaluate_features
from palm_assets.quality.statistics import FeatureStatistics
from palm_assets.runtime import usable_cores
from palm_assets.store.artifacts import Store
from palm_assets.store.atomic import write_atomically

SAMPLES, SEED = 1500, 5 * 10**9
PLAIN: dict[str, Any] = {
    "discriminator_norm": "batch",
    "r1": 0,
    "mirror": False,
    "augment": [],
    "generator_lr": 2e-4,
    "discriminator_lr": 2e-4,
    "beta2": 0.999,
    "ema_kimg": 1e-6,  # no average
    "precision": "float32",
}
CONTESTANTS: dict[str, dict[str, Any]] = {
    # antoshka17/genPalmsWeb: cross-entropy, Adam 2e-4 and 1e-4, batch 32, nothing else.
    "student": {**PLAIN, "batch": 32, "discriminator_lr": 1e-4},
    # pytorch/examples dcgan/main.py: batch 64, Adam 2e-4 with betas (0.5, 0.999) for both.
    "textbook": {**PLAIN, "batch": 64},
    "ours": {},
    # What one choice of ours is worth: the same without it.
    "batch-norm": {"discriminator_norm": "batch", "r1": 0},
    "slow": {"generator_lr": 2e-4, "discriminator_lr": 8e-4},
    "batch-64": {"batch": 64},
    "full-color": {"augment_color": 1.0},
    "cutout": {"augment": ["color", "translation", "cutout"]},
    "rotation": {"augment": ["color", "rotation", "translation"]},
    "always-augmented": {"augment_probability": 1.0},
    "relativistic": {"loss": "relativistic", "r2": 0.02},
    "smoothstep": {"output_activation": "smoothstep"},
}
MAIN = ["student", "textbook", "ours"]


def main() -> None:
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("crops", type=Path, nargs="?")
    ask.add_argument(
        "--minutes", type=float, nargs="+", default=[20], help="of computing on all cores, for each run"
    )
    ask.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    ask.add_argument("--only", nargs="+", choices=CONTESTANTS, default=MAIN)
    ask.add_argument("--out", type=Path, default=Path("runs/recipes"))
    asked = ask.parse_args()
    crops = asked.crops or _current_crops()
    palms, reference = read_crops(crops), _reference(crops)
    for seed in asked.seeds:
        for name in asked.only:
            for minutes in sorted(asked.minutes):
                _contest(name, seed, minutes, palms, reference, asked.out)
    _table(asked.out)


def _contest(name: str, seed: int, minutes: float, palms: Crops, reference: Reference, out: Path) -> None:
    """Train on until so many minutes are spent, and measure."""
    run = f"{name}-{minutes:g}min-seed{seed}"
    if run in _results(out):
        return
    config = GanConfig(
        image_size=palms.images.shape[-1], kimg=1e6, snapshot_kimg=1e6, seed=seed, **CONTESTANTS[name]
    )
    work = out / f"{name}-seed{seed}"
    spent_file = work / "spent"
    spent = float(spent_file.read_text()) if spent_file.is_file() else 0.0
    budget, began = minutes * 60 * usable_cores(), time.process_time()
    told = time.monotonic()

    def over() -> bool:
        nonlocal told
        used = spent + time.process_time() - began
        if time.monotonic() - told > 30:
            told = time.monotonic()
            print(f"{run}: {used / budget:.0%}", flush=True)
        return used >= budget

    def saved() -> None:
        write_atomically(spent_file, str(spent + time.process_time() - began).encode())

    try:
        train(palms.train, config, work, stopped=over, report=lambda figures: None)
    finally:
        saved()
    trainer = Trainer(palms.train, config)
    notes = load_state(work / STATE_FILE, trainer.parts())
    assert notes is not None
    model = PalmModel(
        with_recomputed_batch_norm(trainer.generator_ema, config),
        trainer.discriminator_ema.eval(),
        config.networks(),
        run,
        work,
    )
    images = model.generate(model.latents(SEED, range(SAMPLES)))
    grid(images[:64]).save(out / f"{run}.png")
    shutil.copy(work / STATE_FILE, work / f"{minutes:g}min.safetensors")
    row = {"name": name, "seed": seed, "minutes": minutes, "kimg": notes["seen"] / 1000}
    row |= _measured(images, reference)
    # Read again: another process may have finished a run meanwhile.
    results = _results(out) | {run: row}
    write_atomically(out / "results.json", json.dumps(results, indent=1).encode())
    print(run, row, flush=True)


def _measured(images: np.ndarray, reference: Reference) -> dict[str, float]:
    """Against the people in training and the people held out, apart."""
    extractor = load_extractor(reference.extractor)
    features = extract(extractor, images)
    name, digest = reference.identity
    score = evaluate_features(features, reference)
    statistics = FeatureStatistics.from_features(reference.holdout, extractor=name, digest=digest)
    held_out = kernel_distance(features, reference.holdout, extractor=name, digest=digest)
    return {
        "frechet_train": score.frechet,
        "frechet_holdout": frechet_distance(features, statistics).value,
        "kid_train": score.kid,
        "kid_holdout": held_out.value,
        "coverage": score.coverage,
        "auth_pct": score.auth_pct,
    }


def _current_crops() -> Path:
    return Store(Path(os.environ.get("PALM_HOME", "palm_home"))).current("cropped_palms").folder


def _reference(crops: Path) -> Reference:
    palms, extractor = read_crops(crops), load_extractor("efficientnet-lite0")
    name, digest = extractor.identity
    train_features, holdout = extract(extractor, palms.train), extract(extractor, palms.holdout)
    return reference_from_features(train_features, holdout, ReferenceConfig(), extractor=name, digest=digest)


def _results(out: Path) -> dict[str, dict[str, Any]]:
    path = out / "results.json"
    return json.loads(path.read_text()) if path.is_file() else {}


def _table(out: Path) -> None:
    columns = ("kimg", "frechet_train", "frechet_holdout", "kid_train", "kid_holdout", "coverage", "auth_pct")
    print(f"{'run':28}" + "".join(f"{column:>17}" for column in columns))
    for run, row in sorted(_results(out).items()):
        print(f"{run:28}" + "".join(f"{row[column]:17.3f}" for column in columns))


if __name__ == "__main__":
    main()
