"""A model on disk: it loads as it was saved, and invalid files are typed errors."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from palm_assets.errors import CheckpointError
from palm_assets.gan.checkpoint import (
    CONFIG_FILE,
    DISCRIMINATOR_FILE,
    GENERATOR_FILE,
    METRICS_FILE,
    load_networks,
    read_metrics,
    save_networks,
    write_metrics,
)
from palm_assets.gan.config import GanConfig, NetworkConfig
from palm_assets.gan.metrics import TrainingMetrics
from palm_assets.gan.networks import Discriminator, Generator

CONFIG = NetworkConfig(image_size=16, latent=8, generator_width=8, discriminator_width=8)


def saved(folder: Path, config: NetworkConfig = CONFIG) -> tuple[Generator, Discriminator]:
    generator, discriminator = Generator(config), Discriminator(config)
    discriminator(generator(torch.randn(8, config.latent)))  # batch statistics other than the initial ones
    generator, discriminator = generator.eval(), discriminator.eval()
    save_networks(generator, discriminator, config, folder)
    return generator, discriminator


@pytest.mark.parametrize("norm", ["batch", "spectral", "none"])
@pytest.mark.parametrize("stddev", [False, True])
def test_loaded_networks_equal_the_saved_ones_and_are_in_evaluation_mode(
    tmp_path: Path, norm: str, stddev: bool
) -> None:
    config = CONFIG.model_copy(update={"discriminator_norm": norm, "minibatch_stddev": stddev})
    written = saved(tmp_path, config)
    *read, networks = load_networks(tmp_path)
    assert networks == config
    for before, after in zip(written, read, strict=True):
        assert not after.training
        assert before.state_dict().keys() == after.state_dict().keys()
        assert all(torch.equal(value, after.state_dict()[key]) for key, value in before.state_dict().items())
    images = written[0](torch.ones(3, 8))
    assert torch.equal(read[0](torch.ones(3, 8)), images)
    assert torch.equal(read[1](images), written[1](images))


def test_channels_last_weights_are_saved_like_others(tmp_path: Path) -> None:
    generator, discriminator = saved(tmp_path)
    first = (tmp_path / GENERATOR_FILE).read_bytes()
    save_networks(generator.to(memory_format=torch.channels_last), discriminator, CONFIG, tmp_path)
    assert (tmp_path / GENERATOR_FILE).read_bytes() == first


def test_of_a_recipe_only_the_network_config_is_saved(tmp_path: Path) -> None:
    recipe = GanConfig(**CONFIG.model_dump(), kimg=3)
    saved(tmp_path, recipe)
    assert load_networks(tmp_path)[2] == CONFIG


def test_saved_files_are_safetensors_and_json_only(tmp_path: Path) -> None:
    saved(tmp_path)
    for path in tmp_path.iterdir():
        assert path.suffix in (".safetensors", ".json")


def _with_value(path: Path, value: float) -> None:
    tensors = load_file(path)
    tensors["main.0.weight"].view(-1)[0] = value
    save_file(tensors, path)


def _without_a_layer(path: Path) -> None:
    tensors = load_file(path)
    tensors.pop(sorted(tensors)[0])
    save_file(tensors, path)


def _of_another_shape(path: Path) -> None:
    save_file({key: value[:1] if value.ndim else value for key, value in load_file(path).items()}, path)


DAMAGE: dict[str, Callable[[Path], object]] = {
    "missing": Path.unlink,
    "a folder": lambda path: (path.unlink(), path.mkdir()),
    "empty": lambda path: path.write_bytes(b""),
    "cut": lambda path: os.truncate(path, path.stat().st_size - 10),
    "text": lambda path: path.write_text("hello " * 100),
    "a pickle": lambda path: torch.save({"a": torch.ones(1)}, path),
    "foreign": lambda path: save_file({"layer": torch.ones(3)}, path),
    "without a layer": _without_a_layer,
    "of another shape": _of_another_shape,
    "with a NaN": lambda path: _with_value(path, float("nan")),
    "with an infinity": lambda path: _with_value(path, float("-inf")),
}


@pytest.mark.parametrize("name", [GENERATOR_FILE, DISCRIMINATOR_FILE])
@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE.keys())
def test_unusable_weights_are_a_typed_error_that_names_the_file(
    tmp_path: Path, name: str, damage: Callable[[Path], object]
) -> None:
    saved(tmp_path)
    damage(tmp_path / name)
    with pytest.raises(CheckpointError, match="The model cannot be loaded") as refused:
        load_networks(tmp_path)
    assert str(tmp_path / name) in str(refused.value)


@pytest.mark.parametrize(
    "content", [b"", b"{", b"\xff", b"[]", b'{"image_size": 48}', b'{"image_size": 16, "surprise": 1}']
)
def test_an_invalid_config_is_a_typed_error_that_names_the_file(tmp_path: Path, content: bytes) -> None:
    saved(tmp_path)
    (tmp_path / CONFIG_FILE).write_bytes(content)
    with pytest.raises(CheckpointError) as refused:
        load_networks(tmp_path)
    assert CONFIG_FILE in str(refused.value)


def test_a_config_of_other_networks_is_a_typed_error(tmp_path: Path) -> None:
    saved(tmp_path)
    (tmp_path / CONFIG_FILE).write_text(CONFIG.model_copy(update={"latent": 9}).model_dump_json())
    with pytest.raises(CheckpointError):
        load_networks(tmp_path)


def test_loaded_metrics_equal_the_saved_ones_and_may_be_absent(tmp_path: Path) -> None:
    assert read_metrics(tmp_path) == {}
    curves = [TrainingMetrics(8, 16, 1.0, 2.0, 0.5, -0.5, 100.0)]
    write_metrics(tmp_path, {"auc": 0.75}, curves)
    metrics = read_metrics(tmp_path)
    assert metrics["auc"] == 0.75
    assert TrainingMetrics(**metrics["curves"][0]) == curves[0]


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe"])
def test_damaged_metrics_are_a_typed_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / METRICS_FILE).write_bytes(content)
    with pytest.raises(CheckpointError):
        read_metrics(tmp_path)


def test_the_saved_config_is_plain_json(tmp_path: Path) -> None:
    saved(tmp_path)
    assert json.loads((tmp_path / CONFIG_FILE).read_text()) == CONFIG.model_dump()
