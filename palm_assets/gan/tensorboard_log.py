"""Event files for TensorBoard, if its package is installed: `pip install 'palms[tensorboard]'`."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from palm_assets.gan.checkpoint_selection import CheckpointRecord
from palm_assets.gan.metrics import TrainingMetrics

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

EVENTS_FOLDER = "tensorboard"


class TensorBoardLog:
    """Writes training metrics over the images seen into a folder; nothing if TensorBoard is not installed.

    A resumed run adds event files to the earlier ones, as TensorBoard expects.
    """

    def __init__(self, folder: Path) -> None:
        self._writer: SummaryWriter | None = None
        if find_spec("tensorboard") is not None:
            from torch.utils.tensorboard import SummaryWriter

            self._writer = SummaryWriter(folder)

    def add_metrics(self, metrics: TrainingMetrics) -> None:
        """Write losses, logits, speed and augmentation probability."""
        values = {
            "loss/discriminator": metrics.loss_d,
            "loss/generator": metrics.loss_g,
            "logit/real": metrics.logit_real,
            "logit/fake": metrics.logit_fake,
            "images_per_second": metrics.images_per_second,
            "augment_probability": metrics.augment_probability,
        }
        if self._writer is not None:
            for name, value in values.items():
                self._writer.add_scalar(name, value, metrics.images_seen)

    def add_checkpoint(self, samples: Image.Image, record: CheckpointRecord) -> None:
        """Write the sample grid, and the kernel distance to held-out people."""
        if self._writer is not None:
            self._writer.add_scalar("kernel_distance_to_held_out", record.kernel_distance, record.images_seen)
            self._writer.add_image("samples", np.asarray(samples), record.images_seen, dataformats="HWC")

    def close(self) -> None:
        """Flush and close the event file."""
        if self._writer is not None:
            self._writer.close()
