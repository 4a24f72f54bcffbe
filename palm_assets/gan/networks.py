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
REPLICATE_FROM = (
    32  # pixels; smaller maps are nearly all padding_mode, and a trained model is used to its zeros
)
GRADIENT_BEYOND = 0.1


class Generator(nn.Module):
    """Latent vectors (N, latent) to images (N, 3, S, S) in [-1, 1], by transposed convolutions only."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        levels = int(math.log2(config.image_size // GENERATOR_BOTTOM))
        widths = [min(config.generator_width * 2**i, config.max_width) for i in reversed(range(levels))]
        layers: list[nn.Module] = [
            nn.ConvTranspose2d(config.latent, widths[0], GENERATOR_BOTTOM, bias=False),
            nn.BatchNorm2d(widths[0]),
            nn.ReLU(True),
        ]
        side = GENERATOR_BOTTOM
        for inner, outer in pairwise(widths):
            side *= 2
            layers += [_upsample(inner, outer, side, config), nn.BatchNorm2d(outer), nn.ReLU(True)]
        layers.append(_upsample(widths[-1], 3, config.image_size, config))
        layers.append(nn.Tanh() if config.output_activation == "tanh" else Smoothstep())
        self.latent = config.latent
        self.output_smoothing = config.output_smoothing
        self.main = nn.Sequential(*layers)
        self.apply(_initialize)

    def forward(self, latents: Tensor) -> Tensor:
        """Images for latents."""
        # In bfloat16 tanh is exactly 1 from 3.4 on, its gradient 0: a pixel white by mistake would stay so.
        images: Tensor = self.main[-1](self.pre_activation(latents).float())
        return images

    def pre_activation(self, latents: Tensor) -> Tensor:
        """Images before the output activation maps them to [-1, 1], (N, 3, S, S)."""
        images: Tensor = self.main[:-1](latents[:, :, None, None])
        return images

    @torch.no_grad()
    def even_out(self) -> None:
        """Make each transposed convolution add up to the same in the four output pixels of an input pixel.

        A flat map then stays flat; otherwise skin and background show a faint checkerboard (Odena 2016,
        doi:10.23915/distill.00003). Projects onto the nearest such weights, so call it after each step.
        """
        for layer in self.main:
            if isinstance(layer, UpsampleConv):
                # Of the four taps along a side, every other one reaches the same pixel.
                taps = layer.weight.reshape(*layer.weight.shape[:2], 2, 2, 2, 2)
                sums = taps.sum((2, 4), keepdim=True)
                excess = (sums - sums.mean((3, 5), keepdim=True)) / 4
                layer.weight.sub_(excess.expand_as(taps).reshape(layer.weight.shape))


def smooth_output(images: Tensor, share: float) -> Tensor:
    """Low-pass of images (N, 3, S, S): each pixel takes the weight `share` of each neighbor; 0 is off.

    Transposed convolutions put more power into the finest detail than photographs reduced to this size have:
    at the shortest periods several times as much. The border is replicated. Used for sampling, not in
    training: a generator that is smoothed while it trains learns to sharpen in return.
    """
    if share == 0:
        return images
    framed = F.pad(images, (1, 1, 1, 1), mode="replicate")
    rows = framed[:, :, 1:-1] * (1 - 2 * share) + (framed[:, :, :-2] + framed[:, :, 2:]) * share
    return rows[..., 1:-1] * (1 - 2 * share) + (rows[..., :-2] + rows[..., 2:]) * share


class UpsampleConv(nn.ConvTranspose2d):
    """A transposed convolution 4x4 with stride 2: maps (N, C, s, s) to (N, D, 2s, 2s).

    Zero padding leaves the outermost pixels with half of the taps, which shows as rows of dots along the
    border of an image; `replicate` padding keeps flat areas flat up to the border.
    """

    def __init__(self, inner: int, outer: int, edge_padding: Literal["zeros", "replicate"]) -> None:
        super().__init__(inner, outer, 4, 2, 1 if edge_padding == "zeros" else 3, bias=False)
        # Not `padding_mode`: PyTorch's own attribute of that name knows only zeros here.
        self.edge_padding: Literal["zeros", "replicate"] = edge_padding

    def forward(self, maps: Tensor, output_size: list[int] | None = None) -> Tensor:
        """Maps of twice the side."""
        if self.edge_padding == "replicate":
            maps = F.pad(maps, (1, 1, 1, 1), mode="replicate")
        return super().forward(maps, output_size)


class Smoothstep(nn.Module):
    """Maps x in [-1, 1] to x (3 - x^2) / 2 and clips beyond: exactly white at 1, where tanh comes near.

    Towards white the slope falls to 0, so variation in the layer before hardly shows there. Beyond, a tenth
    of the gradient is passed on, or a pixel that is white by mistake would stay white.
    """

    def forward(self, values: Tensor) -> Tensor:
        """Pixels in [-1, 1]."""
        inside = values.clamp(-1, 1)
        beyond = GRADIENT_BEYOND * (values - inside)
        return inside * (3 - inside * inside) / 2 + (beyond - beyond.detach())


class Discriminator(nn.Module):
    """Images (N, 3, S, S) in [-1, 1] to one logit each, (N,): the larger, the more like a photograph."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        levels = int(math.log2(config.image_size // config.discriminator_bottom))
        widths = [min(config.discriminator_width * 2**i, config.max_width) for i in range(levels)]
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
            self.register_buffer("running_stddev", torch.zeros(()))
        features = (widths[-1] + config.minibatch_stddev) * config.discriminator_bottom**2
        self.main = nn.Sequential(*layers)
        head = nn.Linear(features, 1)
        self.head = spectral_norm(head) if norm == "spectral" else head
        self.apply(_initialize if norm == "batch" else _initialize_unnormed)

    def forward(self, images: Tensor) -> Tensor:
        """Logits for images."""
        features = self.main(F.pad(images, (1, 1, 1, 1), value=BLACK))
        logits: Tensor = self.head(self.head_inputs(features))
        return logits.squeeze(1)

    def head_inputs(self, features: Tensor) -> Tensor:
        """Inputs of the last layer, (N, K), for the features of the last convolution."""
        if self.minibatch_stddev:
            features = torch.cat([features, self._stddev_map(features)], dim=1)
        return features.flatten(1)

    def _stddev_map(self, features: Tensor) -> Tensor:
        """The batch's standard deviation in training; in evaluation its running mean."""
        running: Tensor = self.get_buffer("running_stddev")
        if not self.training:
            return running.expand(len(features), 1, *features.shape[2:])
        stddev = _stddev(features.float())
        with torch.no_grad():
            running.lerp_(stddev.mean(), 0.01)
        return stddev


