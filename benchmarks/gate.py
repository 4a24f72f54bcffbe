"""Power of the release gate: which faulty sets of images it refuses, and which ordinary models it passes.

Degrades the crops of a store in many ways (`degradations.py`), measures each like the samples of a model, and
applies the checks of a first release. Prints a row of a Markdown table for each fault and strength; the table
of docs/gate.md was made so.

SOURCE is an artifact store, or an .npz file with uint8 arrays (N, 3, S, S) "train" and "test", the test
people as "test_people", and other images as "others" (optional); or the file that `--measured` wrote, to
apply the bounds of today to it.

Honest models are versions of the store, or .npy files of samples (more than four sets).
"""

from __future__ import annotations

import argparse
import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np

from benchmarks.degradations import Degrade, Images, Material, degradations
from palm_assets.evaluation.measurement import Pixels, RealImages, measure_model
from palm_assets.evaluation.model_evaluation import fresh_samples, resized
from palm_assets.evaluation.model_metrics import ModelMetrics
from palm_assets.image_grid import grid
from palm_assets.quality.config import ReferenceConfig
from palm_assets.quality.copies import thumbnails
from palm_assets.quality.features import Extractor, extract, load_extractor
from palm_assets.quality.reference import Reference
from palm_assets.quality.reference_builder import reference_from_features
from palm_assets.quality.set_metrics import evaluate_features
from palm_assets.release.checks import (
    CheckResult,
    check_contrast,
    check_distance,
    check_memorization,
    check_variety,
)
from palm_assets.release.config import GateConfig
from palm_assets.release.serving import open_model
from palm_assets.stages.crops import open_crops
from palm_assets.store.artifacts import Store

SETS = 4
SHOWN = 24  # images of a set in its picture


@dataclass(frozen=True, eq=False)
class Bench:
    """What sets are measured with."""

    material: Material
    extractor: Extractor
    reference: Reference
    real: RealImages


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("source", type=Path, help="artifact store, or .npz file")
    parser.add_argument("--models", nargs="*", default=[], help="ordinary models: versions or .npy files")
    parser.add_argument("--mix", help="ordinary model whose samples are mixed with copies (version or file)")
    parser.add_argument("--others", type=Path, help="an .npy file of other images")
    parser.add_argument("--trials", type=int, default=3, help="sets of each fault that are tried")
    parser.add_argument("--only", default="", help="only sets whose name and strength match this pattern")
    parser.add_argument("--measured", type=Path, help="file to add what was measured to, as JSON lines")
    parser.add_argument("--pictures", type=Path, help="folder for a picture of each set")
    args = parser.parse_args()
    if args.source.suffix == ".jsonl":  # measured before: apply the bounds of today
        print_table([json.loads(line) for line in args.source.read_text(encoding="utf-8").splitlines()])
        return

    bench = open_bench(args.source, args.mix, args.others)
    print(f"n = {bench.material.n}; real palms: {bench.reference.floor[-1]}")
    every: dict[tuple[str, str], Degrade] = {
        ("real photographs of training people", ""): _plain(bench.material.train),
        ("real photographs of test people", ""): _plain(bench.material.test),
        **degradations(bench.material),
    }
    trials: list[tuple[str, str, list[Images]]] = []
    for (name, strength), degrade in every.items():
        for trial in range(args.trials if re.search(args.only, f"{name} {strength}") else 0):
            random = np.random.default_rng(trial)
            trials.append((name, strength, [degrade(bench.material, random) for _ in range(SETS)]))
    for model in args.models:
        samples = samples_of(model, args.source, bench.material)
        for start in range(0, len(samples) - SETS * bench.material.n + 1, SETS * bench.material.n):
            whole = samples[start : start + SETS * bench.material.n]
            trials.append((f"ordinary model {Path(model).stem}", "", np.split(whole, SETS)))
    lines = []
    for name, strength, sets in trials:
        _save(sets[0], args.pictures, f"{name} {strength}")
        lines.append({"name": name, "strength": strength, **measure(bench, sets)})
        print(json.dumps(lines[-1]), flush=True)
        if args.measured:
            with args.measured.open("a", encoding="utf-8") as stream:
                stream.write(json.dumps(lines[-1]) + "\n")
    print_table(lines)


