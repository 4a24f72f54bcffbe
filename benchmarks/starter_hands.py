"""Trains the bundled model `hands` on: crops, two trainings at 256 px, its evaluation, and a packed copy.

The copy comes with the statistics that the model was evaluated against. The first training starts from the
`hands` that is bundled where this runs, so each time another model is made. The one that is bundled now was
made so from its predecessor. Each step is an artifact of the store, so an interrupted run goes on where it
stopped. docs/experiments.md has data, results and hours.

Example:
    python -m benchmarks.starter_hands hands-hires hands-11k palm-yolo --home palm_home --out hands
"""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks.landmark_crops import make_landmark_crops
from palm_assets.evaluation.config import EvaluationConfig
from palm_assets.gan.config import GanConfig
from palm_assets.quality.config import ReferenceConfig
from palm_assets.release.export import pack
from palm_assets.release.starter_kit import pack_reference_of
from palm_assets.stages.evaluation import make_evaluation
from palm_assets.stages.model import make_model
from palm_assets.stages.reference import make_reference
from palm_assets.store.artifacts import Store

FIRST = GanConfig(
    start="hands",
    image_size=256,
    latent=96,
    generator_width=16,
    discriminator_width=16,
    max_width=256,
    output_activation="smoothstep",
    padding_mode="replicate",
    labels=["aspect", "side", "skin"],
    mirror=False,
    balance_aspects=0.5,
    balance_skins=0.6,
    batch=16,
    r1=0.2,
    augment=["color", "rotation", "translation"],
    augment_probability=0.8,
    even_upsampling=True,
    generator_lr=2e-4,
    discriminator_lr=4e-4,
    ema_kimg=5,
    snapshot_kimg=5,
    kimg=40,
)
SECOND = {"generator_lr": 1e-4, "discriminator_lr": 2e-4, "ema_kimg": 10, "kimg": 25}


def main() -> None:
    """Make it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "folders", type=Path, nargs="+", metavar="FOLDER", help="with landmarks.csv; largest first"
    )
    parser.add_argument("--home", type=Path, default=Path("palm_home"), help="the artifact store")
    parser.add_argument("--out", type=Path, required=True, help="folder to pack the model into")
    options = parser.parse_args()
    store = Store(options.home)
    crops = make_landmark_crops(store, options.folders, FIRST.image_size)
    first = make_model(store, crops, FIRST)
    second = make_model(store, crops, GanConfig(**{**FIRST.model_dump(), **SECOND, "start": first.version}))
    reference = make_reference(store, crops, ReferenceConfig())
    print(make_evaluation(store, second, reference, crops, EvaluationConfig()).facts["text"])
    print(pack(store, second.version, options.out).folder)
    print(pack_reference_of(store, second.version, options.out).folder)


if __name__ == "__main__":
    main()
