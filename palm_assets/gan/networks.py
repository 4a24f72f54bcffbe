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
from palm_assets.gan.label_vectors import combinations, encode_all, label_size

GENERATOR_BOTTOM = 4  # side of the first feature map
BLACK = -1.0
# Side of a feature map in pixels. Smaller maps are mostly border, and models trained with zero padding depend
# on the zeros there.
REPLICATE_FROM = 32
CLIPPED_SLOPE = 0.1


class Generator(nn.Module):
    """Maps latent vectors (N, latent) to images (N, 3, S, S) in [-1, 1], by transposed convolutions only.

    A conditional one (`NetworkConfig.labels`) maps latent vectors with label vectors (N, L) appended. It
    keeps how often each combination of labels was trained on, `label_shares` (K,).
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        levels = int(math.log2(config.image_size // GENERATOR_BOTTOM))
        widths = [min(config.generator_width * 2**i, config.max_width) for i in reversed(range(levels))]
        inputs = config.latent + label_size(config.labels)
        layers: list[nn.Module] = [
            nn.ConvTranspose2d(inputs, widths[0], GENERATOR_BOTTOM, bias=False),
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
        self.labels = tuple(config.labels)
        self.label_size = label_size(config.labels)
        if self.label_size:
            count = len(combinations(config.labels))
            self.register_buffer("label_shares", torch.full((count,), 1 / count))
        self.output_smoothing = config.output_smoothing
        self.main = nn.Sequential(*layers)
        self.apply(_initialize_dcgan)

    def forward(self, inputs: Tensor) -> Tensor:
        """Images of latent vectors, with label vectors appended if the generator is conditional."""
        # Not in bfloat16: there tanh is exactly 1 from 3.4 on, its gradient 0, and a white pixel stays white.
        images: Tensor = self.main[-1](self.pre_activation(inputs).float())
        return images

    def pre_activation(self, inputs: Tensor) -> Tensor:
        """Images before the output activation maps them to [-1, 1], (N, 3, S, S)."""
        images: Tensor = self.main[:-1](inputs[:, :, None, None])
        return images

    def random_inputs(self, count: int, random: torch.Generator) -> Tensor:
        """Random inputs (count, M) on the CPU: latents, with labels as often as they were trained on."""
        latents = torch.randn(count, self.latent, generator=random)
        if not self.label_size:
            return latents
        shares = self.get_buffer("label_shares").cpu()
        drawn = torch.multinomial(shares, count, replacement=True, generator=random)
        return torch.cat([latents, encode_all(self.labels, combinations(self.labels))[drawn]], 1)

    @torch.no_grad()
    def remove_checkerboard(self) -> None:
        """Project the upsampling weights onto the nearest ones without checkerboard; call after each step.

        The weights that reach each of the four subpixels then have the same sum, so a flat map stays flat.
        Otherwise skin and background show a faint checkerboard (Odena et al. 2016,
        doi:10.23915/distill.00003).
        """
        for layer in self.main:
            if isinstance(layer, UpsampleConv):
                # Along each axis, every other of the four taps reaches the same subpixel.
                taps = layer.weight.reshape(*layer.weight.shape[:2], 2, 2, 2, 2)
                sums = taps.sum((2, 4), keepdim=True)
                excess = (sums - sums.mean((3, 5), keepdim=True)) / 4
                layer.weight.sub_(excess.expand_as(taps).reshape(layer.weight.shape))


def smooth_output(images: Tensor, weight: float) -> Tensor:
    """Low-pass filter for images (N, 3, S, S); the kernel is (w, 1 - 2w, w) along each axis, w = `weight`.

    Transposed convolutions put more power into the finest detail than photographs of this size have, several
    times as much at the shortest periods. The border is replicated. For sampling only: a generator trained
    with the filter learns to compensate for it by sharpening.
    """
    if weight == 0:
        return images
    padded = F.pad(images, (1, 1, 1, 1), mode="replicate")
    rows = padded[:, :, 1:-1] * (1 - 2 * weight) + (padded[:, :, :-2] + padded[:, :, 2:]) * weight
    return rows[..., 1:-1] * (1 - 2 * weight) + (rows[..., :-2] + rows[..., 2:]) * weight


class UpsampleConv(nn.ConvTranspose2d):
    """A transposed convolution 4x4 with stride 2: (N, C, s, s) to (N, D, 2s, 2s).

    With zero padding, fewer taps reach the outermost pixels, which shows as rows of dots along the border of
    an image; `replicate` padding keeps flat areas flat up to the border.
    """

    def __init__(self, inner: int, outer: int, edge_padding: Literal["zeros", "replicate"]) -> None:
        super().__init__(inner, outer, 4, 2, 1 if edge_padding == "zeros" else 3, bias=False)
        # Not named `padding_mode`: nn.ConvTranspose2d has that attribute and accepts only zeros.
        self.edge_padding: Literal["zeros", "replicate"] = edge_padding

    def forward(self, maps: Tensor, output_size: list[int] | None = None) -> Tensor:
        """Feature maps of twice the side."""
        if self.edge_padding == "replicate":
            maps = F.pad(maps, (1, 1, 1, 1), mode="replicate")
        return super().forward(maps, output_size)


class Smoothstep(nn.Module):
    """Output activation: x (3 - x^2) / 2 on [-1, 1], clipped to -1 and 1 outside.

    Unlike tanh it reaches exactly 1 (white), and its slope falls to 0 there, which hides small variations of
    white. Outside [-1, 1] a tenth of the gradient is passed on, so that a saturated pixel can recover.
    """

    def forward(self, values: Tensor) -> Tensor:
        """Pixels in [-1, 1]."""
        inside = values.clamp(-1, 1)
        outside = CLIPPED_SLOPE * (values - inside)
        # The second term is 0, but has a gradient.
        return inside * (3 - inside * inside) / 2 + (outside - outside.detach())


class Discriminator(nn.Module):
    """Maps images (N, 3, S, S) in [-1, 1] to logits (N,): the higher, the more like a photograph.

    A conditional one is a projection discriminator (Miyato & Koyama 2018, arXiv:1802.05637): an embedding of
    the labels, multiplied with the features averaged over the last map, is added to the logit. The embedding
    starts at zero, so a conditional discriminator starts as one without labels.
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        levels = int(math.log2(config.image_size // config.discriminator_bottom))
        widths = [min(config.discriminator_width * 2**i, config.max_width) for i in range(levels)]
        norm = config.discriminator_norm
        # The first layer pads with black (see forward) and has a bias, so weights trained on another range of
        # pixel values can be converted exactly.
        layers: list[nn.Module] = [
            _downsample(3, widths[0], norm, padding=0, bias=True),
            nn.LeakyReLU(0.2, True),
        ]
        for inner, outer in pairwise(widths):
            layers.append(_downsample(inner, outer, norm, bias=norm != "batch"))
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
        self.apply(_initialize_dcgan if norm == "batch" else _initialize_he)
        self.embedding: nn.Linear | None = None
        if config.labels and label_size(config.labels):
            self.embedding = nn.Linear(label_size(config.labels), widths[-1], bias=False)
            nn.init.zeros_(self.embedding.weight)

    def forward(self, images: Tensor, labels: Tensor | None = None) -> Tensor:
        """Logits of images; as photographs with these labels (N, L) if given, else of any kind."""
        features = self.main(F.pad(images, (1, 1, 1, 1), value=BLACK))
        logits: Tensor = self.head(self.head_inputs(features)).squeeze(1)
        return logits if labels is None else logits + self.label_logits(features, labels)

    def label_logits(self, features: Tensor, labels: Tensor) -> Tensor:
        """What the labels add to the logits, (N,); `features` are the last convolution's."""
        if self.embedding is None:
            return features.new_zeros(len(features))
        # Sums, as the rounding of a matrix product depends on an image's row in the batch.
        embedded = (labels[:, None] * self.embedding.weight).sum(2)
        return (embedded * features.mean((2, 3))).sum(1)

    def head_inputs(self, features: Tensor) -> Tensor:
        """Inputs of the last layer, (N, K), from the features of the last convolution."""
        if self.minibatch_stddev:
            features = torch.cat([features, self._stddev_map(features)], dim=1)
        return features.flatten(1)

    def _stddev_map(self, features: Tensor) -> Tensor:
        """Standard deviation over the batch in training mode; its running mean in evaluation mode."""
        running: Tensor = self.get_buffer("running_stddev")
        if not self.training:
            return running.expand(len(features), 1, *features.shape[2:])
        stddev = _stddev(features.float())
        with torch.no_grad():
            running.lerp_(stddev.mean(), 0.01)
        return stddev


def _upsample(inner: int, outer: int, side: int, config: NetworkConfig) -> UpsampleConv:
    """Upsampling to feature maps of `side` pixels."""
    return UpsampleConv(inner, outer, config.padding_mode if side // 2 >= REPLICATE_FROM else "zeros")


def _downsample(inner: int, outer: int, norm: str, *, padding: int = 1, bias: bool) -> nn.Module:
    layer = nn.Conv2d(inner, outer, 4, 2, padding, bias=bias)
    return spectral_norm(layer) if norm == "spectral" else layer


def _stddev(features: Tensor, group: int = 4) -> Tensor:
    """Minibatch standard deviation, (N, 1, h, w), in groups of up to 4 images (Karras et al. 2017)."""
    count, _, height, width = features.shape
    size = next(s for s in range(min(group, count), 0, -1) if count % s == 0)
    grouped = features.reshape(size, count // size, *features.shape[1:])
    stddev = (grouped.var(0, unbiased=False) + 1e-8).sqrt().mean((1, 2, 3))
    return stddev.repeat(size).reshape(count, 1, 1, 1).expand(count, 1, height, width)


def _initialize_dcgan(module: nn.Module) -> None:
    """Normal with standard deviation 0.02 (Radford et al. 2015)."""
    if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
        nn.init.normal_(module.weight, 0.0, 0.02)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1.0, 0.02)
        nn.init.zeros_(module.bias)


def _initialize_he(module: nn.Module) -> None:
    """Keeps the scale of activations across layers without batch norm (He et al. 2015, arXiv:1502.01852)."""
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, a=0.2)
