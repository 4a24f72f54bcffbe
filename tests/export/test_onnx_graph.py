"""The ONNX file of a generator: the same images as PyTorch's, and refused if they are not."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from palm_assets.errors import CheckpointError, ExportError, PackageMissingError
from palm_assets.export import onnx_graph
from palm_assets.export.onnx_graph import build_graph, export_onnx, largest_difference, onnx_bytes
from palm_assets.gan.checkpoint import save_networks
from palm_assets.gan.config import NetworkConfig
from palm_assets.gan.networks import Discriminator, Generator
from palm_assets.gan.sampler import PalmModel, load_model
from tests.models import SMALL, fill_with_model

STARTER = Path(__file__).parents[2] / "palm_assets" / "starter"
SHARP = NetworkConfig(image_size=16, latent=8, generator_width=8, discriminator_width=8, max_width=16)
SMOOTH = NetworkConfig(
    image_size=64,
    latent=20,
    generator_width=8,
    discriminator_width=4,
    max_width=32,
    output_activation="smoothstep",
    padding_mode="replicate",
    output_smoothing=0.1,
)


def model_of(folder: Path, networks: NetworkConfig) -> PalmModel:
    """A model with random weights and statistics of batch norm, as after training."""
    torch.manual_seed(1)
    generator, discriminator = Generator(networks), Discriminator(networks).eval()
    for weights in generator.parameters():
        weights.data.mul_(3)
    generator.main[-2].weight.data.mul_(4)  # type: ignore[operator,union-attr]
    with torch.no_grad():
        for _ in range(5):
            generator(torch.randn(32, networks.latent))
    save_networks(generator.eval(), discriminator, networks, folder)
    return load_model(folder, "abc123")


@pytest.mark.parametrize("networks", [SHARP, SMOOTH], ids=["sharp", "smooth"])
def test_the_images_are_those_of_pytorch(tmp_path: Path, networks: NetworkConfig) -> None:
    model = model_of(tmp_path, networks)
    content = build_graph(model).SerializeToString()
    assert largest_difference(model, content, range(40)) <= 1
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    latents = model.latents(7, range(3)).numpy()
    (images,) = session.run(None, {"latents": latents})
    assert (images.dtype, images.shape) == (np.uint8, (3, 3, networks.image_size, networks.image_size))
    assert images.std() > 20  # not of one color
    (alone,) = session.run(None, {"latents": latents[2:]})
    np.testing.assert_array_equal(alone[0], images[2])


@pytest.mark.skipif(not STARTER.is_dir(), reason="a copy without the starter model")
def test_the_starter_is_exported_as_small_as_it_is_packed(tmp_path: Path) -> None:
    model = load_model(STARTER, "starter")
    assert export_onnx(model, tmp_path / "palms.onnx", seeds=8) < 4.4e6


def test_the_file_says_what_it_is(tmp_path: Path) -> None:
    model = model_of(tmp_path, SHARP)
    export_onnx(model, tmp_path / "palms.onnx")
    loaded = onnx.load(tmp_path / "palms.onnx")
    properties = {entry.key: entry.value for entry in loaded.metadata_props}
    assert properties["model"] == "abc123"
    assert "manual_seed" in properties["latents"]
    assert NetworkConfig.model_validate_json(properties["networks"]) == SHARP


def test_weights_are_stored_as_float16_only_if_that_loses_nothing(tmp_path: Path) -> None:
    (tmp_path / "half").mkdir()
    model = model_of(tmp_path, SMOOTH)
    exact = len(build_graph(model).SerializeToString())
    for weights in model.generator.parameters():
        weights.data = weights.data.half().float()
    halved = build_graph(model).SerializeToString()
    assert len(halved) < 0.6 * exact
    assert largest_difference(model, halved, range(8)) <= 1


def test_a_graph_that_differs_is_refused_and_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, target = model_of(tmp_path, SMOOTH), tmp_path / "palms.onnx"
    right = onnx_graph._Graph._padded
    monkeypatch.setattr(
        onnx_graph._Graph, "_padded", lambda self, value, mode: right(self, value, "constant")
    )
    with pytest.raises(ExportError, match=r"differs from PyTorch by \d+ of 255 levels"):
        export_onnx(model, target)
    assert not target.exists()


def test_another_models_graph_is_found_out(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    fill_with_model(tmp_path / "other", 3, SMALL)
    model, other = model_of(tmp_path, SHARP), load_model(tmp_path / "other", "other")
    assert largest_difference(model, onnx_bytes(other), range(4)) > 1


def test_a_generator_that_takes_labels_has_a_second_input(tmp_path: Path) -> None:
    """Its first layer takes the label vector behind the latent."""
    model = model_of(tmp_path, SHARP.model_copy(update={"latent": 11}))
    labeled = dataclasses.replace(model, networks=SHARP)
    content = build_graph(labeled).SerializeToString()
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    assert [(value.name, value.shape[1]) for value in session.get_inputs()] == [("latents", 8), ("labels", 3)]
    assert largest_difference(labeled, content, range(6)) <= 1


def test_a_foreign_generator_is_refused(tmp_path: Path) -> None:
    model = dataclasses.replace(model_of(tmp_path, SHARP), generator=torch.nn.Identity())  # type: ignore[arg-type]
    with pytest.raises(CheckpointError):
        onnx_bytes(model)


def test_without_the_package_the_error_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(PackageMissingError, match="pip install onnx"):
        onnx_bytes(model_of(tmp_path, SHARP))


def test_a_file_that_cannot_be_written_is_a_typed_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ExportError, match="cannot be written"):
        export_onnx(model_of(tmp_path, SHARP), tmp_path / "file" / "palms.onnx", seeds=1)
