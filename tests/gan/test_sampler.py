"""Drawing palms: the same link gives the same bytes, whatever is asked for beside it."""

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
def palms(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> PalmModel:
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


def test_images_are_bytes_of_the_configured_size_and_differ(palms: PalmModel) -> None:
    images = palms.generate(palms.latents(7, range(20)))
    assert images.shape == (20, 3, 32, 32)
    assert images.dtype == np.uint8
    assert images.flags.c_contiguous
    assert len({image.tobytes() for image in images}) == 20
    assert images.std() > 5


def test_a_longer_set_begins_with_the_shorter_one_to_the_byte(palms: PalmModel) -> None:
    many = palms.generate(palms.latents(7, range(50)))
    for count in (1, 2, 15, 16, 17, 33):
        assert (palms.generate(palms.latents(7, range(count))) == many[:count]).all()


def test_image_i_depends_on_seed_plus_i_alone(palms: PalmModel) -> None:
    many = palms.generate(palms.latents(7, range(50)))
    assert (palms.generate(palms.latents(7, [5]))[0] == many[5]).all()
    assert (palms.generate(palms.latents(12, [0]))[0] == many[5]).all()
    assert (palms.generate(palms.latents(7, [40, 3, 5]))[2] == many[5]).all()
    torch.manual_seed(1)
    assert (palms.generate(palms.latents(7, range(50))) == many).all()
    assert (palms.generate(palms.latents(8, range(49))) == many[1:]).all()


def test_the_number_of_threads_does_not_matter(palms: PalmModel) -> None:
    many = palms.generate(palms.latents(7, range(20)))
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        assert (palms.generate(palms.latents(7, range(20))) == many).all()
    finally:
        torch.set_num_threads(threads)


def test_a_logit_does_not_depend_on_the_batch(palms: PalmModel) -> None:
    images = palms.generate(palms.latents(3, range(37)))
    logits = palms.logits(images)
    assert logits.shape == (37,)
    assert logits.dtype == np.float32
    assert np.unique(logits).size == 37
    alone = np.concatenate([palms.logits(image[None]) for image in images])
    assert (alone == logits).all()
    assert (palms.logits(images[::-1]) == logits[::-1]).all()
    for places in (1, 3, 16, 100):
        images, more = palms.generate(palms.latents(3, range(125))), palms.latents(3 + places, range(125))
        assert (palms.logits(palms.generate(more))[:-places] == palms.logits(images)[places:]).all()
        assert (palms.scores(palms.generate(more))[:-places] == palms.scores(images)[places:]).all()


def test_images_may_come_from_a_read_only_memory_map(palms: PalmModel, tmp_path: Path) -> None:
    images = palms.generate(palms.latents(3, range(5)))
    np.save(tmp_path / "images.npy", images)
    assert (palms.logits(np.load(tmp_path / "images.npy", mmap_mode="r")) == palms.logits(images)).all()


def test_truncation_goes_from_the_whole_variety_to_a_single_palm(palms: PalmModel) -> None:
    latents = palms.latents(0, range(16))
    whole = palms.generate(latents)
    assert (palms.generate(latents, truncation=1.0) == whole).all()
    spread = [
        palms.generate(latents, truncation=psi).astype(float).std(0).mean() for psi in (1.0, 0.5, 0.1, 0.0)
    ]
    assert spread == sorted(spread, reverse=True)
    assert spread[-1] == 0


def test_the_range_of_bytes_is_the_range_of_tanh(palms: PalmModel) -> None:
    class Constant(torch.nn.Module):
        def forward(self, latents: torch.Tensor) -> torch.Tensor:
            return latents[:, :3, None, None].expand(-1, -1, 32, 32)

    model = PalmModel(Constant(), palms.discriminator, palms.networks, "", palms.folder)  # type: ignore[arg-type]
    got = model.generate(torch.tensor([[-1.0, 0.0, 1.0], [-1.0 / 255, 1.0 / 255, 0.5]]))[:, :, 0, 0]
    assert got.tolist() == [[0, 128, 255], [127, 128, 191]]


def test_no_images_are_an_empty_set(palms: PalmModel) -> None:
    nothing = palms.generate(palms.latents(0, []))
    assert nothing.shape == (0, 3, 32, 32)
    assert palms.logits(nothing).shape == (0,)


@pytest.mark.parametrize("seed", [-1, MAX_SEED + 1])
def test_a_seed_out_of_range_is_a_typed_error(palms: PalmModel, seed: int) -> None:
    with pytest.raises(RequestError, match="out of range"):
        palms.latents(seed, range(3))
    assert len(palms.latents(MAX_SEED, range(3))) == 3


def test_two_large_seeds_that_a_float_cannot_tell_apart_give_other_palms(palms: PalmModel) -> None:
    assert not torch.equal(palms.latents(MAX_SEED, [0]), palms.latents(MAX_SEED, [1]))
