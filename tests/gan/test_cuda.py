"""Training on a GPU: bfloat16, CUDA graphs, and a model that generates on any machine."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from palm_assets.gan import trainer as trainer_module
from palm_assets.gan.checkpoint import save_networks
from palm_assets.gan.config import GanConfig
from palm_assets.gan.cuda_graph import Function
from palm_assets.gan.metrics import TrainingMetrics
from palm_assets.gan.sampler import load_model
from palm_assets.gan.trainer import Trainer
from palm_assets.gan.training_loop import training_loop

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="this machine has no CUDA device")
IMAGES = np.random.default_rng(0).integers(0, 256, (24, 3, 256, 256), dtype=np.uint8)


def recipe(**knobs: object) -> GanConfig:
    """A recipe for narrow networks of 256 px."""
    basics: dict[str, object] = {
        "image_size": 256,
        "latent": 16,
        "generator_width": 8,
        "discriminator_width": 8,
        "max_width": 32,
        "augment": ["color", "rotation", "translation", "cutout"],
        "output_activation": "smoothstep",
        "padding_mode": "replicate",
        "even_upsampling": True,
        "penalty_every": 4,
        "batch": 8,
        "kimg": 0.16,
    }
    return GanConfig(**{**basics, **knobs})  # type: ignore[arg-type]


def test_a_model_trained_in_bfloat16_on_a_gpu_generates_the_same_images_on_a_cpu(tmp_path: Path) -> None:
    config = recipe()
    reports: list[TrainingMetrics] = []
    trained = training_loop(IMAGES, config, tmp_path / "work", report=reports.append)
    assert trained is not None
    assert next(trained.generator.parameters()).is_cuda
    assert Trainer(IMAGES, config).bfloat16 == torch.cuda.is_bf16_supported()
    assert reports[-1].images_seen == 160
    (tmp_path / "model").mkdir()
    save_networks(trained.generator, trained.discriminator, config.networks(), tmp_path / "model")
    model = load_model(tmp_path / "model", "")
    on_cpu = model.generate(model.latents(0, range(3)))
    assert on_cpu.shape == (3, 3, 256, 256)
    with torch.no_grad():
        pixels = trained.generator(model.latents(0, range(3)).cuda())
    on_gpu = ((pixels + 1) * 127.5).round().clamp(0, 255).cpu().numpy()
    assert np.abs(on_cpu - on_gpu).mean() < 2  # levels of 255: TF32 and bfloat16 round


def test_a_run_stopped_on_a_gpu_resumes_there_and_on_a_cpu(tmp_path: Path) -> None:
    answers = iter([False, False, False, True])
    assert training_loop(IMAGES, recipe(), tmp_path, should_stop=lambda: next(answers)) is None
    for device in ("cuda", "cpu"):
        reports: list[TrainingMetrics] = []
        more_answers = iter([False, True])
        config = recipe(device=device)
        assert (
            training_loop(
                IMAGES, config, tmp_path, report=reports.append, should_stop=lambda a=more_answers: next(a)
            )
            is None
        )
    done = training_loop(IMAGES, recipe(), tmp_path, report=reports.append)
    assert done is not None
    assert all(np.isfinite(value) for value in vars(reports[-1]).values())


def test_batches_do_not_depend_on_where_the_images_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    on_gpu = Trainer(IMAGES, recipe())
    assert on_gpu.images.is_cuda
    monkeypatch.setattr(trainer_module, "_on_fastest_device", lambda images, device: images)
    on_host, on_cpu = Trainer(IMAGES, recipe()), Trainer(IMAGES, recipe(device="cpu"))
    assert not on_host.images.is_cuda
    for _ in range(3):
        batches = on_gpu._sample_inputs(), on_host._sample_inputs(), on_cpu._sample_inputs()
        for first, *others in zip(*batches, strict=True):
            assert all(torch.equal(first.cpu(), other) for other in others)
    for _ in range(8):  # until steps run as CUDA graphs
        one, other = on_gpu.step(), on_host.step()
        assert all(torch.allclose(one[name], other[name], rtol=0.05, atol=0.02) for name in one)


def without_graph(function: Function) -> Function:
    """Launch every kernel by itself."""
    return lambda inputs, flag: function([value.cuda() for value in inputs], flag)


def test_steps_as_cuda_graphs_equal_plain_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """With operations whose sums have a fixed order on a GPU, so that only the graph can differ."""
    monkeypatch.setattr(torch.backends.cudnn, "deterministic", True)
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", False)
    config = recipe(
        padding_mode="zeros", augment=["color", "translation", "cutout"], precision="float32", r2=0.1
    )
    graphed = Trainer(IMAGES, config)
    monkeypatch.setattr(trainer_module, "CudaGraphRunner", without_graph)
    plain = Trainer(IMAGES, config)
    for step in range(30):  # the fourth penalty, at step 12, is the first in a graph
        metrics, expected = graphed.step(), plain.step()
        for name in metrics:
            torch.testing.assert_close(
                metrics[name], expected[name], rtol=1e-3, atol=1e-4, msg=f"{step} {name}"
            )
    assert graphed._cuda_graph is not None
    assert len(graphed._cuda_graph._graphs) == 2
    for network in ("generator", "discriminator", "generator_ema", "discriminator_ema"):
        weights, wanted = getattr(graphed, network).state_dict(), getattr(plain, network).state_dict()
        for name, value in weights.items():
            torch.testing.assert_close(value, wanted[name], rtol=1e-2, atol=1e-4)


def test_scaled_learning_rates_hold_for_cuda_graphs_too() -> None:
    trainer = Trainer(IMAGES, recipe())
    for _ in range(6):
        trainer.step()
    trainer.scale_learning_rates(0.0)
    before = [value.detach().clone() for value in trainer.generator.parameters()]
    for _ in range(6):
        trainer.step()
    for value, was in zip(trainer.generator.parameters(), before, strict=True):
        torch.testing.assert_close(value, was, rtol=0, atol=1e-6)  # the projection of the weights repeats