def print_table(lines: Sequence[dict[str, Any]]) -> None:
    """Print a row for each set and strength: share refused, and by which checks."""
    print("| set | strength | refused | by | Fréchet | kernel | density | coverage | copies | repeats |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for key in dict.fromkeys((line["name"], line["strength"]) for line in lines):
        trials = [line for line in lines if (line["name"], line["strength"]) == key]
        decided = [(ModelMetrics.from_json(line["model_metrics"]), checks(line)) for line in trials]
        print(row(*key, decided))


def open_bench(source: Path, mix: str | None, others: Path | None) -> Bench:
    """Build a reference from the crops, as the pipeline does."""
    people: Sequence[str] | None = None
    found = np.zeros((0, 3, 8, 8), np.uint8)
    if source.suffix == ".npz":
        arrays = np.load(source)
        train, test, people = arrays["train"], arrays["test"], arrays["test_people"].tolist()
        found = arrays.get("others", found)
    else:
        crops = open_crops(Store(source).current("cropped_palms"))
        train, test, people = np.array(crops.train), np.array(crops.test), crops.people_in_rows("test")
    if others is not None:
        found = np.load(others)
    extractor = load_extractor("efficientnet-lite0")
    reference = reference_from_features(
        extract(extractor, train),
        extract(extractor, test),
        ReferenceConfig(),
        extractor=extractor.name,
        digest=extractor.digest,
        holdout_people=people,
    )
    material = Material(train, test, found, found[:0], max(100, reference.floor[-1].n))
    if mix is not None:
        material = Material(train, test, found, samples_of(mix, source, material), material.n)
    return Bench(material, extractor, reference, RealImages(Pixels.of([train]), thumbnails(test)))


def samples_of(model: str, source: Path, material: Material) -> Images:
    """Samples of an ordinary model at the size of the crops: those of a file, or of a version."""
    if model.endswith(".npy"):
        samples: Images = np.load(model)
        return samples
    opened = open_model(Store(source), model)[0]
    samples = np.concatenate(list(fresh_samples(opened, SETS * material.n)))
    return resized(samples, material.train.shape[-1])


def measure(bench: Bench, sets: Sequence[Images]) -> dict[str, Any]:
    """Measure sets of images like those of a model: what the checks need of the facts of an evaluation."""
    features = [extract(bench.extractor, images) for images in sets]
    metrics = measure_model(features, Pixels.of(sets), bench.real, bench.reference)
    facts = evaluate_features(features[0], bench.reference).to_json()
    return {"model_metrics": metrics.to_json(), "auth_pct": facts["auth_pct"], "floor": facts["floor"]}


def checks(facts: Mapping[str, Any]) -> tuple[CheckResult, ...]:
    """The checks of a first release."""
    metrics, bounds = ModelMetrics.from_json(facts["model_metrics"]), GateConfig()
    return (
        check_contrast(metrics, bounds),
        check_variety(metrics, bounds),
        check_memorization(facts, metrics, bounds),
        check_distance(metrics, bounds),
    )


def row(name: str, strength: str, decided: Sequence[tuple[ModelMetrics, tuple[CheckResult, ...]]]) -> str:
    """A row of the table: share refused, the checks that did it, and the mean metrics."""
    refused = sum(any(not result.passed for result in results) for _, results in decided)
    by = Counter(result.name for _, results in decided for result in results if not result.passed)
    measured = [metrics for metrics, _ in decided]

    def mean(value: str) -> float:
        return fmean(getattr(metrics, value) for metrics in measured)

    frechet, kid = fmean(fmean(m.frechet) for m in measured), fmean(fmean(m.kid) for m in measured)
    repeats = mean("repeat_share") - mean("real_repeat_share")
    return (
        f"| {name} | {strength} | {refused} of {len(decided)} | {', '.join(by) or '-'} "
        f"| {frechet:.0f} | {kid:.3f} | {mean('density_ratio'):.2f} | {mean('coverage_ratio'):.2f} "
        f"| {mean('copy_share'):.2f} | {repeats:+.2f} |"
    )


def _plain(images: Images) -> Degrade:
    return lambda material, random: images[
        random.choice(len(images), material.n, replace=len(images) < material.n)
    ]


def _save(images: Images, folder: Path | None, name: str) -> None:
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        file = "".join(letter if letter.isalnum() else "-" for letter in name)
        grid(images[:SHOWN], columns=8).save(folder / f"{file}.png")


if __name__ == "__main__":
    main()
