"""The Inception network of the FID, optimized for inference on CPUs.

The network is TensorFlow's Inception of 2015-12-05 (`pt_inception-2015-12-05-6726825d.pth`,
converted by pytorch-fid and torch-fidelity), not torchvision's: its average pools ignore the
padding, its last block pools by maximum, and images are resized like TensorFlow 1 did.
Features agree with torch-fidelity's `FeatureExtractorInceptionV3` to rounding.

What makes it fast (all of it exact algebra):
- batch norm is folded into the convolution before it;
- the 1x1 convolutions that open the branches of a block become one convolution;
- a convolution and its ReLU are one pass over the feature maps where oneDNN supports it;
- an average pool followed by a 1x1 convolution becomes the convolution followed by the pool,
  which then sees 64 to 192 channels instead of up to 2,048 and joins the merged one.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SIZE = 299
DIM = 2048
# The operator that PyTorch's compiler calls for a convolution with an activation; it has no public name. In
# bfloat16 it needs a newer CPU than a plain convolution, which is emulated where necessary.
FUSED = hasattr(torch.ops.mkldnn, "_convolution_pointwise")
FUSED_BFLOAT16 = FUSED and torch.ops.mkldnn._is_mkldnn_bf16_supported()
BLOCKS = [f"Mixed_{i}" for i in ("5b", "5c", "5d", "6a", "6b", "6c", "6d", "6e", "7a", "7b", "7c")]


class Inception(nn.Module):
    """uint8 RGB (N, 3, H, W) to float32 features (N, 2048), the pool before the classifier.

    Args:
        weights: state dict in the layout of pytorch-fid and torch-fidelity.

    Raises:
        KeyError: a tensor is missing.
    """

    dim = DIM
    batch = 8  # the 147 x 147 maps of eight images still fit a CPU's last-level cache

    def __init__(self, weights: Mapping[str, Tensor]) -> None:
        super().__init__()
        stem = ("Conv2d_1a_3x3", "Conv2d_2a_3x3", "Conv2d_2b_3x3", "Conv2d_3b_1x1", "Conv2d_4a_3x3")
        self.stem = nn.ModuleList(
            Conv(weights, name, stride=2 if name == stem[0] else 1, padding=int(name == stem[2]))
            for name in stem
        )
        self.blocks = nn.ModuleList(_block(weights, name) for name in BLOCKS)

    def prepare(self, images: Tensor) -> Tensor:
        """uint8 (N, 3, H, W) to float32 (N, 3, 299, 299) in [-1, 1): TensorFlow 1's bilinear resize."""
        return resize_tensorflow1(images.float(), SIZE).sub_(128).div_(128)

    def forward(self, x: Tensor) -> Tensor:
        """Prepared images to features."""
        for i, conv in enumerate(self.stem):
            x = conv(x)
            if i in (2, 4):
                x = F.max_pool2d(x, 3, stride=2)
        for block in self.blocks:
            x = block(x)
        return x.mean((2, 3)).float()


class Conv(nn.Module):
    """Convolution with its batch norm folded in, and ReLU."""

    def __init__(
        self, weights: Mapping[str, Tensor], name: str, *, stride: int = 1, padding: int | tuple[int, int] = 0
    ) -> None:
        super().__init__()
        weight, bias = fold_batch_norm(weights, name)
        self.weight, self.bias = nn.Parameter(weight), nn.Parameter(bias)
        self.stride = (stride, stride)
        self.padding = padding if isinstance(padding, tuple) else (padding, padding)

    def forward(self, x: Tensor) -> Tensor:
        """Feature maps to feature maps."""
        return conv_relu(x, self.weight, self.bias, self.stride, self.padding)


def conv_relu(
    x: Tensor, weight: Tensor, bias: Tensor, stride: tuple[int, int], padding: tuple[int, int]
) -> Tensor:
    """ReLU of a convolution, fused by oneDNN where possible: the same bits in half the time."""
    fuses = FUSED_BFLOAT16 if weight.dtype == torch.bfloat16 else FUSED
    if fuses and x.device.type == "cpu" and not torch.is_grad_enabled():
        fused: Tensor = torch.ops.mkldnn._convolution_pointwise(
            x, weight, bias, padding, stride, (1, 1), 1, "relu", [], ""
        )
        return fused
    return F.relu_(F.conv2d(x, weight, bias, stride, padding))


