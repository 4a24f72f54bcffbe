"""Crops for a conditional model: labels from the photographs' metadata, and every thumb on the right."""

from __future__ import annotations

import logging
from itertools import product

import numpy as np
import pytest

from palm_assets.crops.extraction import Crop, Crops
from palm_assets.crops.splits import SplitLabel
from palm_assets.errors import DatasetError
from palm_assets.gan.config import NetworkConfig
from palm_assets.gan.hand_labels import HandLabels
from palm_assets.gan.labeled_crops import hands_of, label_counts, labeled_crops
from palm_assets.gan.networks import Discriminator, Generator
from palm_assets.gan.sampler import PalmModel
from palm_assets.gan.score_calibration import calibrate

ALL = ["aspect", "side", "skin"]
KINDS = list(product(("palmar", "dorsal"), ("left", "right"), ("very fair", "medium", "dark")))


def crops(kinds: list[tuple[str, str, str]], splits: tuple[SplitLabel, ...] = ("train",)) -> Crops:
    """A crop of each kind, aspect, side and skin, in each split; its left half is darker than its right."""
    index = []
    for split in splits:
        for aspect, side, skin in kinds:
            number = len(index)
            person = f"{split}-{number % 3}"
            index.append(Crop(number, f"{number}.jpg", person, aspect, side, skin, split, 1, 0, 0, 9, 9))
    images = np.zeros((len(index), 3, 16, 16), np.uint8)
    images[..., 8:] = 200
    images += np.random.default_rng(0).integers(0, 50, images.shape, dtype=np.uint8)
    return Crops(images, tuple(index))


def brighter_half(images: np.ndarray) -> list[str]:
    means = images.reshape(len(images), -1, 2, 8).mean((1, 3))
    return ["right" if right > left else "left" for left, right in means]


def test_crops_with_the_thumb_on_the_left_are_mirrored() -> None:
    made = crops(KINDS)
    images, labels = labeled_crops(made, ALL)
    assert labels is not None
    assert labels.shape == (12, 5)
    mirrored = [(aspect, side) in (("palmar", "left"), ("dorsal", "right")) for aspect, side, _ in KINDS]
    assert brighter_half(images[:]) == ["left" if left else "right" for left in mirrored]
    assert brighter_half(made.train) == ["right"] * 12  # the crops themselves stay as they are
    assert labels[0].tolist() == [1, 0, 1, 0, 0]
    assert labels[-1].tolist() == [0, 1, 0, 0, 1]


def test_without_the_label_side_nothing_is_mirrored_or_left_out() -> None:
    made = crops([*KINDS, ("unknown", "unknown", "unknown")])
    images, labels = labeled_crops(made, ["aspect", "skin"])
    assert labels is not None
    assert (images[:] == made.train).all()
    assert labels[-1].tolist() == [0] * 5
    images, none = labeled_crops(made, [])
    assert none is None
    assert (images[:] == made.train).all()


def test_a_crop_whose_side_is_not_known_is_left_out_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        images, _ = labeled_crops(crops([*KINDS, ("palmar", "unknown", "dark")]), ALL)
    assert len(images) == 12
    assert "1 of 13 crops are not trained on" in caplog.text


def test_a_value_that_is_on_no_crop_cannot_be_learned() -> None:
    palms = [kind for kind in KINDS if kind[0] == "palmar"]
    with pytest.raises(DatasetError, match="aspect back"):
        labeled_crops(crops(palms), ALL)


def test_labels_are_counted_for_the_manifest() -> None:
    counts = label_counts(crops([*KINDS, ("palmar", "left", "unknown")]))
    assert counts["aspect"] == {"palm": 7, "back": 6}
    assert counts["skin"] == {"fair": 4, "medium": 4, "dark": 4, "any": 1}


def test_the_score_of_a_conditional_model_is_calibrated_with_the_labels_of_each_image() -> None:
    config = NetworkConfig(image_size=16, latent=8, generator_width=8, discriminator_width=8, labels=ALL)
    networks = Generator(config).eval(), Discriminator(config).eval()
    made = crops(KINDS, ("train", "validation"))
    model = PalmModel(*networks, config, "v1", None)  # type: ignore[arg-type]
    calibration, report = calibrate(model, made)
    real = model.logits(made.validation, hands_of(made, "validation"))
    assert report.n_real == 12
    assert np.isfinite(calibration.probability(real)).all()
    assert hands_of(made, "validation")[0] == HandLabels("palm", "left", "fair")
