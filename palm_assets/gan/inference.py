"""Both networks fused for inference: the same functions, up to rounding, two to three times as fast.

Batch normalization is folded into the convolution before it, spectral normalization into its weights, and
the range of the pixels into the first layer of the discriminator. Where the processor multiplies bfloat16
natively the convolutions run in it: weights and activations are rounded to 8 significant bits, sums are kept
in float32, and the last step, to the image or to the logit, is taken in float32.
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

HALF_RANGE = 127.5  # bytes 0..255 are -1..1 to the networks


def fused_generator(generator: nn.Module, *, bf16: bool | None = None) -> Callable[[Tensor], Tensor]:
    """The generator as a function from latents float32 (N, latent) to images float32 (N, 3, S, S) in [-1, 1].

    Args:
        generator: in evaluation mode; one that is no `Generator` is used as it is.
        bf16: compute in bfloat16; by default where that pays.
    """
    if not isinstance(generator, Generator):
        return generator
    precision = _precision(bf16)
    first, *rest, last, output_activation = _folded(generator.main)
    body = nn.Sequential(_FromOnePixel(first), *rest, _ToImage(last)).requires_grad_(False)
    body = body.to(precision).to(memory_format=torch.channels_last)
    return lambda latents: smooth_output(
        output_activation(body(latents.to(precision)).float()), generator.output_smoothing
    )


def fused_discriminator(
    discriminator: Discriminator, *, bf16: bool | None = None
) -> Callable[[Tensor], Tensor]:
    """The discriminator as a function from images uint8 (N, 3, S, S) to logits float32 (N,).

    Args:
        discriminator: in evaluation mode.
        bf16: compute in bfloat16; by default where that pays.
    """
    precision = _precision(bf16)
    first, *rest = _folded(discriminator.main)
    body = nn.Sequential(_for_bytes(first), *rest).requires_grad_(False)
    body = body.to(precision).to(memory_format=torch.channels_last)

    (head,) = _folded(nn.Sequential(discriminator.head))
    weight, bias = head.get_parameter("weight").detach(), head.get_parameter("bias").detach()

    def logits(pixels: Tensor) -> Tensor:
        features = body(pixels.to(precision).contiguous(memory_format=torch.channels_last))
        inputs = discriminator.head_inputs(features.float())
        # A product of matrices would round by an image's place in the batch; a sum for each image does not.
        return (inputs * weight).sum(1) + bias

    return logits


def _precision(bf16: bool | None) -> torch.dtype:
    return torch.bfloat16 if (computes_in_bfloat16() if bf16 is None else bf16) else torch.float32


def _folded(layers: nn.Sequential) -> list[nn.Module]:
    """Copies of the layers, without normalization: it is in the weights of the convolutions."""
    folded: list[nn.Module] = []
    for layer in copy.deepcopy(layers):
        if isinstance(layer, nn.BatchNorm2d):
            _fold(layer, into=folded[-1])
        else:
            if is_parametrized(layer, "weight"):
                remove_parametrizations(layer, "weight", leave_parametrized=True)
            folded.append(layer)
    return folded


def _fold(norm: nn.BatchNorm2d, into: nn.Module) -> None:
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


def _for_bytes(layer: nn.Module) -> nn.Conv2d:
    """A first layer for bytes instead of -1..1, and with the zeros that frame them meaning black.

    With x = b / 127.5 - 1 it is w x + c = (w / 127.5) b + (c - sum of w), at the frame too, where b is 0.
    """
    assert isinstance(layer, nn.Conv2d)
    assert layer.bias is not None
    layer.bias.data -= layer.weight.data.sum((1, 2, 3))
    layer.weight.data /= HALF_RANGE
    layer.padding = (1, 1)
    return layer


class _FromOnePixel(nn.Module):
    """A transposed convolution of one pixel, (N, C) to (N, D, 4, 4), which is a product of matrices."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        assert isinstance(layer, nn.ConvTranspose2d)
        inner, self.outer, self.side, _ = layer.weight.shape
        self.product = nn.Linear(inner, self.outer * self.side**2)
        self.product.weight = nn.Parameter(layer.weight.permute(2, 3, 1, 0).reshape(-1, inner))
        self.product.bias.data = _bias_of(layer).repeat(self.side**2)

    def forward(self, latents: Tensor) -> Tensor:
        pixels: Tensor = self.product(latents).view(-1, self.side, self.side, self.outer)
        return pixels.permute(0, 3, 1, 2)


class _ToImage(nn.Module):
    """A transposed convolution 4x4 with stride 2, as one convolution 2x2 to four times as many channels.

    Each pixel of the input makes 2x2 of the output, and each of those four sees 2x2 of the input through
    weights of its own (Shi et al. 2016, arXiv:1609.07009); kernels for transposed convolutions are slow where
    few channels come out.
    """

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        assert isinstance(layer, UpsampleConv)
        inner, self.outer = layer.weight.shape[:2]
        taps = ([3, 1], [2, 0])  # of the 4 taps, those that an even and an odd row of the output sees
        corners = [layer.weight[:, :, rows][:, :, :, columns] for rows in taps for columns in taps]
        self.corners = nn.Conv2d(inner, 4 * self.outer, 2, padding=1, padding_mode=layer.edge_padding)
        self.corners.weight = nn.Parameter(torch.cat(corners, 1).transpose(0, 1).contiguous())
        assert self.corners.bias is not None
        self.corners.bias.data = _bias_of(layer).repeat(4)

    def forward(self, features: Tensor) -> Tensor:
        count, _, height, width = features.shape
        corners: Tensor = self.corners(features)
        image = corners.new_empty(count, self.outer, 2 * height, 2 * width)
        for number, corner in enumerate(corners.chunk(4, 1)):
            y, x = divmod(number, 2)
            image[:, :, y::2, x::2] = corner[:, :, y : y + height, x : x + width]
        return image


def _bias_of(layer: nn.ConvTranspose2d) -> Tensor:
    return layer.weight.new_zeros(layer.out_channels) if layer.bias is None else layer.bias.data
