"""Small models with random weights, published into a store: quick to make and to sample from."""

from __future__ import annotations

import json
from pathlib import Path

import torch

from palm_assets.gan.checkpoint import save_networks
from palm_assets.gan.config import NetworkConfig
from palm_assets.gan.networks import Discriminator, Generator
from palm_assets.gan.people_record import PeopleRecord, write_people
from palm_assets.gan.sampler import load_model
from palm_assets.image_grid import grid
from palm_assets.store.artifacts import Artifact, Store

SMALL = NetworkConfig(image_size=16, latent=8, generator_width=8, discriminator_width=8, max_width=16)


def publish_model(
    store: Store,
    seed: int = 0,
    networks: NetworkConfig = SMALL,
    calibration: dict[str, object] | None = None,
    inputs: dict[str, str] | None = None,
    people: PeopleRecord | None = None,
    **facts: object,
) -> Artifact:
    """Publish a model whose images differ visibly; the seed determines its weights."""

    def build(folder: Path) -> dict[str, object]:
        fill_with_model(folder, seed, networks, calibration)
        if people is not None:
            write_people(people, folder)
        return {"image_size": networks.image_size, **facts}

    all_inputs = {"seed": str(seed), **(inputs or {})}
    made = store.make("models", build, inputs=all_inputs, config=networks, code_version=str(calibration))
    return store.open("models", made.version)  # not pinned, as what `make` returns is


def fill_with_model(
    folder: Path, seed: int, networks: NetworkConfig, calibration: dict[str, object] | None = None
) -> None:
    """Write the networks of a seed, and samples of them, into the folder of a model."""
    torch.manual_seed(seed)
    generator, discriminator = Generator(networks).eval(), Discriminator(networks).eval()
    for weights in [*generator.parameters(), *discriminator.parameters()]:
        weights.data.mul_(4)  # with initial weights, images are gray and scores 0.5
    save_networks(generator, discriminator, networks, folder)
    if calibration is not None:
        (folder / "calibration.json").write_text(json.dumps(calibration))
    model = load_model(folder, "draft")
    grid(model.sample(4)).save(folder / "samples.png")


def release(store: Store, model: Artifact) -> None:
    """Release a model with an empty reference."""
    reference = store.make("reference", lambda folder: {}, inputs={}, config=SMALL, code_version="1")
    store.release(model, reference)
