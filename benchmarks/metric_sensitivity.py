"""Whether the metrics rank sets of images as a person would, on the crops of a store.

Prints the floor of the newest reference, then the metrics of sets of equal size: held-out crops, the same
crops blurred, samples of a model (`--model`), other images (`--others`, for example backs of hands), and
noise. In the last set, one in twenty held-out crops is replaced by a training crop: authenticity must find
these copies.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

from palm_assets.evaluation.model_evaluation import fresh_samples
from palm_assets.quality.features import extract
from palm_assets.quality.image_sets import open_images
from palm_assets.quality.reference import Reference
from palm_assets.quality.reference_files import load_reference
from palm_assets.quality.set_metrics import SetMetrics, evaluate_features, load_reference_extractor
from palm_assets.quality.statistics import Floats
from palm_assets.release.serving import open_model
from palm_assets.stages.crops import open_crops
from palm_assets.store.artifacts import Store

BLURS = (0.3, 0.5, 0.7, 1.0, 1.5, 2.0)  # radii of a Gaussian in pixels of the crop
COPY_DISTANCE = 0.01  # of the median distance between neighbors: closer images are copies


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("home", type=Path, help="folder of the artifact store")
    parser.add_argument("--model", metavar="VERSION", help="also measure samples of this model")
    parser.add_argument("--others", type=Path, help="folder or ZIP of other images, resized like the crops")
    args = parser.parse_args()
    store = Store(args.home)
    crops = open_crops(store.current("cropped_palms"))
    reference = load_reference(store.current("fid_reference").folder)
    extractor = load_reference_extractor(reference)
    held_out = np.asarray(crops.test)
    sets = {"held-out crops": held_out}
    sets |= {f"blurred by {radius} px": blurred(held_out, radius) for radius in BLURS}
    if args.model:
        model, _ = open_model(store, args.model)
        sets["samples"] = np.concatenate(list(fresh_samples(model, len(held_out))))
    if args.others:
        sets["other images"] = resized(args.others, len(held_out), held_out.shape[-1])
    sets["noise"] = np.random.default_rng(0).integers(0, 256, held_out.shape, dtype=np.uint8)

    print(f"{reference.n} training crops, {extractor.name} [{extractor.digest}]\n")
    print("  n   Fréchet           kernel            density  coverage  authentic")
    for row in reference.floor:
        print(f"{row.n:>4} {row.frechet:>7.1f} ± {row.frechet_sd:<6.1f} {row.kid:>7.3f} ± {row.kid_sd:.3f} "
              f"{row.density:>9.2f} {row.coverage:>9.3f} {row.auth_pct:>7.0f} %")  # fmt: skip
    print(f"\nn = {len(held_out):<18} Fréchet   above floor  kernel            density  coverage  authentic")
    for name, images in sets.items():
        print_metrics(name, extract(extractor, images), reference)
    rng = np.random.default_rng(1)
    places = rng.choice(len(held_out), max(len(held_out) // 20, 1), replace=False)
    copied = rng.choice(reference.subsample_indices, len(places), replace=False)
    mixed = held_out.copy()
    mixed[places] = crops.train[copied]
    metrics = print_metrics("one copy in 20", extract(extractor, mixed), reference)
    limit = COPY_DISTANCE * np.median(reference.neighbor_distances[:, 0])
    found = np.flatnonzero(metrics.distance < limit)
    correct = set(found) == set(places) and (metrics.nearest[places] == copied).all()
    print(f"{len(places)} copies, {len(found)} found, all matched to their originals: {correct}")


def print_metrics(name: str, features: Floats, reference: Reference) -> SetMetrics:
    metrics = evaluate_features(features, reference)
    excess, sd = metrics.excess or 0, metrics.kid_sd
    print(f"{name:<22} {metrics.frechet:>7.1f} {excess:>12.1f} {metrics.kid:>8.3f} ± {sd:.3f} "
          f"{metrics.density:>9.2f} {metrics.coverage:>9.3f} {metrics.auth_pct:>7.0f} %")  # fmt: skip
    return metrics


def blurred(images: np.ndarray, radius: float) -> np.ndarray:
    out = [Image.fromarray(i.transpose(1, 2, 0)).filter(ImageFilter.GaussianBlur(radius)) for i in images]
    return np.stack([np.asarray(i).transpose(2, 0, 1) for i in out])


def resized(path: Path, count: int, size: int) -> np.ndarray:
    images = [image.transpose(1, 2, 0) for image, _ in zip(open_images(path), range(count), strict=False)]
    small = [np.asarray(Image.fromarray(i).resize((size, size), Image.Resampling.BICUBIC)) for i in images]
    return np.stack([i.transpose(2, 0, 1) for i in small])


if __name__ == "__main__":
    main()
