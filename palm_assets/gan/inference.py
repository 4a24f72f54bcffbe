"""Both networks fused for CPU inference: the same functions up to rounding, two to three times as fast.

Batch normalization is folded into the preceding convolution, spectral normalization into the weights, and
the scaling of pixels to [-1, 1] into the discriminator's first layer. Where the processor multiplies
bfloat16 natively, the convolutions run in it: weights and activations are rounded to 8 significant bits, sums
are kept in float32, and the last operation, to the image or to the logit, is computed in float32.
"""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_weights
from torch.nn.utils.parametrize import is_parametrized, remove_parametrizations

from palm_assets.gan.networks import Discriminator, Generator, UpsampleConv, smooth_output
from palm_assets.runtime import computes_in_bfloat16

HALF_RANGE = 127.5  # bytes in 0..255 are mapped to [-1, 1]


def fused_generator(generator: nn.Module, *, bfloat16: bool | None = None) -> Callable[[Tensor], Tensor]:
    """The generator as a function from its inputs, float32 (N, M), to images float32 (N, 3, S, S) in [-1, 1].

    Args:
        generator: in evaluation mode; a module of another class is returned unchanged.
        bfloat16: compute in bfloat16; by default if the processor does so natively.
    """
    if not isinstance(generator, Generator):
        return generator
    precision = _precision(bfloat16)
    first, *rest, last, output_activation = _fold_norms(generator.main)
    body = nn.Sequential(_LatentProjection(first), *rest, _SubpixelUpsample(last)).requires_grad_(False)
    body = body.to(precision).to(memory_format=torch.channels_last)
    return lambda latents: smooth_output(
        output_activation(body(latents.to(precision)).float()), generator.output_smoothing
    )


def fused_discriminator(
    discriminator: Discriminator, *, bfloat16: bool | None = None
) -> Callable[..., Tensor]:
    """The discriminator as a function from images uint8 (N, 3, S, S) to logits float32 (N,).

    A conditional one takes label vectors (N, L) as a second argument.

    Args:
        discriminator: in evaluation mode.
        bfloat16: compute in bfloat16; by default if the processor does so natively.
    """
    precision = _precision(bfloat16)
    first, *rest = _fold_norms(discriminator.main)
    body = nn.Sequential(_with_byte_input(first), *rest).requires_grad_(False)
    body = body.to(precision).to(memory_format=torch.channels_last)

    (head,) = _fold_norms(nn.Sequential(discriminator.head))
    weight, bias = head.get_parameter("weight").detach(), head.get_parameter("bias").detach()

    def logits(pixels: Tensor, labels: Tensor | None = None) -> Tensor:
        features = body(pixels.to(precision).contiguous(memory_format=torch.channels_last)).float()
        inputs = discriminator.head_inputs(features)
        # The rounding of a matrix product depends on an image's row in the batch; that of a sum does not.
        scored = (inputs * weight).sum(1) + bias
        return scored if labels is None else scored + discriminator.label_logits(features, labels)

    return logits


def _precision(bfloat16: bool | None) -> torch.dtype:
    return torch.bfloat16 if (computes_in_bfloat16() if bfloat16 is None else bfloat16) else torch.float32


def _fold_norms(layers: nn.Sequential) -> list[nn.Module]:
    """Copies of the layers with all normalization folded into the weights of the convolutions."""
    folded: list[nn.Module] = []
    for layer in copy.deepcopy(layers):
        if isinstance(layer, nn.BatchNorm2d):
            _fold_norm(layer, into=folded[-1])
        else:
            if is_parametrized(layer, "weight"):
                remove_parametrizations(layer, "weight", leave_parametrized=True)
            folded.append(layer)
    return folded


def _fold_norm(norm: nn.BatchNorm2d, into: nn.Module) -> None:
    assert isinstance(into, (nn.Conv2d, nn.ConvTranspose2d))
    assert norm.running_mean is not None
    assert norm.running_var is not None
    into.weight, into.bias = fuse_conv_bn_weights(
        into.weight,
        into.bias,
        norm.running_mean,
        norm.running_var,
        norm.eps,
        norm.weight,
        norm.bias,
        transpose=isinstance(into, nn.ConvTranspose2d),
    )


def _with_byte_input(layer: nn.Module) -> nn.Conv2d:
    """The first layer for bytes instead of [-1, 1], with zero padding, which is black in bytes.

    With x = b / 127.5 - 1: w x + c = (w / 127.5) b + (c - sum of w), in the padding too, where b = 0.
    """
    assert isinstance(layer, nn.Conv2d)
    assert layer.bias is not None
    layer.bias.data -= layer.weight.data.sum((1, 2, 3))
    layer.weight.data /= HALF_RANGE
    layer.padding = (1, 1)
    return layer


class _LatentProjection(nn.Module):
    """The transposed convolution of a single pixel, (N, C) to (N, D, 4, 4), as a matrix product."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        assert isinstance(layer, nn.ConvTranspose2d)
        inner, self.outer, self.side, _ = layer.weight.shape
        self.linear = nn.Linear(inner, self.outer * self.side**2)
        self.linear.weight = nn.Parameter(layer.weight.permute(2, 3, 1, 0).reshape(-1, inner))
        self.linear.bias.data = _bias_of(layer).repeat(self.side**2)

    def forward(self, latents: Tensor) -> Tensor:
        pixels: Tensor = self.linear(latents).view(-1, self.side, self.side, self.outer)
        return pixels.permute(0, 3, 1, 2)


class _SubpixelUpsample(nn.Module):
    """A transposed convolution 4x4 with stride 2, as a 2x2 convolution to four times the output channels.

    Each input pixel yields 2x2 output pixels, and each of these depends on 2x2 input pixels through its own
    weights (Shi et al. 2016, arXiv:1609.07009). Kernels for transposed convolutions are slow when there are
    few output channels.
    """

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        assert isinstance(layer, UpsampleConv)
        inner, self.outer = layer.weight.shape[:2]
        taps = ([3, 1], [2, 0])  # the two of four kernel rows that reach an even and an odd output row
        subpixels = [layer.weight[:, :, rows][:, :, :, columns] for rows in taps for columns in taps]
        self.subpixels = nn.Conv2d(inner, 4 * self.outer, 2, padding=1, padding_mode=layer.edge_padding)
        self.subpixels.weight = nn.Parameter(torch.cat(subpixels, 1).transpose(0, 1).contiguous())
        assert self.subpixels.bias is not None
        self.subpixels.bias.data = _bias_of(layer).repeat(4)

    def forward(self, features: Tensor) -> Tensor:
        count, _, height, width = features.shape
        subpixels: Tensor = self.subpixels(features)
        image = subpixels.new_empty(count, self.outer, 2 * height, 2 * width)
        for number, subpixel in enumerate(subpixels.chunk(4, 1)):
            y, x = divmod(number, 2)
            image[:, :, y::2, x::2] = subpixel[:, :, y : y + height, x : x + width]
        return image


def _bias_of(layer: nn.ConvTranspose2d) -> Tensor:
    return layer.weight.new_zeros(layer.out_channels) if layer.bias is None else layer.bias.data
