"""Conditional models: labels of hands, what a model can be asked for, and how the networks see it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from palm_assets.errors import RequestError
from palm_assets.gan.checkpoint import save_networks
from palm_assets.gan.config import GanConfig, NetworkConfig
from palm_assets.gan.hand_labels import ANY_HAND, HandLabels, from_metadata
from palm_assets.gan.label_vectors import combinations, encode, encode_all
from palm_assets.gan.networks import Discriminator, Generator
from palm_assets.gan.sampler import PalmModel, load_model
from palm_assets.gan.trainer import Trainer
from tests.gan.recipes import IMAGES, tiny

ALL = ["aspect", "side", "skin"]
HANDS = [
    HandLabels("palm", skin="dark"),
    HandLabels("palm"),
    HandLabels("back", skin="fair"),
    HandLabels("back"),
]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> PalmModel:
    """Random weights; a quarter of what it was trained on were dark palms, the others fair backs."""
    config = NetworkConfig(image_size=16, latent=8, generator_width=8, discriminator_width=8, labels=ALL)
    torch.manual_seed(0)
    generator, discriminator = Generator(config), Discriminator(config)
    for weight in [*generator.parameters(), *discriminator.parameters()]:
        weight.data.mul_(4)
    torch.nn.init.normal_(discriminator.get_parameter("embedding.weight"))
    trained = {HandLabels("palm", skin="dark"): 0.25, HandLabels("back", skin="fair"): 0.75}
    shares = torch.tensor([trained.get(row, 0.0) for row in combinations(ALL)])
    generator.get_buffer("label_shares").copy_(shares)
    folder = tmp_path_factory.mktemp("model")
    save_networks(generator.eval(), discriminator.eval(), config, folder)
    return load_model(folder, "v1")


def test_a_label_vector_is_one_hot_and_zero_where_a_label_is_not_known() -> None:
    assert encode(ALL, HandLabels("back", "left", "fair")).tolist() == [0, 1, 1, 0, 0]
    assert encode(ALL, HandLabels("palm")).tolist() == [1, 0, 0, 0, 0]
    assert encode(["skin"], HandLabels("palm", skin="dark")).tolist() == [0, 0, 1]
    assert encode([], HandLabels("palm")).tolist() == []
    assert len({tuple(encode(ALL, row).tolist()) for row in combinations(ALL)}) == 12


def test_the_words_of_hand_info_become_labels() -> None:
    assert from_metadata("palmar", "left", "very fair") == HandLabels("palm", "left", "fair")
    assert from_metadata("dorsal", "unknown", "Dark ") == HandLabels("back", "any", "dark")
    assert from_metadata("unknown", "unknown", "unknown") == ANY_HAND


def test_the_thumb_is_on_the_left_of_left_palms_and_of_the_backs_of_right_hands() -> None:
    left = [HandLabels("palm", "left"), HandLabels("back", "right")]
    right = [HandLabels("palm", "right"), HandLabels("back", "left")]
    assert [hand.thumb_left for hand in [*left, *right, ANY_HAND]] == [True, True, False, False, False]


def test_the_other_side_is_the_mirror_image(model: PalmModel) -> None:
    left, right = (
        model.sample(20, seed=3, side=side, aspect="palm", skin="dark") for side in ("left", "right")
    )
    assert (left == right[..., ::-1]).all()
    assert not (left == right).all()


def test_asking_for_what_was_drawn_gives_the_same_image(model: PalmModel) -> None:
    images = model.sample(30, seed=11)
    for index, hand in enumerate(model.hands(11, range(30))):
        assert hand.known.keys() == set(ALL)
        again = model.sample(1, seed=11 + index, **hand.known)
        assert (again[0] == images[index]).all()


def test_labels_left_open_are_drawn_as_often_as_they_were_trained_on(model: PalmModel) -> None:
    hands = model.hands(0, range(2000))
    counts = Counter((hand.aspect, hand.skin) for hand in hands)
    assert counts.keys() == {("palm", "dark"), ("back", "fair")}
    assert counts["palm", "dark"] / 2000 == pytest.approx(0.25, abs=0.03)
    assert sum(hand.side == "left" for hand in hands) / 2000 == pytest.approx(0.5, abs=0.04)
    assert {hand.skin for hand in model.hands(0, range(50), HandLabels("back"))} == {"fair"}


def test_labels_change_the_image_and_its_score(model: PalmModel) -> None:
    palms = model.sample(16, aspect="palm", side="right", skin="dark")
    backs = model.sample(16, aspect="back", side="left", skin="dark")
    assert (palms != backs).any((1, 2, 3)).all()
    as_palms = model.logits(palms, [HandLabels("palm", "right", "dark")] * 16)
    as_backs = model.logits(palms, [HandLabels("back", "left", "dark")] * 16)
    assert (np.abs(as_palms - as_backs) > 1e-3).all()


def test_a_mirrored_image_of_the_other_side_has_the_same_score(model: PalmModel) -> None:
    right = model.sample(16, aspect="palm", side="right", skin="dark")
    scores = model.scores(right, [HandLabels("palm", "right", "dark")] * 16)
    mirrored = model.scores(right[..., ::-1], [HandLabels("palm", "left", "dark")] * 16)
    assert (scores == mirrored).all()


def test_a_model_without_labels_cannot_be_asked(tmp_path: Path) -> None:
    config = NetworkConfig(image_size=16, latent=8, generator_width=8, discriminator_width=8)
    save_networks(Generator(config), Discriminator(config), config, tmp_path)
    model = load_model(tmp_path, "v1")
    with pytest.raises(RequestError, match="v1 cannot be asked for skin 'dark'"):
        model.sample(1, skin="dark")
    with pytest.raises(RequestError, match="no hands with side 'up'"):
        model.sample(1, side="up")
    assert model.hands(0, range(2)) == [ANY_HAND, ANY_HAND]


@torch.no_grad()
def test_a_new_conditional_discriminator_starts_as_one_without_labels() -> None:
    config = tiny(labels=ALL, mirror=False).networks()
    discriminator = Discriminator(config)
    images = torch.randn(8, 3, 16, 16).clamp(-1, 1)
    labels = encode_all(ALL, HANDS * 2)
    assert torch.equal(discriminator(images, labels), discriminator(images))


def test_training_teaches_both_networks_the_labels() -> None:
    config = tiny(labels=ALL, mirror=False, balance_aspects=1.0)
    trainer = Trainer(IMAGES, config, encode_all(ALL, HANDS * 10))
    first = trainer.generator.state_dict()["main.0.weight"].clone()
    for _ in range(3):
        assert all(value.isfinite() for value in trainer.step().values())
    moved = (trainer.generator.state_dict()["main.0.weight"] - first).abs().amax((1, 2, 3))
    seen = [True, True, True, False, True]  # no hand is of medium skin
    assert (moved[config.latent :] > 0).tolist() == seen
    embedded = trainer.discriminator.get_parameter("embedding.weight").abs().amax(0)
    assert (embedded > 0).tolist() == seen


def test_aspects_are_drawn_equally_often_if_balanced() -> None:
    labels = encode_all(ALL, [HandLabels("back"), *[HandLabels("palm")] * 39])
    for balance, share in ((0.0, 0.025), (1.0, 0.5)):
        trainer = Trainer(IMAGES, tiny(labels=ALL, mirror=False, balance_aspects=balance, batch=400), labels)
        _, drawn = trainer._sample_real_images()
        assert float(drawn[:, 1].mean()) == pytest.approx(share, abs=0.08)
        shares = trainer.generator_ema.get_buffer("label_shares")
        found = {row: float(value) for row, value in zip(combinations(ALL), shares, strict=True) if value > 0}
        assert found == pytest.approx({HandLabels("palm"): 1 - share, HandLabels("back"): share})


def test_skins_are_drawn_equally_often_among_each_aspect_if_balanced() -> None:
    counts = {("palm", "fair"): 20, ("palm", "dark"): 10, ("back", "fair"): 9, ("back", "dark"): 1}
    labels = encode_all(ALL, [HandLabels(a, skin=s) for (a, s), n in counts.items() for _ in range(n)])

    def drawn(**balance: float) -> list[float]:
        trainer = Trainer(IMAGES, tiny(labels=ALL, mirror=False, **balance), labels)
        found = zip(combinations(ALL), trainer.generator_ema.get_buffer("label_shares").tolist(), strict=True)
        shares = {(hand.aspect, hand.skin): share for hand, share in found}
        return [shares[kind] for kind in counts]

    assert drawn(balance_skins=1.0) == pytest.approx([0.375, 0.375, 0.125, 0.125])
    assert drawn(balance_skins=0.5, balance_aspects=1.0) == pytest.approx(
        [0.2929, 0.2071, 0.375, 0.125], abs=1e-4
    )
    assert drawn(balance_aspects=1.0) == pytest.approx([1 / 3, 1 / 6, 0.45, 0.05])
    assert drawn() == pytest.approx([0.5, 0.25, 0.225, 0.025])


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"labels": ["fingers"]}, "labels must be some of aspect, side, skin"),
        ({"labels": ["side", "aspect"]}, "need `mirror: false`"),
        ({"labels": ["side"], "mirror": False}, "need `aspect`"),
    ],
)
def test_labels_that_cannot_be_learned_are_refused(fields: dict[str, object], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        GanConfig(**fields)  # type: ignore[arg-type]
