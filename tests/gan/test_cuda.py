"""Training on a GPU: the same code in bfloat16, recorded, and a model that any machine draws with."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from palm_assets.gan import trainer as playing
from palm_assets.gan.checkpoint import save_networks
from palm_assets.gan.config import GanConfig
from palm_assets.gan.cuda_graph import Play
from palm_assets.gan.sampler import load_model
from palm_assets.gan.trainer import Trainer
from palm_assets.gan.training_loop import TrainingMetrics, train

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="this machine has no CUDA device")
IMAGES = np.random.default_rng(0).integers(0, 256, (24, 3, 256, 256), dtype=np.uint8)


def recipe(**knobs: object) -> GanConfig:
    """Of 256 px, narrow."""
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


def test_a_gpu_trains_in_bfloat16_and_leaves_a_model_that_the_cpu_draws_with(tmp_path: Path) -> None:
    config = recipe()
    figures: list[TrainingMetrics] = []
    trained = train(IMAGES, config, tmp_path / "work", report=figures.append)
    assert trained is not None
    assert next(trained.generator.parameters()).is_cuda
    assert Trainer(IMAGES, config).bfloat16 == torch.cuda.is_bf16_supported()
    assert figures[-1].images_seen == 160
    (tmp_path / "model").mkdir()
    save_networks(trained.generator, trained.discriminator, config.networks(), tmp_path / "model")
    model = load_model(tmp_path / "model", "")
    palms = model.generate(model.latents(0, range(3)))
    assert palms.shape == (3, 3, 256, 256)
    with torch.no_grad():
        there = trained.generator(model.latents(0, range(3)).cuda())
    bytes_there = ((there + 1) * 127.5).round().clamp(0, 255).cpu().numpy()
    assert np.abs(palms - bytes_there).mean() < 2  # levels of 255: TF32 and bfloat16 round


def test_a_run_stopped_on_a_gpu_goes_on_there_and_on_a_cpu(tmp_path: Path) -> None:
    asked = iter([False, False, False, True])
    assert train(IMAGES, recipe(), tmp_path, stopped=lambda: next(asked)) is None
    for device in ("cuda", "cpu"):
        seen: list[TrainingMetrics] = []
        asked_again = iter([False, True])
        config = recipe(device=device)
        assert (
            train(IMAGES, config, tmp_path, report=seen.append, stopped=lambda a=asked_again: next(a)) is None
        )
    done = train(IMAGES, recipe(), tmp_path, report=seen.append)
    assert done is not None
    assert all(np.isfinite(value) for value in vars(seen[-1]).values())


def test_a_batch_is_the_same_kept_on_the_card_and_sent_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = Trainer(IMAGES, recipe())
    assert kept.images.is_cuda
    monkeypatch.setattr(playing, "_nearby", lambda images, device: images)
    sent, here = Trainer(IMAGES, recipe()), Trainer(IMAGES, recipe(device="cpu"))
    assert not sent.images.is_cuda
    for _ in range(3):
        for there, *elsewhere in zip(kept._drawn(), sent._drawn(), here._drawn(), strict=True):
            assert all(torch.equal(there.cpu(), other) for other in elsewhere)
    for _ in range(8):  # recorded, at last
        shown, also = kept.step(), sent.step()
        assert all(torch.allclose(shown[name], also[name], rtol=0.05, atol=0.02) for name in shown)


def unrecorded(play: Play) -> Play:
    """Every step started kernel by kernel."""
    return lambda drawn, flag: play([given.cuda() for given in drawn], flag)


def test_a_recorded_game_is_the_game(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of operations whose sums have one order on a GPU, so that nothing but the recording differs."""
    monkeypatch.setattr(torch.backends.cudnn, "deterministic", True)
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", False)
    config = recipe(
        padding_mode="zeros", augment=["color", "translation", "cutout"], precision="float32", r2=0.1
    )
    recorded = Trainer(IMAGES, config)
    monkeypatch.setattr(playing, "CudaGraphRunner", unrecorded)
    played = Trainer(IMAGES, config)
    for step in range(30):  # the fourth penalty, at step 12, is the first recorded
        told, wanted = recorded.step(), played.step()
        for name in told:
            torch.testing.assert_close(told[name], wanted[name], rtol=1e-3, atol=1e-4, msg=f"{step} {name}")
    assert recorded._recorded is not None
    assert len(recorded._recorded._recordings) == 2
    for player in ("generator", "discriminator", "average", "judge"):
        here, there = getattr(recorded, player), getattr(played, player)
        for name, value in here.state_dict().items():
            torch.testing.assert_close(value, there.state_dict()[name], rtol=1e-2, atol=1e-4)


def test_slower_learning_holds_for_a_recorded_game_too() -> None:
    trainer = Trainer(IMAGES, recipe())
    for _ in range(6):
        trainer.step()
    trainer.slow_down(0.0)
    before = [value.detach().clone() for value in trainer.generator.parameters()]
    for _ in range(6):
        trainer.step()
    for value, was in zip(trainer.generator.parameters(), before, strict=True):
        torch.testing.assert_close(value, was, rtol=0, atol=1e-6)  # evened out weights are so again
