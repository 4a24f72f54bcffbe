"""Sets of images with a known fault, made from real crops: what the release gate must refuse.

Each function returns one set of n images, uint8 (n, 3, S, S). Lengths in pixels are of a crop of 64 px and
grow with the crop.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image, ImageFilter

Images = NDArray[np.uint8]
ROTATIONS_AND_ZOOMS = (
    *((degrees, 1.0) for degrees in (4, 6, 8, 10, 12)),
    *((0, zoom) for zoom in (0.8, 0.9, 0.95, 1.05, 1.1, 1.2)),
    (6, 1.05),
    (8, 0.9),
    (8, 1.1),
)
"""Degrees to either side, and how many times as large: on, between and beyond the steps of the search."""


@dataclass(frozen=True, eq=False)
class Material:
    """Images to degrade.

    Attributes:
        train: training people's crops.
        test: test people's crops.
        others: images of something else, such as backs of hands; may be empty.
        samples: of an ordinary model, to mix with; may be empty.
        n: images in a set.
    """

    train: Images
    test: Images
    others: Images
    samples: Images
    n: int


Degrade = Callable[[Material, np.random.Generator], Images]


def degradations(material: Material) -> dict[tuple[str, str], Degrade]:
    """All faults at all strengths, by their name and strength."""
    found: dict[tuple[str, str], Degrade] = {}
    for pixels in (1, 2, 4):
        found["photographs, blurred", f"{pixels} px"] = lambda m, r, p=pixels: blurred(
            _some(m.train, m.n, r), p
        )
        found["test people's photographs, blurred", f"{pixels} px"] = lambda m, r, p=pixels: blurred(
            _some(m.test, m.n, r), p
        )
    for palms, noise in ((1, 20), (5, 20), (10, 20), (20, 10), (40, 10)):
        found["a few palms with noise", f"{palms} palms, {noise} levels"] = lambda m, r, k=palms, s=noise: (
            repeated(_some(m.train, k, r), m.n, s, r)
        )
    for share in (0.1, 0.25, 0.45):
        found["one palm repeated, copies", f"{share:.0%}"] = lambda m, r, s=share: one_repeated(
            moved(_some(m.train, m.n, r), 2, r), s
        )
    found["copies of photographs", "exact"] = lambda m, r: _some(m.train, m.n, r)
    for pixels in (1, 2, 4):
        found["copies, mirrored and moved", f"{pixels} px"] = lambda m, r, p=pixels: moved(
            _some(m.train, m.n, r), p, r
        )
    for pixels, color in ((3, 0.1), (3, 0.2)):
        found["copies, mirrored, moved, recolored", f"{pixels} px, {color:.0%}"] = (
            lambda m, r, p=pixels, c=color: recolored(moved(_some(m.train, m.n, r), p, r), c, r)
        )
    for radius in (0.7, 1.0):
        found["copies, mirrored, moved, softened", f"2 px, {radius} px"] = lambda m, r, s=radius: blurred(
            moved(_some(m.train, m.n, r), 2, r), s
        )
    for degrees, zoom in ROTATIONS_AND_ZOOMS:
        found["copies, mirrored, moved, rotated, zoomed", f"2 px, {degrees} degrees, {zoom}x"] = (
            lambda m, r, d=degrees, z=zoom: rotated(moved(_some(m.train, m.n, r), 2, r), d, z, r)
        )
    found["copies, halves of two", "left and right"] = lambda m, r: halves(
        _some(m.train, m.n, r), _some(m.train, m.n, r)
    )
    found["copies, mean of two", ""] = lambda m, r: mean_of(_some(m.train, m.n, r), _some(m.train, m.n, r))
    for noise in (10, 20):
        found["copies, moved, with noise", f"2 px, {noise} levels"] = lambda m, r, s=noise: noisy(
            moved(_some(m.train, m.n, r), 2, r), s, r
        )
    found["noise", "only"] = lambda m, r: r.integers(0, 256, (m.n, *m.train.shape[1:])).astype(np.uint8)
    if len(material.others):
        found["other images (backs of hands)", "all"] = lambda m, r: _some(m.others, m.n, r)
    if len(material.samples):
        for share in (0.1, 0.25, 0.5):
            found["ordinary samples and moved copies", f"{share:.0%} copies"] = lambda m, r, s=share: mixed(
                _some(m.samples, m.n, r), moved(_some(m.train, m.n, r), 2, r), s
            )
            found["ordinary samples, one repeated", f"{share:.0%}"] = lambda m, r, s=share: one_repeated(
                _some(m.samples, m.n, r), s
            )
            if len(material.others):
                found["ordinary samples and other images", f"{share:.0%} others"] = lambda m, r, s=share: (
                    mixed(_some(m.samples, m.n, r), _some(m.others, m.n, r), s)
                )
    return found


def blurred(images: Images, pixels: float) -> Images:
    """With a Gaussian blur of this radius."""
    radius = pixels * images.shape[-1] / 64
    shown = (Image.fromarray(np.ascontiguousarray(image.transpose(1, 2, 0))) for image in images)
    return np.stack(
        [np.asarray(image.filter(ImageFilter.GaussianBlur(radius))).transpose(2, 0, 1) for image in shown]
    )


def moved(images: Images, pixels: int, random: np.random.Generator) -> Images:
    """Mirrored by a coin, and moved by at most so many pixels in each direction, with repeated edges."""
    side = images.shape[-1]
    most = round(pixels * side / 64)
    result = []
    for image in images:
        turned = image[..., ::-1] if random.random() < 0.5 else image
        top, left = random.integers(0, 2 * most + 1, 2)
        padded = np.pad(turned, ((0, 0), (most, most), (most, most)), mode="edge")
        result.append(padded[:, top : top + side, left : left + side])
    return np.stack(result)


def rotated(images: Images, degrees: float, zoom: float, random: np.random.Generator) -> Images:
    """Rotated to the left or to the right by a coin, and enlarged, around the middle, with repeated edges."""
    signs = random.choice((-1, 1), len(images))
    radians = torch.from_numpy(np.deg2rad(degrees) * signs).float()
    cos, sin, none = torch.cos(radians) / zoom, torch.sin(radians) / zoom, torch.zeros(len(images))
    matrices = torch.stack([torch.stack([cos, -sin, none], 1), torch.stack([sin, cos, none], 1)], 1)
    places = F.affine_grid(matrices, list(images.shape), align_corners=False)
    pixels = torch.from_numpy(images).float()
    found = F.grid_sample(pixels, places, mode="bicubic", padding_mode="border", align_corners=False)
    return found.round().clamp(0, 255).byte().numpy()


def halves(images: Images, others: Images) -> Images:
    """The left halves of images beside the right halves of others."""
    middle = images.shape[-1] // 2
    return np.concatenate([images[..., :middle], others[..., middle:]], axis=-1)


def mean_of(images: Images, others: Images) -> Images:
    """Each image and another one, as if both were half transparent."""
    return ((images.astype(np.uint16) + others) // 2).astype(np.uint8)


def recolored(images: Images, share: float, random: np.random.Generator) -> Images:
    """Each channel and the brightness changed by up to this share."""
    gain = 1 + random.uniform(-share, share, (len(images), 3, 1, 1))
    brightness = random.uniform(-share, share, (len(images), 1, 1, 1)) * 128
    return np.clip(images * gain + brightness, 0, 255).astype(np.uint8)


def noisy(images: Images, levels: float, random: np.random.Generator) -> Images:
    """With Gaussian noise of this standard deviation."""
    return np.clip(images + random.normal(0, levels, images.shape), 0, 255).astype(np.uint8)


def repeated(images: Images, n: int, levels: float, random: np.random.Generator) -> Images:
    """So many images, each one of these with its own noise."""
    return noisy(images[random.integers(0, len(images), n)], levels, random)


def one_repeated(images: Images, share: float) -> Images:
    """A share of the images replaced by the first one."""
    return np.concatenate([np.repeat(images[:1], round(share * len(images)), axis=0), images])[: len(images)]


def mixed(images: Images, others: Images, share: float) -> Images:
    """A share of the images replaced by others."""
    count = round(share * len(images))
    return np.concatenate([others[:count], images[count:]])


def _some(images: Images, n: int, random: np.random.Generator) -> Images:
    """So many random images, each once if there are so many."""
    return images[random.choice(len(images), n, replace=len(images) < n)]
