"""Initial weights for small images from a trained model of larger ones.

Both networks keep the layers that work on small feature maps. The layer next to the image is new. It is
fitted by least squares, so that the generator draws the images of the large one at a smaller size, and the
discriminator's first features are those that the large one has at this depth. A single layer cannot do
exactly what several did, so the images are blotchy at first.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from palm_assets.gan.networks import BLACK, Discriminator, Generator, Smoothstep, UpsampleConv

SAMPLES, BATCH = 300, 20
RIDGE = 1e-5  # of the squared size of the features: keeps the fit stable where two of them are alike
TAPS = ([3, 1], [2, 0])  # the two of four kernel rows that reach an even and an odd output row
MAX_LEVEL = 1 - 1e-4  # of a tanh, whose inverse at 1 is infinite


@torch.no_grad()
def shrink(
    large: Generator, large_discriminator: Discriminator, small: Generator, small_discriminator: Discriminator
) -> None:
    """Set the weights of the small networks.

    Args:
        large: trained generator, in evaluation mode.
        large_discriminator: likewise.
        small: generator whose images have a half, a quarter, ... of the side, changed in place; its layers
            have the channels of those of `large` with feature maps of the same side.
        small_discriminator: likewise.
    """
    inputs = large.random_inputs(SAMPLES, torch.Generator().manual_seed(0))
    trunk = list(large.main)[: len(small.main) - 2]
    copy_layers(trunk, list(small.main)[:-2])
    images = _in_batches(large, inputs)
    features = _in_batches(nn.Sequential(*trunk), inputs[:, :, None, None])
    reduced = F.interpolate(images, size=2 * features.shape[2], mode="area")
    outermost = small.main[-2]
    assert isinstance(outermost, UpsampleConv)
    _fit_upsampling(outermost, features, _before_activation(reduced, large.main[-1]))

    inner = list(small_discriminator.main)[2:]
    copy_layers(list(large_discriminator.main)[-len(inner) :], inner)
    small_discriminator.head.load_state_dict(large_discriminator.head.state_dict())
    if small_discriminator.embedding is not None and large_discriminator.embedding is not None:
        small_discriminator.embedding.load_state_dict(large_discriminator.embedding.state_dict())
    outer = nn.Sequential(*list(large_discriminator.main)[: -len(inner) - 1])
    wanted = _in_batches(outer, _on_black(images))
    first = small_discriminator.main[0]
    assert isinstance(first, nn.Conv2d)
    _fit_first(first, reduced, wanted)


def _in_batches(network: nn.Module, inputs: Tensor) -> Tensor:
    """Outputs of a network, computed without holding the maps of all inputs at once."""
    batches = torch.split(inputs, BATCH)
    return torch.cat([network(batch) for batch in batches])


def _fit_upsampling(layer: UpsampleConv, features: Tensor, wanted: Tensor) -> None:
    """Fit an upsampling layer to images (N, 3, 2s, 2s), each of its four subpixels by itself."""
    side = features.shape[2]
    mode = "replicate" if layer.edge_padding == "replicate" else "constant"
    padded = F.pad(features, (1, 1, 1, 1), mode=mode)
    for row in (0, 1):
        for column in (0, 1):
            windows = [
                padded[:, :, row + y : row + y + side, column + x : column + x + side]
                for y in (0, 1)
                for x in (0, 1)
            ]
            known = torch.stack(windows, 2).flatten(1, 2)  # (N, 4 C, s, s)
            weights = _least_squares(_rows(known), _rows(wanted[:, :, row::2, column::2]))
            taps = weights.reshape(features.shape[1], 2, 2, 3)
            for y, kernel_row in enumerate(TAPS[row]):
                for x, kernel_column in enumerate(TAPS[column]):
                    layer.weight[:, :, kernel_row, kernel_column] = taps[:, y, x]


def _fit_first(layer: nn.Conv2d, images: Tensor, wanted: Tensor) -> None:
    """Fit a first layer to features (N, C, s/2, s/2) of images (N, 3, s, s)."""
    windows = F.unfold(_on_black(images), 4, stride=2).transpose(1, 2).flatten(0, 1)  # (N s s / 4, 48)
    known = torch.cat([windows, windows.new_ones(len(windows), 1)], 1)
    weights = _least_squares(known, _rows(wanted))
    layer.weight.copy_(weights[:-1].T.reshape(layer.weight.shape))
    assert layer.bias is not None
    layer.bias.copy_(weights[-1])


def _least_squares(known: Tensor, wanted: Tensor) -> Tensor:
    """Weights (K, D) of a ridge regression from (M, K) to (M, D)."""
    known, wanted = known.double(), wanted.double()
    gram = known.T @ known
    ridge = RIDGE * gram.diagonal().mean() * torch.eye(len(gram), dtype=gram.dtype)
    weights: Tensor = torch.linalg.solve(gram + ridge, known.T @ wanted)
    return weights.float()


def _before_activation(images: Tensor, activation: nn.Module) -> Tensor:
    """The values that an output activation maps to these images."""
    if isinstance(activation, Smoothstep):
        return 2 * torch.sin(torch.asin(images.clamp(-1, 1)) / 3)  # solves x (3 - x^2) / 2 = y
    return torch.atanh(images.clamp(-MAX_LEVEL, MAX_LEVEL))


def _rows(maps: Tensor) -> Tensor:
    """Maps (N, C, H, W) as rows (N H W, C)."""
    return maps.permute(0, 2, 3, 1).flatten(0, 2)


def _on_black(images: Tensor) -> Tensor:
    return F.pad(images, (1, 1, 1, 1), value=BLACK)


def copy_layers(layers: list[nn.Module], into: list[nn.Module]) -> None:
    """Give the layers of one network the weights of as many of another."""
    for layer, target in zip(layers, into, strict=True):
        target.load_state_dict(layer.state_dict())
