"""Interpolation between two images of a set, in latent space, and its frames as an animation."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from palm_assets.gan.hand_labels import ANY_HAND, HandLabels
from palm_assets.gan.sampler import PalmModel

FRAME_COUNT = 32
FRAME_MILLISECONDS = 60
MIN_SIDE = 256  # smaller frames are enlarged: an animation is watched, and sent to friends


def interpolate_latents(start: Tensor, end: Tensor, count: int) -> Tensor:
    """Latent vectors (count, latent) from `start` to `end`, (latent,) each, both included.

    Spherical interpolation (Shoemake 1985; White 2016, arXiv:1609.04468): a straight line would pass
    closer to the origin than any latent of training. The length changes linearly.
    """
    angle = torch.arccos(torch.clamp(torch.cosine_similarity(start, end, dim=0), -1, 1))
    share = torch.linspace(0, 1, count)[:, None]
    if angle.sin() < 1e-4:  # parallel: there is no arc between them
        return torch.lerp(start, end, share)
    directions = (
        torch.sin((1 - share) * angle) * start / start.norm() + torch.sin(share * angle) * end / end.norm()
    ) / angle.sin()
    latents: Tensor = directions * torch.lerp(start.norm(), end.norm(), share)
    latents[0], latents[-1] = start, end  # exactly: the ends are images of the set
    return latents


def interpolate_chunks(
    model: PalmModel,
    seed: int,
    start: int,
    end: int,
    *,
    count: int = FRAME_COUNT,
    truncation: float = 1.0,
    labels: HandLabels = ANY_HAND,
    end_labels: HandLabels | None = None,
) -> Iterator[NDArray[np.uint8]]:
    """Generate the frames between two images of the set with this seed, a chunk (n, 3, S, S) at a time.

    Args:
        model: generates the frames.
        seed: of the set.
        start: index of the first frame's image.
        end: index of the last frame's image.
        count: number of frames, both ends included.
        truncation: scale of the latents.
        labels: asked for in the set.
        end_labels: asked for in the set of the last image; by default `labels`. The kind of hand changes
            linearly; the side changes at half the way, because it is a mirror image.
    """
    hands = [
        *model.hands(seed, [start], labels),
        *model.hands(seed, [end], labels if end_labels is None else end_labels),
    ]
    ends = model.inputs(model.latents(seed, [start, end]), hands)
    size = model.networks.latent
    latents = interpolate_latents(ends[0, :size], ends[1, :size], count)
    kinds = torch.lerp(ends[0, size:], ends[1, size:], torch.linspace(0, 1, count)[:, None])
    inputs = torch.cat([latents, kinds], 1)
    for first in range(0, count, model.chunk):
        yield model.generate(inputs[first : first + model.chunk], truncation=truncation)


def animated_webp(frames: Sequence[NDArray[np.uint8]], xmp: str = "") -> bytes:
    """Frames uint8 (3, S, S) as an animated WebP that plays forwards and backwards for ever; with XMP."""
    pictures = [_picture(frame) for frame in [*frames, *frames[-2:0:-1]]]
    side = max(pictures[0].width, MIN_SIDE)
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
        xmp=xmp.encode(),
    )
    return stream.getvalue()


def _picture(frame: NDArray[np.uint8]) -> Image.Image:
    return Image.fromarray(np.ascontiguousarray(frame.transpose(1, 2, 0)))
