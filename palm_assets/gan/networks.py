"""The two networks of a DCGAN (Radford et al. 2015, arXiv:1511.06434)."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from palm_assets.gan.config import NetworkConfig

GENERATOR_BOTTOM = 4
BLACK = -1.0
REPLICATED_FROM = 32  # pixels; smaller maps are nearly all border, and a trained model is used to its zeros
GRADIENT_BEYOND = 0.1


class Generator(nn.Module):
    """Latent vectors (N, latent) to images (N, 3, S, S) in [-1, 1], by transposed convolutions only."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        doublings = int(math.log2(config.image_size // GENERATOR_BOTTOM))
        widths = [min(config.generator_width * 2**i, config.max_width) for i in reversed(range(doublings))]
        layers: list[nn.Module] = [
            nn.ConvTranspose2d(config.latent, widths[0], GENERATOR_BOTTOM, bias=False),
            nn.BatchNorm2d(widths[0]),
            nn.ReLU(True),
        ]
        side = GENERATOR_BOTTOM
        for inner, outer in pairwise(widths):
            side *= 2
            layers += [_doubling(inner, outer, side, config), nn.BatchNorm2d(outer), nn.ReLU(True)]
        layers.append(_doubling(widths[-1], 3, config.image_size, config))
        layers.append(nn.Tanh() if config.squash == "tanh" else Smoothstep())
        self.latent = config.latent
        self.softening = config.softening
        self.main = nn.Sequential(*layers)
        self.apply(_initialise)

    def forward(self, latents: Tensor) -> Tensor:
        """Images for latents."""
        # In bfloat16 tanh is exactly 1 from 3.4 on, its gradient 0: what is white by mistake would stay so.
        images: Tensor = self.main[-1](self.colours(latents).float())
        return images

    def colours(self, latents: Tensor) -> Tensor:
        """What is cut to the range of pixels at the end, (N, 3, S, S)."""
        colours: Tensor = self.main[:-1](latents[:, :, None, None])
        return colours

    @torch.no_grad()
    def even_out(self) -> None:
        """Let each transposed convolution add up to the same in each of the four pixels made of one.

        A flat map then stays flat; else skin and background show a faint checkerboard (Odena et al. 2016,
        doi:10.23915/distill.00003). Takes the nearest such weights, so is to be called after each step.
        """
        for layer in self.main:
            if isinstance(layer, Doubling):
                # Of the four taps along a side, every other one reaches the same pixel.
                taps = layer.weight.reshape(*layer.weight.shape[:2], 2, 2, 2, 2)
                sums = taps.sum((2, 4), keepdim=True)
                excess = (sums - sums.mean((3, 5), keepdim=True)) / 4
                layer.weight.sub_(excess.expand_as(taps).reshape(layer.weight.shape))


def softened(images: Tensor, share: float) -> Tensor:
    """Each pixel of images (N, 3, S, S) with `share` of each neighbour along both sides; of 0, unchanged.

    Transposed convolutions put more into the finest detail than photographs reduced to this size hold: at the
    shortest waves several times their power. The border goes on as it ends. For what is drawn, not for the
    game: a generator that is softened while it learns sharpens to make up for it.
    """
    if share == 0:
        return images
    framed = F.pad(images, (1, 1, 1, 1), mode="replicate")
    rows = framed[:, :, 1:-1] * (1 - 2 * share) + (framed[:, :, :-2] + framed[:, :, 2:]) * share
    return rows[..., 1:-1] * (1 - 2 * share) + (rows[..., :-2] + rows[..., 2:]) * share


class Doubling(nn.ConvTranspose2d):
    """A transposed convolution 4x4 with stride 2: maps (N, C, s, s) to (N, D, 2s, 2s).

    Zeros beyond the border leave the outermost pixels with half of the taps, and a picture with rows of dots
    along its border; `replicate` lets a map go on as it ends, so that what is flat stays so to the border.
    """

    def __init__(self, inner: int, outer: int, border: Literal["zeros", "replicate"]) -> None:
        super().__init__(inner, outer, 4, 2, 1 if border == "zeros" else 3, bias=False)
        self.border: Literal["zeros", "replicate"] = border

    def forward(self, maps: Tensor, output_size: list[int] | None = None) -> Tensor:
        """Maps of twice the side."""
        if self.border == "replicate":
            maps = F.pad(maps, (1, 1, 1, 1), mode="replicate")
        return super().forward(maps, output_size)


