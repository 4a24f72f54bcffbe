from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch_fidelity.interpolate_compat_tensorflow import interpolate_bilinear_2d_like_tensorflow1x

from palm_assets.errors import WeightsUnavailableError
from palm_assets.quality.extractors import inception
from palm_assets.quality.extractors.identity import CANONICAL_DIGEST, extractor_digest
from palm_assets.quality.extractors.inception import resize_tensorflow1
from palm_assets.quality.extractors.registry import INCEPTION_WEIGHTS
from palm_assets.quality.features import extract, load_extractor
from tests.quality.conftest import draw_palms

Random = tuple[Path, Callable[..., tuple[torch.Tensor]]]


@pytest.mark.parametrize("size", [64, 299, 340])
def test_features_equal_torch_fidelitys_with_the_same_weights(random_inception: Random, size: int) -> None:
    path, theirs = random_inception
    images = torch.from_numpy(draw_palms(2, seed=2, size=size))
    with torch.inference_mode():
        expected = theirs(images)[0].numpy()
    ours = extract(load_extractor("inception-v3", weights=path, precision="float32"), images)
    assert ours.shape == (2, 2048)
    assert expected.std() > 0.05  # the tolerance below means something
    np.testing.assert_allclose(ours, expected, atol=1e-4)


@pytest.mark.parametrize(
    "shape", [(1, 3, 32, 32), (2, 3, 64, 48), (1, 3, 299, 299), (1, 3, 500, 333), (1, 3, 1, 2)]
)
def test_resizing_is_tensorflow_ones(shape: tuple[int, ...]) -> None:
    images = torch.randint(0, 256, shape, generator=torch.Generator().manual_seed(0)).float()
    expected = interpolate_bilinear_2d_like_tensorflow1x(images, (299, 299), align_corners=False)
    torch.testing.assert_close(resize_tensorflow1(images, 299), expected, atol=1e-4, rtol=0)


@pytest.mark.parametrize(("kernel", "stride", "padding"), [((3, 3), 2, (0, 0)), ((1, 7), 1, (0, 3))])
def test_a_convolution_and_its_relu_in_one_pass_give_the_same_bits(
    kernel: tuple[int, int], stride: int, padding: tuple[int, int]
) -> None:
    assert inception.FUSED  # else the plain way is taken, which is right and slower
    random = torch.Generator().manual_seed(0)
    maps = torch.randn(2, 32, 17, 17, generator=random).to(memory_format=torch.channels_last)
    weight, bias = torch.randn(48, 32, *kernel, generator=random), torch.randn(48, generator=random)
    with torch.inference_mode():
        fused = inception.conv_relu(maps, weight, bias, (stride, stride), padding)
        plain = F.relu(F.conv2d(maps, weight, bias, stride, padding))
    assert torch.equal(fused, plain)


def test_bfloat16_is_computed_on_every_processor_in_one_pass_or_two() -> None:
    random = torch.Generator().manual_seed(0)
    maps, weight, bias = (
        torch.randn(*shape, generator=random).bfloat16() for shape in ((2, 32, 9, 9), (48, 32, 3, 3), (48,))
    )
    with torch.inference_mode():
        found = inception.conv_relu(maps, weight, bias, (1, 1), (1, 1))
    exact = F.relu(F.conv2d(maps.float(), weight.float(), bias.float(), padding=1))
    torch.testing.assert_close(found.float(), exact, rtol=2**-7, atol=2**-5)


def test_weights_that_are_not_the_canonical_ones_are_not_called_fid(random_inception: Random) -> None:
    assert load_extractor("inception-v3", weights=random_inception[0]).digest != CANONICAL_DIGEST
    assert extractor_digest("inception-v3", INCEPTION_WEIGHTS.sha256) == CANONICAL_DIGEST


def test_auto_takes_inception_when_its_weights_are_given(random_inception: Random) -> None:
    assert load_extractor("auto", weights=random_inception[0]).name == "inception-v3"


def test_weights_of_another_network_are_refused_by_name(random_inception: Random, tmp_path: Path) -> None:
    state = torch.load(random_inception[0], weights_only=True)
    del state["Mixed_6c.branch7x7_2.bn.running_var"]
    torch.save(state, tmp_path / "damaged.pth")
    with pytest.raises(WeightsUnavailableError, match="weights of inception-v3"):
        load_extractor("inception-v3", weights=tmp_path / "damaged.pth")
    with pytest.raises(WeightsUnavailableError, match="weights of dinov2-vits14"):
        load_extractor("dinov2-vits14", weights=random_inception[0])
