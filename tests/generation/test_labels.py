"""Sets of a model that can be asked for kinds of hands: labels in PNGs, manifests, morphs and variations."""

from __future__ import annotations

import csv
import io
import zipfile

import numpy as np
import pytest
import torch

from palm_assets.errors import RequestError
from palm_assets.gan.checkpoint import save_networks
from palm_assets.gan.config import NetworkConfig
from palm_assets.gan.hand_labels import HandLabels
from palm_assets.gan.networks import Discriminator, Generator
from palm_assets.gan.sampler import PalmModel, load_model
from palm_assets.generation.archives import zip_into
from palm_assets.generation.generate import GeneratedImage, GenerationRequest, generate
from palm_assets.generation.interpolation import interpolate_chunks
from palm_assets.generation.png_metadata import HEAD_BYTES, png_bytes, read_png_metadata
from palm_assets.generation.variations import generate_variations

ASKED = HandLabels("back", "left", "dark")


@pytest.fixture(scope="module")
def hands(tmp_path_factory: pytest.TempPathFactory) -> PalmModel:
    """Random weights, scaled up so that images differ visibly."""
    config = NetworkConfig(
        image_size=16,
        latent=8,
        generator_width=8,
        discriminator_width=8,
        labels=["aspect", "side", "skin"],
    )
    torch.manual_seed(0)
    generator, discriminator = Generator(config), Discriminator(config)
    for weight in [*generator.parameters(), *discriminator.parameters()]:
        weight.data.mul_(4)
    folder = tmp_path_factory.mktemp("hands")
    save_networks(generator.eval(), discriminator.eval(), config, folder)
    return load_model(folder, "0123abcd")


def made(model: PalmModel, labels: HandLabels, count: int = 5) -> list[GeneratedImage]:
    return list(generate(model, GenerationRequest(count, 7, 0.5, labels=labels)))


def test_a_png_says_what_it_shows_and_is_made_again_from_that(hands: PalmModel) -> None:
    for image in [*made(hands, ASKED), *made(hands, HandLabels())]:
        metadata = read_png_metadata(png_bytes(image, hands.version)[:HEAD_BYTES])
        assert metadata is not None
        assert metadata.labels == image.labels
        assert len(metadata.labels.known) == 3
        (again,) = generate(hands, metadata.request)
        assert (again.image == image.image).all()


def test_every_image_of_a_set_shows_what_was_asked_for(hands: PalmModel) -> None:
    assert {image.labels for image in made(hands, ASKED)} == {ASKED}
    sides = {image.labels.side for image in made(hands, HandLabels("palm"), 30)}
    assert sides == {"left", "right"}


def test_the_manifest_has_a_column_for_each_label(hands: PalmModel, model: PalmModel) -> None:
    for of, expected in ((hands, ("back", "left", "dark")), (model, ("", "", ""))):
        labels = ASKED if of is hands else HandLabels()
        stream = io.BytesIO()
        zip_into(stream, made(of, labels), of)
        with zipfile.ZipFile(stream) as archive:
            rows = list(csv.DictReader(archive.read("manifest.csv").decode().splitlines()))
        assert len(rows) == 5
        assert {(row["aspect"], row["side"], row["skin"]) for row in rows} == {expected}


def test_a_model_without_labels_refuses_to_be_asked(model: PalmModel) -> None:
    with pytest.raises(RequestError, match="cannot be asked for aspect 'back'"):
        made(model, ASKED)


def test_a_morph_begins_and_ends_with_the_images_of_the_set(hands: PalmModel) -> None:
    images = [image.image for image in made(hands, HandLabels(), 12)]
    frames = np.concatenate(list(interpolate_chunks(hands, 7, 2, 9, count=9, truncation=0.5)))
    assert (frames[0] == images[2]).all()
    assert (frames[-1] == images[9]).all()
    differences = np.abs(np.diff(frames.astype(int), axis=0)).mean((1, 2, 3))
    assert (differences > 0).all()


def test_a_morph_turns_a_hand_into_the_same_hand_of_another_kind(hands: PalmModel) -> None:
    ends = HandLabels("palm", "left", "fair"), HandLabels("back", "left", "dark")
    first, last = (made(hands, kind, 1)[0].image for kind in ends)
    chunks = interpolate_chunks(hands, 7, 0, 0, count=5, truncation=0.5, labels=ends[0], end_labels=ends[1])
    frames = np.concatenate(list(chunks))
    assert (frames[0] == first).all()
    assert (frames[-1] == last).all()
    assert len({frame.tobytes() for frame in frames}) == 5


def test_variations_show_the_hand_that_was_asked_for(hands: PalmModel) -> None:
    original = made(hands, ASKED, 1)[0]
    first, *others = generate_variations(hands, 7, truncation=0.5, labels=ASKED)
    assert (first.image == original.image).all()
    assert first.score == original.score
    assert {image.labels for image in others} == {ASKED}
