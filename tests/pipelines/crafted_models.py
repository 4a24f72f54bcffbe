"""Models with a known fault, published as what the graph would have trained."""

from __future__ import annotations

import copy
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from palm_assets.crops.config import CropConfig
from palm_assets.gan.checkpoint import save_networks
from palm_assets.gan.config import GanConfig
from palm_assets.gan.networks import Discriminator, Generator
from palm_assets.gan.training_loop import with_recomputed_batch_norm
from palm_assets.image_grid import grid
from palm_assets.stages.code_versions import CODE_VERSIONS
from palm_assets.stages.crops import open_crops
from palm_assets.store.artifacts import Artifact, Store


def publish_model(store: Store, config: GanConfig, generator: Generator) -> Artifact:
    """Publish a generator as what this config would have trained, so that the graph finds and checks it."""
    crops = store.current("cropped_palms")

    def build(folder: Path) -> dict[str, object]:
        torch.manual_seed(0)
        save_networks(generator, Discriminator(config).eval(), config.networks(), folder)
        for name in ("samples.png", "curves.png", "reliability.png"):
            grid(np.zeros((1, 3, 16, 16), np.uint8)).save(folder / name)
        return {"kimg": config.kimg, "image_size": config.image_size}

    inputs, version = {"crops": crops.version}, CODE_VERSIONS["models"]
    return store.make("models", build, inputs=inputs, config=config, code_version=version)


def train_by_energy_distance(store: Store, config: GanConfig, steps: int) -> Generator:
    """Train a generator on the energy distance to the crops (Szekely and Rizzo 2013).

    It takes seconds, unlike adversarial training; more steps give better samples.
    """
    torch.set_flush_denormal(True)  # as in training: denormal activations are a hundred times slower
    torch.manual_seed(1)
    real = torch.from_numpy(np.array(open_crops(store.current("cropped_palms")).train)).flatten(1) / 127.5 - 1
    generator, random = Generator(config).train(), torch.Generator().manual_seed(2)
    optimizer = torch.optim.Adam(generator.parameters(), 2e-3, (0.5, 0.99))
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1, 0, steps)
    for _ in range(steps):
        samples = generator(torch.randn(64, config.latent, generator=random)).flatten(1)
        batch = real[torch.randint(len(real), (64,), generator=random)]
        optimizer.zero_grad()
        (2 * torch.cdist(samples, batch).mean() - torch.cdist(samples, samples).mean()).backward()
        optimizer.step()
        schedule.step()
    return with_recomputed_batch_norm(generator, config)


def publish_crops(store: Store, config: CropConfig, train: np.ndarray) -> Artifact:
    """Publish crops with other training images, as what this config would have cropped."""
    current = store.current("cropped_palms")
    palms = open_crops(current)

    def build(folder: Path) -> dict[str, object]:
        rows = (current.folder / "crops.csv").read_text().splitlines(keepends=True)
        kept = rows[: 1 + len(train)] + rows[1 + len(palms.train) :]  # held-out people come last
        (folder / "crops.csv").write_text("".join(kept))
        np.save(folder / "crops.npy", np.concatenate([train, palms.images[len(palms.train) :]]))
        shutil.copy(current.folder / "contact_sheet.png", folder)
        return {**current.facts, "crops": {**current.facts["crops"], "train": len(train)}}

    return store.make(
        "crops",
        build,
        inputs=current.manifest.inputs,
        config=config,
        code_version=CODE_VERSIONS["crops"],
    )


def collapsed(generator: Generator) -> Generator:
    """The same generator with a collapsed output: it nearly ignores the latent vector."""
    return _changed(generator, lambda weights: weights.mul_(0.01), only_first=True)


def with_nan(generator: Generator) -> Generator:
    """The same generator with one NaN weight."""
    return _changed(generator, lambda weights: weights[0, 0].fill_(torch.nan), only_first=True)


def with_noise(generator: Generator, share: float) -> Generator:
    """The same generator with noise on all weights: `share` of their standard deviation."""
    random = torch.Generator().manual_seed(0)

    def add_noise(weights: Tensor) -> Tensor:
        return weights.add_(torch.randn(weights.shape, generator=random) * weights.std() * share)

    return _changed(generator, add_noise)


@torch.no_grad()
def _changed(
    generator: Generator, change: Callable[[Tensor], Tensor], *, only_first: bool = False
) -> Generator:
    changed = copy.deepcopy(generator)
    weights = [value for value in changed.parameters() if value.dim() == 4]
    for value in weights[:1] if only_first else weights:
        change(value)
    return changed.eval()
