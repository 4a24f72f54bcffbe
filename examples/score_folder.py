"""Compare a folder or ZIP of images with real palms, or with another folder or ZIP.

    python examples/score_folder.py palms.zip
    python examples/score_folder.py palms.zip --against photographs/

The first form needs a reference in the store, which `make pipeline` makes.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import palm_assets
from palm_assets.evaluation.set_evaluation import compare_sets
from palm_assets.quality.image_sets import open_images

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("images", type=Path)
parser.add_argument("--against", type=Path, help="compare with these images instead of a reference")
arguments = parser.parse_args()

try:
    if arguments.against:
        pair = compare_sets(open_images(arguments.images), open_images(arguments.against))
        print(pair.describe())
    else:
        metrics = palm_assets.evaluate(arguments.images)
        print(metrics.describe())
except palm_assets.PalmError as error:  # says what is wrong, where, and what to do
    sys.exit(str(error))
