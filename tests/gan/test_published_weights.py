"""The published weights, converted, against an independent definition of their networks.

The generator: seven transposed convolutions without bias (4x4: first stride 1 pad 0, then stride 2 pad 1),
BatchNorm and ReLU between them, a sigmoid at the end. The discriminator: five convolutions 4x4 stride 2 pad 1
without bias, BatchNorm from the second on, LeakyReLU 0.2, flatten, `fc = Linear(65536, 2)`, class 1 = real.
Images are BGR in [0, 1].
"""

from __future__ import annotations

import pickle
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from palm_assets.errors import CheckpointError
from palm_assets.gan.networks import Discriminator, Generator
from palm_assets.gan.published_weights import import_published

Change = Callable[[dict[str, Tensor]], object]


class PublishedGenerator(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.main = nn.Sequential(
            nn.ConvTranspose2d(500, 2048, 4, 1, 0, bias=False),
            nn.BatchNorm2d(2048),
            nn.ReLU(),
            nn.ConvTranspose2d(2048, 1024, 4, 2, 1, bias=False),
            nn.BatchNorm2d(1024),
            nn.ReLU(),
            nn.ConvTranspose2d(1024, 512, 4, 2, 1, bias=False),
            nn.BatchNorm2d(512),
            nn.ReLU(),
            nn.ConvTranspose2d(512, 256, 4, 2, 1, bias=False),
            nn.BatchNorm2d(256),
            nn.ReLU(),
            nn.ConvTranspose2d(256, 128, 4, 2, 1, bias=False),
            nn.BatchNorm2d(128),
            nn.ReLU(),
            nn.ConvTranspose2d(128, 64, 4, 2, 1, bias=False),
            nn.BatchNorm2d(64),
            nn.ReLU(),
            nn.ConvTranspose2d(64, 3, 4, 2, 1, bias=False),
            nn.Sigmoid(),
        )

    def forward(self, z: Tensor) -> Tensor:
        return self.main(z)


class PublishedDiscriminator(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.main = nn.Sequential(
            nn.Conv2d(3, 64, 4, 2, 1, bias=False),
            nn.LeakyReLU(0.2),
            nn.Conv2d(64, 128, 4, 2, 1, bias=False),
            nn.BatchNorm2d(128),
            nn.LeakyReLU(0.2),
            nn.Conv2d(128, 256, 4, 2, 1, bias=False),
            nn.BatchNorm2d(256),
            nn.LeakyReLU(0.2),
            nn.Conv2d(256, 512, 4, 2, 1, bias=False),
            nn.BatchNorm2d(512),
            nn.LeakyReLU(0.2),
            nn.Conv2d(512, 1024, 4, 2, 1, bias=False),
            nn.BatchNorm2d(1024),
            nn.LeakyReLU(0.2),
        )
        self.fc = nn.Linear(65536, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.main(x).flatten(1))


@dataclass
class Published:
    """Published networks, their files, and the networks converted from the files."""

    originals: tuple[PublishedGenerator, PublishedDiscriminator]
    files: tuple[Path, Path]
    converted: tuple[Generator, Discriminator]


def _randomize(network: nn.Module) -> None:
    """Weights that keep the scale of activations, and batch statistics other than the initial ones."""
    for module in network.modules():
        if isinstance(module, (nn.ConvTranspose2d, nn.Conv2d)):
            inputs = module.in_channels * (4 if isinstance(module, nn.ConvTranspose2d) else 16)
            nn.init.uniform_(module.weight, -((6 / inputs) ** 0.5), (6 / inputs) ** 0.5)
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.5, 0.5)
            nn.init.uniform_(module.running_mean, -0.5, 0.5)  # type: ignore[arg-type]
            nn.init.uniform_(module.running_var, 0.5, 2)  # type: ignore[arg-type]
            module.num_batches_tracked.fill_(1234)  # type: ignore[union-attr]


@pytest.fixture(scope="module")
def small_generator_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """For tests of a bad discriminator file: a whole generator file has 240 MB."""
    path = tmp_path_factory.mktemp("small") / "generator.pt"
    torch.save({"main.18.weight": torch.zeros(64, 3, 4, 4)}, path)
    return path


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Published:
    torch.manual_seed(0)
    originals = PublishedGenerator().eval(), PublishedDiscriminator().eval()
    folder = tmp_path_factory.mktemp("published")
    files = folder / "generator.pt", folder / "discriminator.pt"
    for network, path, prefix in zip(originals, files, ("", "module."), strict=True):
        _randomize(network)  # one is saved as DataParallel saves it
        torch.save({prefix + key: value for key, value in network.state_dict().items()}, path)
    return Published(originals, files, import_published(*files))


def _max_error(converted: Tensor, original: Tensor) -> float:
    return float((converted - original).abs().max())


@torch.no_grad()
def test_the_converted_generator_makes_the_same_images_up_to_the_border(published: Published) -> None:
    latents = torch.randn(2, 500, generator=torch.Generator().manual_seed(1))
    bgr = published.originals[0](latents[:, :, None, None])
    rgb = (published.converted[0](latents) + 1) / 2
    assert rgb.shape == (2, 3, 256, 256)
    assert bgr.std() > 0.1, "images without contrast prove nothing"
    assert _max_error(rgb, bgr.flip(1)) < 1e-4
    for edge in (rgb[..., 0, :], rgb[..., -1, :], rgb[..., 0], rgb[..., -1]):
        assert edge.std() > 0.05
    assert _max_error(rgb, bgr) > 0.1, "the order of the channels would go unnoticed"


@torch.no_grad()
@pytest.mark.parametrize("kind", ["noise", "black", "white", "bright border", "dark border", "red"])
def test_the_converted_discriminator_gives_the_same_probability_for_any_border(
    published: Published, kind: str
) -> None:
    rgb = torch.rand(1, 3, 256, 256, generator=torch.Generator().manual_seed(2))
    frame = torch.ones(256, 256, dtype=torch.bool)
    frame[2:-2, 2:-2] = False
    match kind:
        case "black":
            rgb.zero_()
        case "white":
            rgb.fill_(1)
        case "bright border":
            rgb[:, :, frame] = 1
        case "dark border":
            rgb[:, :, frame] = 0
        case "red":
            rgb[:, 1:] = 0
    logits = published.originals[1](rgb.flip(1))
    converted = published.converted[1](rgb * 2 - 1)
    assert converted.item() == pytest.approx((logits[:, 1] - logits[:, 0]).item(), abs=1e-4)
    assert _max_error(torch.sigmoid(converted), logits.softmax(1)[:, 1]) < 1e-4


@torch.no_grad()
def test_the_first_feature_map_is_the_same_in_every_border_pixel(published: Published) -> None:
    """A probability could hide wrong padding, so every value of the first feature map is compared."""
    rgb = torch.rand(1, 3, 256, 256, generator=torch.Generator().manual_seed(3))
    original = published.originals[1].main[0](rgb.flip(1))
    padded = nn.functional.pad(rgb * 2 - 1, (1, 1, 1, 1), value=-1.0)
    converted = published.converted[1].main[0](padded)
    assert _max_error(converted, original) < 1e-5
    naive = nn.functional.conv2d(rgb * 2 - 1, published.converted[1].main[0].weight, None, 2, 1)
    naive += published.converted[1].main[0].bias[None, :, None, None]  # type: ignore[index]
    assert _max_error(naive[..., 1:-1, 1:-1], original[..., 1:-1, 1:-1]) < 1e-5
    assert _max_error(naive, original) > 0.01, (
        "zero padding differs at the border, and this test would notice"
    )


@torch.no_grad()
def test_generated_images_get_the_same_probability_end_to_end(published: Published) -> None:
    latents = torch.randn(1, 500, generator=torch.Generator().manual_seed(4))
    original = published.originals[1](published.originals[0](latents[:, :, None, None])).softmax(1)[:, 1]
    assert _max_error(torch.sigmoid(published.converted[1](published.converted[0](latents))), original) < 1e-4


# Files that are not the published weights


class _Bomb:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> object:
        return Path.touch, (self.path,)


def test_a_pickle_with_code_is_refused_without_executing_it(
    published: Published, small_generator_file: Path, tmp_path: Path
) -> None:
    proof, bomb, plain = tmp_path / "proof", tmp_path / "bomb.pt", tmp_path / "plain.pt"
    torch.save({"main.0.weight": torch.ones(1), "x": _Bomb(proof)}, bomb)
    plain.write_bytes(pickle.dumps(_Bomb(proof), protocol=2))
    for malicious in (bomb, plain):
        for files in ((malicious, published.files[1]), (small_generator_file, malicious)):
            with pytest.raises(CheckpointError, match="no code in it was executed"):
                import_published(*files)
            assert not proof.exists()
    pickle.loads(plain.read_bytes())
    assert proof.exists(), "the pickle was harmless and proves nothing"


def test_a_pickled_module_is_refused(tmp_path: Path, published: Published) -> None:
    torch.save(nn.Linear(2, 2), tmp_path / "network.pt")
    with pytest.raises(CheckpointError, match="plain dict of tensors"):
        import_published(tmp_path / "network.pt", published.files[1])


@pytest.mark.parametrize(
    "content",
    [
        [1, 2],
        {"a": 1},
        torch.ones(3),
        {},
        {"main.18.weight": torch.ones(3)},
        {"main.18.weight": torch.ones(64, 3, 4, 4)},
    ],
    ids=["list", "numbers", "tensor", "empty", "flat", "one layer"],
)
def test_other_objects_and_tensors_are_refused(tmp_path: Path, published: Published, content: object) -> None:
    torch.save(content, tmp_path / "other.pt")
    with pytest.raises(CheckpointError) as refused:
        import_published(tmp_path / "other.pt", published.files[1])
    assert "other.pt" in str(refused.value)


@pytest.mark.parametrize(
    "content",
    [b"", b"\x80", b"hello world", b"PK\x03\x04" + b"\0" * 50, bytes(range(256)), b"\x80\x02}q\x00."],
)
def test_arbitrary_bytes_are_refused(tmp_path: Path, published: Published, content: bytes) -> None:
    (tmp_path / "bytes.pt").write_bytes(content)
    with pytest.raises(CheckpointError):
        import_published(tmp_path / "bytes.pt", published.files[1])


def test_missing_swapped_and_cut_files_are_typed_errors(
    tmp_path: Path, published: Published, small_generator_file: Path
) -> None:
    generator, discriminator = published.files
    with pytest.raises(CheckpointError, match="no such file"):
        import_published(tmp_path / "nowhere.pt", discriminator)
    with pytest.raises(CheckpointError, match="Check the order"):
        import_published(discriminator, generator)
    (tmp_path / "cut.pt").write_bytes(discriminator.read_bytes()[:100_000])
    with pytest.raises(CheckpointError, match="plain dict"):
        import_published(small_generator_file, tmp_path / "cut.pt")


def _set_nan(weights: dict[str, Tensor]) -> None:
    weights["main.2.weight"][0, 0, 0, 0] = float("nan")


@pytest.mark.parametrize(
    "change",
    [
        _set_nan,
        lambda weights: weights.pop("main.3.running_mean"),
        lambda weights: weights.update({"fc.weight": torch.zeros(3, 65536)}),
        lambda weights: weights.update({"fc.bias": torch.zeros(())}),
        lambda weights: weights.update({"main.0.weight": torch.zeros(64, 4, 4, 4)}),
        lambda weights: weights.update({"extra": torch.zeros(1)}),
    ],
    ids=["NaN", "a missing tensor", "three classes", "a scalar bias", "four channels", "an extra tensor"],
)
def test_a_discriminator_of_another_shape_or_with_a_nan_is_refused(
    tmp_path: Path, published: Published, small_generator_file: Path, change: Change
) -> None:
    weights = {key: value.clone() for key, value in published.originals[1].state_dict().items()}
    change(weights)
    torch.save(weights, tmp_path / "other.pt")
    with pytest.raises(CheckpointError) as refused:
        import_published(small_generator_file, tmp_path / "other.pt")
    assert "other.pt" in str(refused.value)