def _upsample(inner: int, outer: int, side: int, config: NetworkConfig) -> UpsampleConv:
    """To maps of this side."""
    return UpsampleConv(inner, outer, config.padding_mode if side // 2 >= REPLICATE_FROM else "zeros")


def _down(inner: int, outer: int, norm: str, *, padding: int = 1, bias: bool) -> nn.Module:
    layer = nn.Conv2d(inner, outer, 4, 2, padding, bias=bias)
    return spectral_norm(layer) if norm == "spectral" else layer


def _stddev(features: Tensor, group: int = 4) -> Tensor:
    """One map (N, 1, h, w): the standard deviation over groups of up to four images (Karras 2017, section 3)."""
    count, _, height, width = features.shape
    size = next(s for s in range(min(group, count), 0, -1) if count % s == 0)
    grouped = features.reshape(size, count // size, *features.shape[1:])
    stddev = (grouped.var(0, unbiased=False) + 1e-8).sqrt().mean((1, 2, 3))
    return stddev.repeat(size).reshape(count, 1, 1, 1).expand(count, 1, height, width)


def _initialize(module: nn.Module) -> None:
    """As DCGANs start (Radford et al. 2015)."""
    if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
        nn.init.normal_(module.weight, 0.0, 0.02)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1.0, 0.02)
        nn.init.zeros_(module.bias)


def _initialize_unnormed(module: nn.Module) -> None:
    """Without a norm to rescale them, activations keep their size only from this start (He et al. 2015)."""
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, a=0.2)
