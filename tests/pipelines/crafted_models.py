"""Models with a known fault, at the place in the store where the graph looks for what it would train."""

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
from palm_assets.stages import make as stages
from palm_assets.stages.open_artifacts import open_crops
from palm_assets.store.artifacts import Artifact, Store


def plant(store: Store, config: GanConfig, generator: Generator) -> Artifact:
    """Publish a generator as what this config would have trained: the graph finds it and judges it."""
    crops = store.current("cropped_palms")

    def build(folder: Path) -> dict[str, object]:
        torch.manual_seed(0)
        save_networks(generator, Discriminator(config).eval(), config.networks(), folder)
        for name in ("samples.png", "curves.png", "reliability.png"):
            grid(np.zeros((1, 3, 16, 16), np.uint8)).save(folder / name)
        return {"kimg": config.kimg, "image_size": config.image_size}

    inputs, version = {"crops": crops.version}, stages.CODE_VERSIONS["models"]
    return store.make("models", build, inputs=inputs, config=config, code_version=version)


def learnt(store: Store, config: GanConfig, steps: int) -> Generator:
    """A generator that matches the palms' distribution by their energy distance (Szekely and Rizzo 2013).

    More steps, better palms; and unlike a game of two networks it takes seconds.
    """
    torch.set_flush_denormal(True)  # as training does: vanishing activations take a hundred times longer
    torch.manual_seed(1)
    real = torch.from_numpy(np.array(open_crops(store.current("cropped_palms")).train)).flatten(1) / 127.5 - 1
    generator, random = Generator(config).train(), torch.Generator().manual_seed(2)
    optimizer = torch.optim.Adam(generator.parameters(), 2e-3, (0.5, 0.99))
    fading = torch.optim.lr_scheduler.LinearLR(optimizer, 1, 0, steps)
    for _ in range(steps):
        ours = generator(torch.randn(64, config.latent, generator=random)).flatten(1)
        some = real[torch.randint(len(real), (64,), generator=random)]
        optimizer.zero_grad()
        (2 * torch.cdist(ours, some).mean() - torch.cdist(ours, ours).mean()).backward()
        optimizer.step()
        fading.step()
    return with_recomputed_batch_norm(generator, config)


def plant_crops(store: Store, config: CropConfig, train: np.ndarray) -> Artifact:
    """Publish crops with other palms to train on, as what this config would have cut out."""
    now = store.current("cropped_palms")
    palms = open_crops(now)

    def build(folder: Path) -> dict[str, object]:
        rows = (now.folder / "crops.csv").read_text().splitlines(keepends=True)
        kept = rows[: 1 + len(train)] + rows[1 + len(palms.train) :]  # the people held out come last
        (folder / "crops.csv").write_text("".join(kept))
        np.save(folder / "crops.npy", np.concatenate([train, palms.holdout]))
        shutil.copy(now.folder / "contact_sheet.png", folder)
        return {**now.facts, "crops": {"train": len(train), "holdout": len(palms.holdout)}}

    return store.make(
        "crops",
        build,
        inputs=now.manifest.inputs,
        config=config,
        code_version=stages.CODE_VERSIONS["crops"],
    )


def collapsed(generator: Generator) -> Generator:
    """The same generator, but every latent vector is nearly the same to it."""
    return _changed(generator, lambda weights: weights.mul_(0.01), only_first=True)


def not_a_number(generator: Generator) -> Generator:
    """The same generator with one weight that is not a number."""
    return _changed(generator, lambda weights: weights[0, 0].fill_(torch.nan), only_first=True)


def worn(generator: Generator, share: float) -> Generator:
    """The same generator with noise on all weights: `share` of their own deviation."""
    random = torch.Generator().manual_seed(0)

    def wear(weights: Tensor) -> Tensor:
        return weights.add_(torch.randn(weights.shape, generator=random) * weights.std() * share)

    return _changed(generator, wear)


@torch.no_grad()
def _changed(
    generator: Generator, change: Callable[[Tensor], Tensor], *, only_first: bool = False
) -> Generator:
    changed = copy.deepcopy(generator)
    weights = [value for value in changed.parameters() if value.dim() == 4]
    for value in weights[:1] if only_first else weights:
        change(value)
    return changed.eval()
