"""DINOv2 ViT-S/14: features that agree better with human raters than Inception's.

Oquab et al. 2023 (https://arxiv.org/abs/2304.07193; weights Apache-2.0); for the evaluation of
generative models: Stein et al. 2023 (https://arxiv.org/abs/2306.04675). The state dict is the
published one; the network is the plain ViT it belongs to, on 224 x 224 images (bicubic,
antialiased, ImageNet mean and standard deviation, as in the paper's evaluation).
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from palm_assets.quality.extractors.efficientnet import resize_bicubic

SIZE = 224
PATCH = 14
DIM = 384
HEADS = 6
DEPTH = 12


class DinoV2(nn.Module):
    """uint8 RGB (N, 3, H, W) to float32 features (N, 384), the normalized class token.

    Args:
        weights: the published state dict of `dinov2_vits14`.

    Raises:
        RuntimeError: the weights do not fit the network.
    """

    dim = DIM
    batch = 16

    def __init__(self, weights: Mapping[str, Tensor]) -> None:
        super().__init__()
        self.cls_token = nn.Parameter(torch.zeros(1, 1, DIM))
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + 37 * 37, DIM))  # trained at 518 px
        self.mask_token = nn.Parameter(torch.zeros(1, DIM))  # in the file, but used in pretraining only
        self.patch_embed = nn.ModuleDict({"proj": nn.Conv2d(3, DIM, PATCH, stride=PATCH)})
        self.blocks = nn.ModuleList(Block() for _ in range(DEPTH))
        self.norm = nn.LayerNorm(DIM, eps=1e-6)
        self.load_state_dict(weights)
        self.register_buffer("positions", self._positions(), persistent=False)
        deviation = 255 * torch.tensor([0.229, 0.224, 0.225])
        self.register_buffer(
            "shift", (255 * torch.tensor([0.485, 0.456, 0.406])).view(3, 1, 1), persistent=False
        )
        self.register_buffer("scale", (1 / deviation).view(3, 1, 1), persistent=False)
        self.positions: Tensor
        self.shift: Tensor
        self.scale: Tensor

    def _positions(self) -> Tensor:
        """Position embeddings for 16 x 16 patches, interpolated as DINOv2 does (with its offset of 0.1)."""
        side = SIZE // PATCH
        grid = self.pos_embed.detach()[:, 1:].reshape(1, 37, 37, DIM).permute(0, 3, 1, 2)
        grid = F.interpolate(grid, scale_factor=(side + 0.1) / 37, mode="bicubic", align_corners=False)
        return torch.cat([self.pos_embed.detach()[:, :1], grid.flatten(2).transpose(1, 2)], 1)

    def prepare(self, images: Tensor) -> Tensor:
        """uint8 (N, 3, H, W) to float32 (N, 3, 224, 224), normalized."""
        return (resize_bicubic(images, SIZE) - self.shift) * self.scale

    def forward(self, x: Tensor) -> Tensor:
        """Prepared images to features."""
        patches = self.patch_embed["proj"](x).flatten(2).transpose(1, 2)
        x = torch.cat([self.cls_token.expand(len(x), -1, -1), patches], 1) + self.positions
        for block in self.blocks:
            x = block(x)
        features: Tensor = self.norm(x[:, 0])
        return features.float()


class Block(nn.Module):
    """Pre-norm transformer block with a learned scale (LayerScale) on each residual."""

    def __init__(self) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(DIM, eps=1e-6), nn.LayerNorm(DIM, eps=1e-6)
        self.attn = nn.ModuleDict({"qkv": nn.Linear(DIM, 3 * DIM), "proj": nn.Linear(DIM, DIM)})
        self.mlp = nn.ModuleDict({"fc1": nn.Linear(DIM, 4 * DIM), "fc2": nn.Linear(4 * DIM, DIM)})
        self.ls1 = nn.ParameterDict({"gamma": nn.Parameter(torch.ones(DIM))})
        self.ls2 = nn.ParameterDict({"gamma": nn.Parameter(torch.ones(DIM))})

    def forward(self, x: Tensor) -> Tensor:
        """Tokens (N, tokens, 384) to the same shape."""
        n, tokens, _ = x.shape
        heads = self.attn["qkv"](self.norm1(x)).view(n, tokens, 3, HEADS, DIM // HEADS)
        query, key, value = heads.permute(2, 0, 3, 1, 4).unbind(0)
        mixed = F.scaled_dot_product_attention(query, key, value).transpose(1, 2).reshape(n, tokens, DIM)
        x = x + self.ls1["gamma"] * self.attn["proj"](mixed)
        hidden = F.gelu(self.mlp["fc1"](self.norm2(x)))
        out: Tensor = x + self.ls2["gamma"] * self.mlp["fc2"](hidden)
        return out
