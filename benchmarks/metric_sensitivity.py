"""Whether the figures order sets as a person would, on a store's own palms.

    python benchmarks/sense.py HOME [--model VERSION] [--others FOLDER_OR_ZIP]

Against the newest reference in HOME: its floor; held-out palms, the same ones blurred, a model's palms, other
pictures (the backs of hands, say), and noise, as many of each; and held-out palms among which one in twenty
is an exact photo of training.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

from palm_assets.evaluation.model_evaluation import fresh_samples
from palm_assets.quality.features import extract, load_extractor
from palm_assets.quality.image_sets import open_images
from palm_assets.quality.reference import Reference
from palm_assets.quality.reference_files import load_reference
from palm_assets.quality.set_metrics import SetMetrics, evaluate_features
from palm_assets.quality.statistics import Floats
from palm_assets.release.serving import open_model
from palm_assets.stages.crops import open_crops
from palm_assets.store.artifacts import Store

BLURS = (0.3, 0.5, 0.7, 1.0, 1.5, 2.0)  # radius of the Gaussian, pixels of the crop


def main() -> None:
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("home", type=Path)
    ask.add_argument("--model", help="version; else no model's palms are looked at")
    ask.add_argument("--others", type=Path, help="other pictures, squeezed to the size of the crops")
    asked = ask.parse_args()
    store = Store(asked.home)
    palms = open_crops(store.current("cropped_palms"))
    reference = load_reference(store.current("fid_reference").folder)
    extractor = load_extractor(reference.extractor, precision=reference.precision)
    held = np.asarray(palms.holdout)
    sets = {"held-out palms": held} | {f"blurred by {radius} px": blurred(held, radius) for radius in BLURS}
    if asked.model:
        sets["ours"] = np.concatenate(list(fresh_samples(open_model(store, asked.model)[0], len(held))))
    if asked.others:
        sets["other pictures"] = squeezed(asked.others, len(held), held.shape[-1])
    sets["noise"] = np.random.default_rng(0).integers(0, 256, held.shape, dtype=np.uint8)

    print(f"{reference.n} palms of training, {extractor.name} [{extractor.digest}]\n")
    print("  n   Frechet           kernel            density  coverage  authentic")
    for row in reference.floor:
        print(f"{row.n:>4} {row.frechet:>7.1f} ± {row.frechet_sd:<6.1f} {row.kid:>7.3f} ± {row.kid_sd:.3f} "
              f"{row.density:>9.2f} {row.coverage:>9.3f} {row.auth_pct:>7.0f} %")  # fmt: skip
    print(f"\nn = {len(held):<18} Frechet   above real   kernel            density  coverage  authentic")
    for name, images in sets.items():
        show(name, extract(extractor, images), reference)
    rng = np.random.default_rng(1)
    places = rng.choice(len(held), max(len(held) // 20, 1), replace=False)
    photos = rng.choice(reference.subsample_indices, len(places), replace=False)
    mixed = held.copy()
    mixed[places] = palms.train[photos]
    score = show("one in 20 planted", extract(extractor, mixed), reference)
    found = np.flatnonzero(score.distance < 0.01 * np.median(reference.neighbor_distances[:, 0]))
    right = set(found) == set(places) and (score.nearest[places] == photos).all()
    print(f"planted {len(places)}, copies found {len(found)}, all beside their originals: {right}")


def show(name: str, features: Floats, reference: Reference) -> SetMetrics:
    score = evaluate_features(features, reference)
    above, spread = score.excess or 0, score.kid_sd
    print(f"{name:<22} {score.frechet:>7.1f} {above:>12.1f} {score.kid:>8.3f} ± {spread:.3f} "
          f"{score.density:>9.2f} {score.coverage:>9.3f} {score.auth_pct:>7.0f} %")  # fmt: skip
    return score


def blurred(images: np.ndarray, radius: float) -> np.ndarray:
    out = [Image.fromarray(i.transpose(1, 2, 0)).filter(ImageFilter.GaussianBlur(radius)) for i in images]
    return np.stack([np.asarray(i).transpose(2, 0, 1) for i in out])


def squeezed(path: Path, count: int, size: int) -> np.ndarray:
    some = [image.transpose(1, 2, 0) for image, _ in zip(open_images(path), range(count), strict=False)]
    small = [np.asarray(Image.fromarray(i).resize((size, size), Image.Resampling.BICUBIC)) for i in some]
    return np.stack([i.transpose(2, 0, 1) for i in small])


if __name__ == "__main__":
    main()
