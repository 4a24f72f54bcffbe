"""Images to train on, read batch by batch from a memory map: a set may be larger than the memory."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class TrainingImages:
    """Some rows of an array of images, of which some are mirrored when they are read.

    Attributes:
        array: uint8 RGB (N, 3, S, S), such as a memory map.
        rows: int64 (M,), those to train on.
        mirrored: bool (M,), whether left and right of a row are exchanged.
    """

    array: NDArray[np.uint8]
    rows: NDArray[np.int64]
    mirrored: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def shape(self) -> tuple[int, ...]:
        """(M, 3, S, S)."""
        return len(self.rows), *self.array.shape[1:]

    @property
    def nbytes(self) -> int:
        """Size of all M images."""
        return len(self.rows) * int(np.prod(self.array.shape[1:])) * self.array.itemsize

    def __getitem__(self, indices: NDArray[np.int64] | slice) -> NDArray[np.uint8]:
        """A copy of these images, uint8 RGB (K, 3, S, S)."""
        batch = np.asarray(self.array[self.rows[indices]])
        mirrored = self.mirrored[indices]
        batch[mirrored] = batch[mirrored, ..., ::-1]
        return batch
