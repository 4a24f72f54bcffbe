"""A walk between two palms: what lies between them for the generator."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from app.jobs import Job, Steps

if TYPE_CHECKING:
    from torch import Tensor

    from palm_assets.gan.sampler import PalmModel

FRAMES = 32
STRIP = 7  # of the frames, shown side by side
LEAST_SIDE = 256  # smaller frames are enlarged: an animation is watched and sent to friends
FRAME_MILLISECONDS = 60


@dataclass(frozen=True)
class Walk:
    """From one palm, by its number, to another: a few frames as PNG, and an animated WebP there and back."""

    start: int
    end: int
    strip: tuple[bytes, ...]
    animation: bytes


def between(start: Tensor, end: Tensor, steps: int) -> Tensor:
    """Latents (steps, latent) from `start` to `end`, (latent,) each, both included.

    Along the sphere (Shoemake 1985; White 2016, arXiv:1609.04468): the straight way would pass nearer to the
    origin, where no latent of training was. The length changes evenly.
    """
    import torch  # a second, which the first view of the page must not wait for

    angle = torch.arccos(torch.clamp(torch.cosine_similarity(start, end, dim=0), -1, 1))
    share = torch.linspace(0, 1, steps)[:, None]
    if angle.sin() < 1e-4:  # the same direction: nothing to go round
        return torch.lerp(start, end, share)
    directions = (
        torch.sin((1 - share) * angle) * start / start.norm() + torch.sin(share * angle) * end / end.norm()
    ) / angle.sin()
    points: Tensor = directions * torch.lerp(start.norm(), end.norm(), share)
    points[0], points[-1] = start, end  # exactly: the ends are palms that the visitor knows
    return points


def walking(
    model: PalmModel, seed: int, start: int, end: int, truncation: float
) -> Callable[[Job[Walk]], Steps[Walk]]:
    """The work of a walk between the palms at two indices of a set, for `JobQueue.submit`."""

    def work(job: Job[Walk]) -> Steps[Walk]:
        ends = model.latents(seed, [start, end])
        path = between(ends[0], ends[1], FRAMES)
        frames = []
        for first in range(0, FRAMES, model.chunk):
            frames += list(model.generate(path[first : first + model.chunk], truncation=truncation))
            yield len(frames), FRAMES
        shown = np.linspace(0, FRAMES - 1, STRIP).round().astype(int)
        return Walk(start + 1, end + 1, tuple(_png(frames[i]) for i in shown), _webp(frames))

    return work


def _picture(frame: np.ndarray) -> Image.Image:
    return Image.fromarray(np.ascontiguousarray(frame.transpose(1, 2, 0)))


def _png(frame: np.ndarray) -> bytes:
    stream = io.BytesIO()
    _picture(frame).save(stream, "PNG", compress_level=1)
    return stream.getvalue()


def _webp(frames: list[np.ndarray]) -> bytes:
    pictures = [_picture(frame) for frame in [*frames, *frames[-2:0:-1]]]
    side = max(pictures[0].width, LEAST_SIDE)
    pictures = [picture.resize((side, side), Image.Resampling.BICUBIC) for picture in pictures]
    stream = io.BytesIO()
    pictures[0].save(
        stream,
        "WEBP",
        save_all=True,
        append_images=pictures[1:],
        duration=FRAME_MILLISECONDS,
        loop=0,
        quality=85,
        method=0,
    )
    return stream.getvalue()