def chain(weights: Mapping[str, Tensor], block: str, *names: str, stride: int = 1) -> nn.Sequential:
    """Convolutions in sequence; padding keeps the size, except in the last one if it has a stride."""
    convs = []
    for name in names:
        height, width = weights[f"{block}.{name}.conv.weight"].shape[2:]
        strided = stride > 1 and name == names[-1]
        padding = (0, 0) if strided else (height // 2, width // 2)
        convs.append(Conv(weights, f"{block}.{name}", stride=stride if strided else 1, padding=padding))
    return nn.Sequential(*convs)


class Fork(nn.Module):
    """Both 1x3 and 3x1 of the same input, side by side (the last two blocks)."""

    def __init__(self, weights: Mapping[str, Tensor], block: str, left: str, right: str) -> None:
        super().__init__()
        self.left, self.right = chain(weights, block, left), chain(weights, block, right)

    def forward(self, x: Tensor) -> Tensor:
        """Feature maps to feature maps."""
        return torch.cat([self.left(x), self.right(x)], 1)


class Mixed(nn.Module):
    """A block that keeps the size: one merged 1x1 convolution feeds every branch.

    Args:
        weights: state dict.
        name: of the block.
        heads: names of the 1x1 convolutions that open the branches, in the order of the output.
        tails: what follows each (`nn.Identity` for the plain 1x1 branch).
        pool: "average" (joins the merged convolution) or "max" (does not commute with it).
    """

    def __init__(
        self,
        weights: Mapping[str, Tensor],
        name: str,
        heads: tuple[str, ...],
        tails: list[nn.Module],
        *,
        pool: str = "average",
    ) -> None:
        super().__init__()
        opening = [fold_batch_norm(weights, f"{name}.{head}") for head in heads]
        self.max_pool = chain(weights, name, "branch_pool") if pool == "max" else None
        if self.max_pool is None:
            opening.append(fold_batch_norm(weights, f"{name}.branch_pool"))
        self.weight = nn.Parameter(torch.cat([weight for weight, _ in opening]))
        self.bias = nn.Parameter(torch.cat([bias for _, bias in opening]))
        self.sizes = [len(bias) for _, bias in opening]
        self.tails = nn.ModuleList(tails)

    def forward(self, x: Tensor) -> Tensor:
        """Feature maps to feature maps."""
        opened = torch.split(F.conv2d(x, self.weight, self.bias), self.sizes, 1)
        outputs = [tail(F.relu(part)) for part, tail in zip(opened, self.tails, strict=False)]
        if self.max_pool is None:
            outputs.append(F.relu_(F.avg_pool2d(opened[-1], 3, stride=1, padding=1, count_include_pad=False)))
        else:
            outputs.append(self.max_pool(F.max_pool2d(x, 3, stride=1, padding=1)))
        return torch.cat(outputs, 1)


class Reduce(nn.Module):
    """A block that halves the size: strided branches beside a max pool."""

    def __init__(self, *branches: nn.Module) -> None:
        super().__init__()
        self.branches = nn.ModuleList(branches)

    def forward(self, x: Tensor) -> Tensor:
        """Feature maps to feature maps."""
        return torch.cat([*(branch(x) for branch in self.branches), F.max_pool2d(x, 3, stride=2)], 1)


def _block(weights: Mapping[str, Tensor], name: str) -> nn.Module:
    """One of the eleven blocks by its name in the state dict."""

    def then(*names: str) -> nn.Sequential:
        return chain(weights, name, *names)

    if name.startswith("Mixed_5"):
        heads = ("branch1x1", "branch5x5_1", "branch3x3dbl_1")
        return Mixed(
            weights,
            name,
            heads,
            [nn.Identity(), then("branch5x5_2"), then("branch3x3dbl_2", "branch3x3dbl_3")],
        )
    if name == "Mixed_6a":
        double = ("branch3x3dbl_1", "branch3x3dbl_2", "branch3x3dbl_3")
        return Reduce(chain(weights, name, "branch3x3", stride=2), chain(weights, name, *double, stride=2))
    if name.startswith("Mixed_6"):
        heads = ("branch1x1", "branch7x7_1", "branch7x7dbl_1")
        longer = then(*(f"branch7x7dbl_{i}" for i in range(2, 6)))
        return Mixed(weights, name, heads, [nn.Identity(), then("branch7x7_2", "branch7x7_3"), longer])
    if name == "Mixed_7a":
        long = tuple(f"branch7x7x3_{i}" for i in range(1, 5))
        return Reduce(
            chain(weights, name, "branch3x3_1", "branch3x3_2", stride=2),
            chain(weights, name, *long, stride=2),
        )
    heads = ("branch1x1", "branch3x3_1", "branch3x3dbl_1")
    tails: list[nn.Module] = [
        nn.Identity(),
        Fork(weights, name, "branch3x3_2a", "branch3x3_2b"),
        nn.Sequential(then("branch3x3dbl_2"), Fork(weights, name, "branch3x3dbl_3a", "branch3x3dbl_3b")),
    ]
    # The last block's pool is a maximum in TensorFlow's graph, an oversight that FID has kept.
    return Mixed(weights, name, heads, tails, pool="max" if name == "Mixed_7c" else "average")


def fold_batch_norm(weights: Mapping[str, Tensor], name: str) -> tuple[Tensor, Tensor]:
    """Weight and bias of `name`'s convolution with its batch norm (eps 0.001) folded in."""
    scale = (
        weights[f"{name}.bn.weight"].double() / (weights[f"{name}.bn.running_var"].double() + 0.001).sqrt()
    )
    bias = weights[f"{name}.bn.bias"].double() - weights[f"{name}.bn.running_mean"].double() * scale
    weight = weights[f"{name}.conv.weight"] * scale.float()[:, None, None, None]
    return weight, bias.float()


def resize_tensorflow1(x: Tensor, size: int) -> Tensor:
    """Bilinear resize of float (N, C, H, W) to (N, C, size, size) as in TensorFlow 1.

    Output pixel i samples input coordinate i * in / out (no half-pixel centers, no antialiasing):
    tensorflow/core/kernels/resize_bilinear_op.cc, as torch-fidelity reproduces it.
    """
    for axis in (3, 2):
        length = x.shape[axis]
        at = torch.arange(size, dtype=torch.float32) * torch.tensor(length / size, dtype=torch.float32)
        low = at.long()
        high = (low + 1).clamp_max(length - 1)
        share = (at - low).view(-1, *[1] * (3 - axis))
        x = torch.lerp(x.index_select(axis, low), x.index_select(axis, high), share)
    return x
