"""Sample a model and save the images as one grid.

    python examples/sample.py --count 16 --seed 7 --out samples.png

The model is the released one, or the bundled starter model until you release your own.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import palm_assets
from palm_assets.image_grid import grid

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--model", help="version of a model in the store, or the folder of one")
parser.add_argument("--count", type=int, default=16)
parser.add_argument("--seed", type=int, default=7)
parser.add_argument("--truncation", type=float, default=1.0)
parser.add_argument("--out", type=Path, default=Path("samples.png"))
arguments = parser.parse_args()

model = palm_assets.load_model(arguments.model)
images = model.sample(arguments.count, seed=arguments.seed, truncation=arguments.truncation)
grid(images).save(arguments.out)
print(f"{arguments.out}: {images.shape} {images.dtype} from model {model.version}")
