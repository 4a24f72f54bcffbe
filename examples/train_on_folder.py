"""Train a DCGAN on a folder or ZIP of images, without Dagster, detector or artifact store.

    python examples/train_on_folder.py crops/ my_model/ --image-size 64 --kimg 80

Each image is cropped to its central square and resized. Stop it with Ctrl+C: the state is saved every two
minutes, and the same command resumes. `palm_assets.load_model("my_model")` loads the result.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

import palm_assets
from palm_assets.gan.checkpoint import save_networks
from palm_assets.gan.config import GanConfig
from palm_assets.gan.metrics import TrainingMetrics
from palm_assets.gan.training_loop import training_loop
from palm_assets.image_grid import grid
from palm_assets.quality.image_sets import open_images
from palm_assets.runtime import configure

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("images", type=Path)
parser.add_argument("out", type=Path, help="folder for the model")
parser.add_argument("--image-size", type=int, default=64, help="side in pixels, a power of two")
parser.add_argument("--kimg", type=float, default=80, help="thousands of images shown to the discriminator")
parser.add_argument("--batch", type=int, default=16)
parser.add_argument("--width", type=int, default=32, help="channels of the layers next to the image")
arguments = parser.parse_args()

configure()
size = arguments.image_size
images = np.stack(
    [
        np.asarray(ImageOps.fit(Image.fromarray(image.transpose(1, 2, 0)), (size, size))).transpose(2, 0, 1)
        for image in open_images(arguments.images)
    ]
)
config = GanConfig(
    image_size=size,
    kimg=arguments.kimg,
    batch=arguments.batch,
    generator_width=arguments.width,
    discriminator_width=arguments.width,
)


def report(metrics: TrainingMetrics) -> None:
    """Print a line about once a second."""
    print(
        f"{metrics.images_seen}/{metrics.total} images, {metrics.images_per_second:.0f} a second, "
        f"loss D {metrics.loss_d:.2f} G {metrics.loss_g:.2f}"
    )


work = arguments.out / "training"
work.mkdir(parents=True, exist_ok=True)
result = training_loop(images, config, work, report=report)
if result is not None:  # None: training was stopped before its end
    save_networks(result.generator, result.discriminator, config.networks(), arguments.out)
    model = palm_assets.load_model(arguments.out)
    grid(model.sample(16)).save(arguments.out / "samples.png")
    print(f"{arguments.out}: trained on {len(images)} images; see samples.png")
