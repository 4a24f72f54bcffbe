"""Compares recipes of training on the same crops for the same time: the student's, the textbook's and ours.

All recipes have the same network widths, training people and CPU time, given as minutes on all cores; other
programs on the machine do not reduce it. Each run is measured at each of the given minutes. It can be
interrupted: the same command resumes it, and completed runs are not repeated. Two commands can run side by
side on a core each (`taskset -c 0`). The output is a table, and in `--out` a `results.json` and a sample grid
of each measurement.
"""

from __future__ import annotations

import argparse
import json
import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np

from palm_assets.crops.extraction import Crops, read_crops
from palm_assets.gan.config import GanConfig
from palm_assets.gan.sampler import PalmModel
from palm_assets.gan.trainer import Trainer
from palm_assets.gan.training_loop import STATE_FILE, training_loop, with_recomputed_batch_norm
from palm_assets.gan.training_state import load_state
from palm_assets.image_grid import grid
from palm_assets.quality.config import ReferenceConfig
from palm_assets.quality.features import extract, load_extractor
from palm_assets.quality.frechet import frechet_distance
from palm_assets.quality.kid import kernel_distance
from palm_assets.quality.reference import Reference
from palm_assets.quality.reference_builder import reference_from_features
from palm_assets.quality.set_metrics import evaluate_features, load_reference_extractor
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
    "ema_kimg": 1e-6,  # no EMA
    "precision": "float32",
}
RECIPES: dict[str, dict[str, Any]] = {
    # antoshka17/genPalmsWeb: cross-entropy, Adam 2e-4 and 1e-4, batch 32, nothing else.
    "student": {**PLAIN, "batch": 32, "discriminator_lr": 1e-4},
    # pytorch/examples dcgan/main.py: batch 64, Adam 2e-4 with betas (0.5, 0.999) for both.
    "textbook": {**PLAIN, "batch": 64},
    "ours": {},
    # Ablations: ours with one choice changed.
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
DEFAULT_RECIPES = ["student", "textbook", "ours"]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "crops", type=Path, nargs="?", help="folder of a `crops` artifact; default: the newest in PALM_HOME"
    )
    parser.add_argument(
        "--minutes", type=float, nargs="+", default=[20], help="CPU time of a run on all cores (default: 20)"
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--only", nargs="+", choices=RECIPES, default=DEFAULT_RECIPES)
    parser.add_argument("--out", type=Path, default=Path("runs/recipes"))
    args = parser.parse_args()
    crops = read_crops(args.crops or Store().current("cropped_palms").folder)
    reference = _reference(crops)
    for seed in args.seeds:
        for name in args.only:
            for minutes in sorted(args.minutes):
                _run(name, seed, minutes, crops, reference, args.out)
    _print_table(args.out)


def _run(name: str, seed: int, minutes: float, crops: Crops, reference: Reference, out: Path) -> None:
    """Train until the minutes are spent, resuming earlier minutes of the same run, and measure."""
    run = f"{name}-{minutes:g}min-seed{seed}"
    if run in _results(out):
        return
    config = GanConfig(
        image_size=crops.images.shape[-1], kimg=1e6, snapshot_kimg=1e6, seed=seed, **RECIPES[name]
    )
    work = out / f"{name}-seed{seed}"
    spent_file = work / "spent"
    spent = float(spent_file.read_text(encoding="utf-8")) if spent_file.is_file() else 0.0
    budget, start = minutes * 60 * usable_cores(), time.process_time()
    last_report = time.monotonic()

    def should_stop() -> bool:
        nonlocal last_report
        used = spent + time.process_time() - start
        if time.monotonic() - last_report > 30:
            last_report = time.monotonic()
            print(f"{run}: {used / budget:.0%}", flush=True)
        return used >= budget

    try:
        training_loop(crops.train, config, work, should_stop=should_stop)
    finally:
        write_atomically(spent_file, str(spent + time.process_time() - start).encode())
    trainer = Trainer(crops.train, config)
    notes = load_state(work / STATE_FILE, trainer.parts())
    assert notes is not None
    model = PalmModel(
        with_recomputed_batch_norm(trainer.generator_ema, config),
        trainer.discriminator_ema.eval(),
        config.networks(),
        run,
        work,
    )
    images = model.sample(SAMPLES, seed=SEED)
    grid(images[:64]).save(out / f"{run}.png")
    shutil.copy(work / STATE_FILE, work / f"{minutes:g}min.safetensors")
    row = {"name": name, "seed": seed, "minutes": minutes, "kimg": notes["images_seen"] / 1000}
    row |= _metrics(images, reference)
    # Read again, as another process may have completed a run meanwhile.
    results = _results(out) | {run: row}
    write_atomically(out / "results.json", json.dumps(results, indent=1).encode())
    print(run, row, flush=True)


def _metrics(images: np.ndarray, reference: Reference) -> dict[str, float]:
    """Distances to the training people and to the held-out people."""
    features = extract(load_reference_extractor(reference), images)
    name, digest = reference.identity
    metrics = evaluate_features(features, reference)
    statistics = FeatureStatistics.from_features(reference.holdout, extractor=name, digest=digest)
    held_out = kernel_distance(features, reference.holdout, extractor=name, digest=digest)
    return {
        "frechet_train": metrics.frechet,
        "frechet_holdout": frechet_distance(features, statistics).value,
        "kid_train": metrics.kid,
        "kid_holdout": held_out.value,
        "coverage": metrics.coverage,
        "auth_pct": metrics.auth_pct,
    }


def _reference(crops: Crops) -> Reference:
    extractor = load_extractor("efficientnet-lite0")
    name, digest = extractor.identity
    train, holdout = extract(extractor, crops.train), extract(extractor, crops.test)
    return reference_from_features(
        train, holdout, ReferenceConfig(), extractor=name, digest=digest, precision=extractor.precision
    )


def _results(out: Path) -> dict[str, dict[str, Any]]:
    path = out / "results.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def _print_table(out: Path) -> None:
    columns = ("kimg", "frechet_train", "frechet_holdout", "kid_train", "kid_holdout", "coverage", "auth_pct")
    print(f"{'run':28}" + "".join(f"{column:>17}" for column in columns))
    for run, row in sorted(_results(out).items()):
        print(f"{run:28}" + "".join(f"{row[column]:17.3f}" for column in columns))


if __name__ == "__main__":
    main()