class Smoothstep(nn.Module):
    """Colours x to x (3 - x^2) / 2, and -1 or 1 beyond: white at 1, where tanh comes near it from 2.4 on.

    Towards white the slope falls to 0, so what varies in the layer before hardly shows there. Beyond, a tenth
    of the gradient flows, or what is white by mistake would stay so.
    """

    def forward(self, colours: Tensor) -> Tensor:
        """Colours in [-1, 1]."""
        inside = colours.clamp(-1, 1)
        beyond = GRADIENT_BEYOND * (colours - inside)
        return inside * (3 - inside * inside) / 2 + (beyond - beyond.detach())


class Discriminator(nn.Module):
    """Images (N, 3, S, S) in [-1, 1] to one logit each, (N,): the larger, the more like a photograph."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        halvings = int(math.log2(config.image_size // config.discriminator_bottom))
        widths = [min(config.discriminator_width * 2**i, config.max_width) for i in range(halvings)]
        norm = config.discriminator_norm
        # The first layer pads with black (see forward) and has a bias: so the range of the pixels is a matter
        # of the weights alone, and weights made for another range can be converted exactly.
        layers: list[nn.Module] = [_down(3, widths[0], norm, padding=0, bias=True), nn.LeakyReLU(0.2, True)]
        for inner, outer in pairwise(widths):
            layers.append(_down(inner, outer, norm, bias=norm != "batch"))
            if norm == "batch":
                layers.append(nn.BatchNorm2d(outer))
            layers.append(nn.LeakyReLU(0.2, True))
        self.minibatch_stddev = config.minibatch_stddev
        if config.minibatch_stddev:
            self.register_buffer("usual_variety", torch.zeros(()))
        features = (widths[-1] + config.minibatch_stddev) * config.discriminator_bottom**2
        self.main = nn.Sequential(*layers)
        head = nn.Linear(features, 1)
        self.head = spectral_norm(head) if norm == "spectral" else head
        self.apply(_initialise if norm == "batch" else _initialise_unnormed)

    def forward(self, images: Tensor) -> Tensor:
        """Logits for images."""
        features = self.main(F.pad(images, (1, 1, 1, 1), value=BLACK))
        logits: Tensor = self.head(self.described(features))
        return logits.squeeze(1)

    def described(self, features: Tensor) -> Tensor:
        """What the head looks at, (N, K), for the features of the last convolution."""
        if self.minibatch_stddev:
            features = torch.cat([features, self._variety_map(features)], dim=1)
        return features.flatten(1)

    def _variety_map(self, features: Tensor) -> Tensor:
        """The batch's variety in training; in use its running mean, so that a logit is the image's alone."""
        usual: Tensor = self.get_buffer("usual_variety")
        if not self.training:
            return usual.expand(len(features), 1, *features.shape[2:])
        variety = _variety(features.float())
        with torch.no_grad():
            usual.lerp_(variety.mean(), 0.01)
        return variety


def _doubling(inner: int, outer: int, side: int, config: NetworkConfig) -> Doubling:
    """To maps of this side."""
    return Doubling(inner, outer, config.border if side // 2 >= REPLICATED_FROM else "zeros")


def _down(inner: int, outer: int, norm: str, *, padding: int = 1, bias: bool) -> nn.Module:
    layer = nn.Conv2d(inner, outer, 4, 2, padding, bias=bias)
    return spectral_norm(layer) if norm == "spectral" else layer


def _variety(features: Tensor, group: int = 4) -> Tensor:
    """One map (N, 1, h, w): the spread over groups of up to four images (Karras et al. 2017, section 3)."""
    count, _, height, width = features.shape
    size = next(s for s in range(min(group, count), 0, -1) if count % s == 0)
    grouped = features.reshape(size, count // size, *features.shape[1:])
    spread = (grouped.var(0, unbiased=False) + 1e-8).sqrt().mean((1, 2, 3))
    return spread.repeat(size).reshape(count, 1, 1, 1).expand(count, 1, height, width)


def _initialise(module: nn.Module) -> None:
    """As DCGANs start (Radford et al. 2015)."""
    if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
        nn.init.normal_(module.weight, 0.0, 0.02)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1.0, 0.02)
        nn.init.zeros_(module.bias)


def _initialise_unnormed(module: nn.Module) -> None:
    """Without a norm to rescale them, activations keep their size only from this start (He et al. 2015)."""
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, a=0.2)
