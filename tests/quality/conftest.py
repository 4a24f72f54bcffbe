"""Simple palm images, extractors and networks for the tests of quality."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter
from torch import nn

from palm_assets.quality.features import Extractor, load_extractor

Images = NDArray[np.uint8]


@pytest.fixture(scope="package", autouse=True)
def _one_thread() -> Iterator[None]:
    """Other tests share the cores; threads that wait for one another there take ten times longer."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def draw_palms(n: int, seed: int, *, kind: str = "palm", size: int = 64) -> Images:
    """N little drawings, uint8 (n, 3, size, size); image i depends on seed and i alone."""
    return np.stack([_draw(np.random.default_rng((seed, i)), kind, size) for i in range(n)])


def _draw(rng: np.random.Generator, kind: str, size: int) -> Images:
    big = 2 * size
    tone = rng.uniform(0.75, 1.0)
    skin = tuple(int(tone * c + rng.normal(0, 4)) for c in (235, 190, 160))
    back = tuple(int(c) for c in rng.uniform(235, 255, 3))
    if kind == "glove":  # other hands: a colored glove on a dark ground
        skin, back = (
            tuple(int(c) for c in rng.uniform(20, 160, 3)),
            tuple(int(c) for c in rng.uniform(0, 60, 3)),
        )
    image = Image.new("RGB", (big, big), back)
    pen = ImageDraw.Draw(image)
    x, y, r = big * rng.uniform(0.45, 0.55), big * rng.uniform(0.6, 0.68), big * rng.uniform(0.2, 0.26)
    for finger in range(5):
        angle = np.pi * (1.12 + 0.19 * finger) + rng.normal(0, 0.04)
        length = r * (1.5 if finger == 0 else 2.3 - 0.18 * abs(finger - 2)) * rng.uniform(0.9, 1.1)
        tip = (x + length * np.cos(angle), y + length * np.sin(angle))
        pen.line([(x, y), tip], fill=skin, width=int(r * 0.42))
        pen.ellipse([tip[0] - r * 0.21, tip[1] - r * 0.21, tip[0] + r * 0.21, tip[1] + r * 0.21], fill=skin)
    pen.ellipse([x - r, y - r, x + r, y + 1.25 * r], fill=skin)
    crease = tuple(max(int(c * 0.62), 0) for c in skin)
    for _ in range(3 if kind == "palm" else 0):
        box = [x - r * rng.uniform(0.5, 1), y - r * rng.uniform(0.2, 0.8)]
        box += [x + r * rng.uniform(0.3, 1), y + r * rng.uniform(0.3, 1)]
        pen.arc(box, rng.uniform(0, 80), rng.uniform(120, 260), fill=crease, width=3)
    small = image.resize((size, size), Image.Resampling.LANCZOS)
    noise = rng.normal(0, 2.0, (size, size, 3))
    pixels = np.clip(np.asarray(small) + noise, 0, 255).astype(np.uint8)
    return np.ascontiguousarray(pixels.transpose(2, 0, 1))


def blurred(images: Images, radius: float) -> Images:
    """The same images through a Gaussian blur of `radius` pixels."""
    out = [Image.fromarray(i.transpose(1, 2, 0)).filter(ImageFilter.GaussianBlur(radius)) for i in images]
    return np.stack([np.asarray(i).transpose(2, 0, 1) for i in out])


@pytest.fixture(scope="session")
def lite() -> Extractor:
    return load_extractor("efficientnet-lite0")


class TinyNetwork(nn.Module):
    """A network of a few pixels, for what does not depend on what the features mean."""

    dim, batch = 24, 4

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv = nn.Conv2d(3, 24, 3, stride=2)

    def prepare(self, images: torch.Tensor) -> torch.Tensor:
        return nn.functional.interpolate(images.float(), (16, 16)) / 255

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.conv(x).relu().mean((2, 3)).float()


@pytest.fixture
def tiny() -> Extractor:
    return Extractor("efficientnet-lite0", "0" * 12, TinyNetwork(), threads=1)


@pytest.fixture(scope="session")
def random_inception(
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[Path, Callable[..., object]]:
    """A weights file in the published layout, random, and torch-fidelity's network with it.

    The batch norms hold the statistics of a few images and the last ones are scaled so that the
    features average 0.4, as the trained ones do: an absolute tolerance means what it means there.
    """
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    path = tmp_path_factory.mktemp("weights") / "inception.pth"
    torch.save({}, path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FeatureExtractorInceptionV3, "load_state_dict", lambda self, state: None)
        network = FeatureExtractorInceptionV3("random", ["2048"], str(path))
    torch.manual_seed(0)
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight)
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None
            nn.init.uniform_(module.weight, 0.6, 1.0)
            nn.init.normal_(module.bias, 0.0, 0.2)
            module.train()
    with torch.inference_mode():
        images = [torch.from_numpy(draw_palms(3, seed=1, size=size)) for size in (64, 299, 340)]
        for batch in images:
            network(batch)
        last = ("1x1.bn", "_2a.bn", "_2b.bn", "_3a.bn", "_3b.bn", "_pool.bn")
        scale = 0.4 / max(network.eval()(batch)[0].mean() for batch in images)
        for name, module in network.Mixed_7c.named_modules():
            if name.endswith(last):
                module.weight.mul_(scale)
                module.bias.mul_(scale)
    torch.save(network.eval().state_dict(), path)
    return path, FeatureExtractorInceptionV3("random", ["2048"], str(path))
