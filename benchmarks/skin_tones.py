"""Skin tones of a model's palms beside those of the photographs: are all there, and as often?

    python benchmarks/diversity.py [--model VERSION] [--count 1000]

The tone is the individual typology angle of the middle of the palm (Chardon et al. 1991): above 55 degrees
very light, 41 to 55 light, 28 to 41 intermediate, 10 to 28 tan, below that dark. Light and camera move it, in
photographs and generated palms alike. Printed are the shares of each kind, the angle's quantiles, and the
share of photographs whose tone lies beyond all but one in a hundred of the model's.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import cv2
import numpy as np

from palm_assets.release.serving import open_model
from palm_assets.stages.crops import open_crops
from palm_assets.store.artifacts import Store

SEED = 6 * 10**9
KINDS = {
    "very light": (55, 91),
    "light": (41, 55),
    "intermediate": (28, 41),
    "tan": (10, 28),
    "dark": (-91, 10),
}
QUANTILES = (0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99)


def main() -> None:
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--model", metavar="VERSION", help="else the released one")
    ask.add_argument("--count", type=int, default=1000)
    asked = ask.parse_args()
    store = Store(Path(os.environ.get("PALM_HOME", "palm_home")))
    release = store.released()
    version = asked.model or (release.model if release else store.current("dcgan_checkpoint").version)
    model, artifact = open_model(store, version)
    crops = open_crops(store.open("crops", artifact.manifest.inputs["crops"]))
    ours = tones(model.generate(model.latents(SEED, range(asked.count))))
    sets = {"trained on": tones(crops.train), "held out": tones(crops.holdout), "generated": ours}

    print(f"{'':14}" + "".join(f"{name:>14}" for name in sets))
    for kind, (low, high) in KINDS.items():
        shares = [((angles > low) & (angles <= high)).mean() for angles in sets.values()]
        print(f"{kind:14}" + "".join(f"{share:14.1%}" for share in shares))
    for quantile in QUANTILES:
        print(f"{quantile:<14.0%}" + "".join(f"{np.quantile(a, quantile):14.0f}" for a in sets.values()))
    low, high = np.quantile(ours, (0.005, 0.995))
    real = sets["trained on"]
    print(f"photographs beyond the model's tones: {((real < low) | (real > high)).mean():.1%}")


def tones(images: np.ndarray) -> np.ndarray:
    """Individual typology angle in degrees, (N,), of the middle quarter of images uint8 (N, 3, S, S)."""
    side = images.shape[-1]
    middle = images[:, :, side * 3 // 8 : side * 5 // 8, side * 3 // 8 : side * 5 // 8]
    colors = np.median(middle.reshape(*middle.shape[:2], -1), axis=2).astype(np.float32) / 255
    light, _, yellow = cv2.cvtColor(colors[:, None, :], cv2.COLOR_RGB2Lab)[:, 0].T
    return np.degrees(np.arctan2(light - 50, np.maximum(yellow, 1e-6)))


if __name__ == "__main__":
    main()
