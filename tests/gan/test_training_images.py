"""Images to train on are read when a step needs them, and not before."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from palm_assets.gan.trainer import Trainer
from palm_assets.gan.training_images import TrainingImages
from tests.gan.recipes import IMAGES, tiny


class Counted(np.ndarray):
    """An array that records which of its rows are read."""

    read: list[int]

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, np.ndarray):
            self.read.extend(index.tolist())
        return np.asarray(self)[index]


def counted() -> Counted:
    array = IMAGES.copy().view(Counted)
    array.read = []
    return array


def test_rows_are_chosen_mirrored_and_copied() -> None:
    rows, mirrored = np.array([3, 1, 7]), np.array([False, True, False])
    images = TrainingImages(IMAGES, rows, mirrored)
    assert (len(images), images.shape, images.nbytes) == (3, (3, 3, 16, 16), 3 * 3 * 16 * 16)
    expected = IMAGES[rows].copy()
    expected[1] = expected[1, ..., ::-1]
    np.testing.assert_array_equal(images[:], expected)
    np.testing.assert_array_equal(images[np.array([1, 1])], expected[[1, 1]])
    before = IMAGES.copy()
    images[:][:] = 0
    np.testing.assert_array_equal(IMAGES, before)


def test_a_step_reads_its_batch_alone() -> None:
    array, config = counted(), tiny(mirror=False)
    trainer = Trainer(TrainingImages(array, np.arange(len(array)), np.zeros(len(array), bool)), config)
    assert array.read == []
    trainer.step()
    assert len(array.read) == config.batch


@pytest.mark.parametrize("stored", ["array", "memory map", "rows of a memory map"])
def test_training_is_the_same_wherever_the_images_are(stored: str, tmp_path: Path) -> None:
    np.save(tmp_path / "images.npy", IMAGES)
    mapped = np.load(tmp_path / "images.npy", mmap_mode="r")
    rows = TrainingImages(mapped, np.arange(len(mapped)), np.zeros(len(mapped), bool))
    images = {"array": IMAGES, "memory map": mapped, "rows of a memory map": rows}[stored]
    expected, found = Trainer(IMAGES.copy(), tiny()), Trainer(images, tiny())
    for _ in range(3):
        expected.step()
        found.step()
    for name, value in expected.generator.state_dict().items():
        np.testing.assert_array_equal(found.generator.state_dict()[name], value)
