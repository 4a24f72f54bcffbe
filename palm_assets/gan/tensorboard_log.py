"""Event files for TensorBoard, where its package is installed: `pip install 'palms[tensorboard]'`."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from palm_assets.gan.checkpoint_selection import Candidate
from palm_assets.gan.training_loop import Figures

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

EVENTS_FOLDER = "tensorboard"


class Events:
    """Writes where training stands into a folder, over the photographs shown; nothing without TensorBoard.

    A resumed run goes on in files of its own beside the earlier ones, as TensorBoard expects.
    """

    def __init__(self, folder: Path) -> None:
        self._writer: SummaryWriter | None = None
        if find_spec("tensorboard") is not None:
            from torch.utils.tensorboard import SummaryWriter

            self._writer = SummaryWriter(folder)

    def figures(self, now: Figures) -> None:
        """The losses, the logits, the speed and the strength of augmentation."""
        values = {
            "loss/discriminator": now.loss_d,
            "loss/generator": now.loss_g,
            "logit/photographs": now.logit_real,
            "logit/generated": now.logit_fake,
            "images_per_second": now.images_per_second,
            "augment_probability": now.strength,
        }
        if self._writer is not None:
            for name, value in values.items():
                self._writer.add_scalar(name, value, now.seen)

    def evaluation(self, samples: Image.Image, candidate: Candidate) -> None:
        """The sample grid, and how far it is from people held out."""
        if self._writer is not None:
            self._writer.add_scalar("distance_from_held_out", candidate.distance, candidate.seen)
            self._writer.add_image("samples", np.asarray(samples), candidate.seen, dataformats="HWC")

    def close(self) -> None:
        """Write out what is still held."""
        if self._writer is not None:
            self._writer.close()
