"""Sampling: an image depends on its seed and index alone, to the byte."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from palm_assets.errors import RequestError
from palm_assets.gan.checkpoint import save_networks
from palm_assets.gan.config import NetworkConfig
from palm_assets.gan.networks import Discriminator, Generator
from palm_assets.gan.sampler import MAX_SEED, PalmModel, load_model


@pytest.fixture(scope="module", params=["batch", "spectral"])
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> PalmModel:
    """Random weights, scaled up so that images and logits differ visibly."""
    config = NetworkConfig(
        image_size=32,
        latent=8,
        generator_width=8,
        discriminator_width=8,
        discriminator_norm=request.param,
        minibatch_stddev=request.param == "spectral",
    )
    torch.manual_seed(0)
    generator, discriminator = Generator(config), Discriminator(config)
    for weight in [*generator.parameters(), *discriminator.parameters()]:
        weight.data.mul_(4)
    for _ in range(3):
        discriminator(generator(torch.randn(16, 8)))
    folder = tmp_path_factory.mktemp("model")
    save_networks(generator.eval(), discriminator.eval(), config, folder)
    return load_model(folder, "v1")


def test_images_are_bytes_of_the_configured_size_and_differ(model: PalmModel) -> None:
    images = model.generate(model.latents(7, range(20)))
    assert images.shape == (20, 3, 32, 32)
    assert images.dtype == np.uint8
    assert images.flags.c_contiguous
    assert len({image.tobytes() for image in images}) == 20
    assert images.std() > 5


def test_a_longer_set_begins_with_the_shorter_one_to_the_byte(model: PalmModel) -> None:
    many = model.generate(model.latents(7, range(50)))
    for count in (1, 2, 15, 16, 17, 33):
        assert (model.generate(model.latents(7, range(count))) == many[:count]).all()


def test_image_i_depends_on_seed_plus_i_alone(model: PalmModel) -> None:
    many = model.generate(model.latents(7, range(50)))
    assert (model.generate(model.latents(7, [5]))[0] == many[5]).all()
    assert (model.generate(model.latents(12, [0]))[0] == many[5]).all()
    assert (model.generate(model.latents(7, [40, 3, 5]))[2] == many[5]).all()
    torch.manual_seed(1)
    assert (model.generate(model.latents(7, range(50))) == many).all()
    assert (model.generate(model.latents(8, range(49))) == many[1:]).all()


def test_the_number_of_threads_does_not_matter(model: PalmModel) -> None:
    many = model.generate(model.latents(7, range(20)))
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        assert (model.generate(model.latents(7, range(20))) == many).all()
    finally:
        torch.set_num_threads(threads)


def test_a_logit_does_not_depend_on_the_batch(model: PalmModel) -> None:
    images = model.generate(model.latents(3, range(37)))
    logits = model.logits(images)
    assert logits.shape == (37,)
    assert logits.dtype == np.float32
    assert np.unique(logits).size == 37
    alone = np.concatenate([model.logits(image[None]) for image in images])
    assert (alone == logits).all()
    assert (model.logits(images[::-1]) == logits[::-1]).all()
    for places in (1, 3, 16, 100):
        images, more = model.generate(model.latents(3, range(125))), model.latents(3 + places, range(125))
        assert (model.logits(model.generate(more))[:-places] == model.logits(images)[places:]).all()
        assert (model.scores(model.generate(more))[:-places] == model.scores(images)[places:]).all()


def test_images_may_come_from_a_read_only_memory_map(model: PalmModel, tmp_path: Path) -> None:
    images = model.generate(model.latents(3, range(5)))
    np.save(tmp_path / "images.npy", images)
    assert (model.logits(np.load(tmp_path / "images.npy", mmap_mode="r")) == model.logits(images)).all()


def test_truncation_reduces_diversity_down_to_a_single_image(model: PalmModel) -> None:
    latents = model.latents(0, range(16))
    whole = model.generate(latents)
    assert (model.generate(latents, truncation=1.0) == whole).all()
    spread = [
        model.generate(latents, truncation=psi).astype(float).std(0).mean() for psi in (1.0, 0.5, 0.1, 0.0)
    ]
    assert spread == sorted(spread, reverse=True)
    assert spread[-1] == 0


def test_the_range_of_tanh_is_mapped_to_the_range_of_bytes(model: PalmModel) -> None:
    class Constant(torch.nn.Module):
        def forward(self, latents: torch.Tensor) -> torch.Tensor:
            return latents[:, :3, None, None].expand(-1, -1, 32, 32)

    constant = PalmModel(Constant(), model.discriminator, model.networks, "", model.folder)  # type: ignore[arg-type]
    images = constant.generate(torch.tensor([[-1.0, 0.0, 1.0], [-1.0 / 255, 1.0 / 255, 0.5]]))[:, :, 0, 0]
    assert images.tolist() == [[0, 128, 255], [127, 128, 191]]


def test_no_images_are_an_empty_set(model: PalmModel) -> None:
    empty = model.generate(model.latents(0, []))
    assert empty.shape == (0, 3, 32, 32)
    assert model.logits(empty).shape == (0,)


@pytest.mark.parametrize("seed", [-1, MAX_SEED + 1])
def test_a_seed_out_of_range_is_a_typed_error(model: PalmModel, seed: int) -> None:
    with pytest.raises(RequestError, match="out of range"):
        model.latents(seed, range(3))
    assert len(model.latents(MAX_SEED, range(3))) == 3


def test_adjacent_large_seeds_give_different_latents(model: PalmModel) -> None:
    assert not torch.equal(model.latents(MAX_SEED, [0]), model.latents(MAX_SEED, [1]))
