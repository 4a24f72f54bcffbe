"""Skin tones of generated images, compared with those of the training and held-out crops.

A skin tone is the individual typology angle of the middle of the palm (Chardon et al. 1991): above 55 degrees
very light, 41 to 55 light, 28 to 41 intermediate, 10 to 28 tan, below 10 dark. Lighting and camera shift it,
in photographs and generated images alike. The output is the share of each class, quantiles of the angle, and
the share of training crops whose angle is outside the range of 99 % of the generated images.
"""

from __future__ import annotations

import argparse

import cv2
import numpy as np

from palm_assets.release.serving import open_model
from palm_assets.stages.crops import open_crops
from palm_assets.store.artifacts import Store

SEED = 6 * 10**9
CLASSES = {
    "very light": (55, 91),
    "light": (41, 55),
    "intermediate": (28, 41),
    "tan": (10, 28),
    "dark": (-91, 10),
}
QUANTILES = (0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", metavar="VERSION", help="default: the released model, else the newest")
    parser.add_argument("--count", type=int, default=1000, help="images to generate (default: 1000)")
    args = parser.parse_args()
    store = Store()
    release = store.released()
    version = args.model or (release.model if release else store.current("dcgan_checkpoint").version)
    model, artifact = open_model(store, version)
    crops = open_crops(store.open("crops", artifact.manifest.inputs["crops"]))
    sets = {
        "training": typology_angles(crops.train),
        "held out": typology_angles(crops.test),
        "generated": typology_angles(model.sample(args.count, seed=SEED)),
    }

    print(f"{'':14}" + "".join(f"{name:>14}" for name in sets))
    for name, (low, high) in CLASSES.items():
        shares = [((angles > low) & (angles <= high)).mean() for angles in sets.values()]
        print(f"{name:14}" + "".join(f"{share:14.1%}" for share in shares))
    for quantile in QUANTILES:
        print(f"{quantile:<14.0%}" + "".join(f"{np.quantile(a, quantile):14.0f}" for a in sets.values()))
    low, high = np.quantile(sets["generated"], (0.005, 0.995))
    training = sets["training"]
    outside = ((training < low) | (training > high)).mean()
    print(f"training crops outside the range of 99 % of the generated images: {outside:.1%}")


def typology_angles(images: np.ndarray) -> np.ndarray:
    """Individual typology angle in degrees, (N,), of the middle quarter of images uint8 RGB (N, 3, S, S)."""
    side = images.shape[-1]
    middle = images[:, :, side * 3 // 8 : side * 5 // 8, side * 3 // 8 : side * 5 // 8]
    colors = np.median(middle.reshape(*middle.shape[:2], -1), axis=2).astype(np.float32) / 255
    lightness, _, yellow = cv2.cvtColor(colors[:, None, :], cv2.COLOR_RGB2Lab)[:, 0].T
    return np.degrees(np.arctan2(lightness - 50, np.maximum(yellow, 1e-6)))


if __name__ == "__main__":
    main()
