"""Training speed: our loop beside the textbook's, on the same networks, batch and pictures, in one run.

    python benchmarks/training.py [IMAGE_SIZE] [SECONDS]        (64 and 20 unless given)

The textbook is pytorch/examples dcgan/main.py: a DataLoader over JPEG files with two workers, single
precision, eager. Its files are crops as the photographs hold them, and its transforms reduce them, as they do
with the faces (178 x 218) of that example; ours are reduced once, in the asset `cropped_palms`. "Step" leaves
the data out. Each side has a process of its own; they take turns. The share of the peak is the networks'
arithmetic beside the fastest convolution that this processor was measured to compute; the gradient penalty,
one step in sixteen, is in the time but not in the arithmetic.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile
from torch.utils.data import DataLoader
from torch.utils.flop_counter import FlopCounterMode
from torchvision import datasets, transforms

from palm_assets.gan.config import GanConfig
from palm_assets.gan.networks import Discriminator, Generator
from palm_assets.gan.trainer import Trainer
from palm_assets.runtime import keep_freed_memory, use_all_cores

BATCH, PICTURES = 64, 1024
CROP = 200  # pixels of a photograph of 640 that a palm takes
ROUND = GanConfig().penalty_every


def textbook_step(config: GanConfig) -> Callable[[Tensor], None]:
    """One iteration of pytorch/examples dcgan/main.py, on the networks of this project."""
    generator, discriminator = Generator(config), Discriminator(config)
    betas = (0.5, 0.999)
    optimizer_d = torch.optim.Adam(discriminator.parameters(), 2e-4, betas)
    optimizer_g = torch.optim.Adam(generator.parameters(), 2e-4, betas)
    criterion = nn.BCEWithLogitsLoss()

    def step(real: Tensor) -> None:
        ones, zeros = torch.ones(len(real)), torch.zeros(len(real))
        discriminator.zero_grad()
        criterion(discriminator(real), ones).backward()
        fake = generator(torch.randn(len(real), config.latent))
        criterion(discriminator(fake.detach()), zeros).backward()
        optimizer_d.step()
        generator.zero_grad()
        criterion(discriminator(fake), ones).backward()
        optimizer_g.step()

    return step


def pictures_on_disk(folder: Path, size: int) -> Iterator[Tensor]:
    """The textbook's data path, endless, from pictures of smooth colors, 8 kB each: palms take 6 to 14."""
    (folder / "palms").mkdir()
    random = np.random.default_rng(0)
    for number in range(PICTURES):
        coarse = Image.fromarray(random.integers(0, 256, (9, 9, 3), dtype=np.uint8))
        smooth = coarse.resize((CROP, CROP), Image.Resampling.BICUBIC)
        smooth.save(folder / "palms" / f"{number}.jpg", quality=95)
    steps = [transforms.Resize(size), transforms.CenterCrop(size), transforms.ToTensor()]
    steps.append(transforms.Normalize((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)))
    dataset = datasets.ImageFolder(str(folder), transforms.Compose(steps))
    loader = DataLoader(dataset, batch_size=BATCH, shuffle=True, num_workers=2, drop_last=True)
    while True:
        for batch, _ in loader:
            yield batch


def packed(size: int) -> np.ndarray:
    """Our data: crops of the networks' size, uint8 (N, 3, S, S)."""
    return np.random.default_rng(0).integers(0, 256, (PICTURES, 3, size, size), dtype=np.uint8)


def rate(step: Callable[[], object], seconds: float) -> float:
    """Images a second, the median over rounds of steps, each round with one gradient penalty if any has."""
    for _ in range(3):
        step()
    times = []
    until = time.perf_counter() + seconds
    while time.perf_counter() < until or not times:
        start = time.perf_counter()
        for _ in range(ROUND):
            step()
        times.append(time.perf_counter() - start)
    return ROUND * BATCH / float(np.median(times))


def peak(dtype: torch.dtype) -> float:
    """FLOP a second of a large convolution."""
    layer = nn.Conv2d(256, 256, 3, padding=1).to(dtype).to(memory_format=torch.channels_last)
    images = torch.randn(16, 256, 32, 32, dtype=dtype).to(memory_format=torch.channels_last)
    with torch.inference_mode():
        times = []
        for _ in range(12):
            start = time.perf_counter()
            layer(images)
            times.append(time.perf_counter() - start)
    return 2 * 16 * 32 * 32 * 256 * 256 * 9 / min(times)


def textbook_rate(config: GanConfig, seconds: float, *, with_data: bool) -> float:
    """Images a second of the textbook."""
    _settle()
    step = textbook_step(config)
    if not with_data:
        real = torch.rand(BATCH, 3, config.image_size, config.image_size) * 2 - 1
        return rate(lambda: step(real), seconds)
    with tempfile.TemporaryDirectory() as folder:
        batches = pictures_on_disk(Path(folder), config.image_size)
        return rate(lambda: step(next(batches)), seconds)


def our_rate(config: GanConfig, seconds: float, *, with_data: bool) -> float:
    """Images a second of ours."""
    _settle()
    bare = config.model_copy(update={"augment": [], "mirror": False})
    return rate(Trainer(packed(config.image_size), config if with_data else bare).step, seconds)


def _settle() -> None:
    use_all_cores()
    torch.set_flush_denormal(True)


def main() -> None:
    size = int(sys.argv[1]) if len(sys.argv) > 1 else 64
    seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 20.0
    # The textbook's networks for both: batch normalisation in the discriminator.
    shape = GanConfig(image_size=size, batch=BATCH, discriminator_norm="batch")
    spawn = get_context("spawn")
    with (
        ProcessPoolExecutor(1, spawn) as theirs,
        ProcessPoolExecutor(1, spawn, initializer=keep_freed_memory) as ours,  # as the training process does
    ):
        rates = {
            f"{whose}, {'whole loop' if with_data else 'step'}": process.submit(
                measure, shape, seconds, with_data=with_data
            ).result()
            for with_data in (False, True)
            for whose, process, measure in (("textbook", theirs, textbook_rate), ("ours", ours, our_rate))
        }
    for name, value in rates.items():
        print(f"{name:22} {value:7.0f} images/s")
    print(f"step: {rates['ours, step'] / rates['textbook, step']:.2f}x")
    print(f"whole loop: {rates['ours, whole loop'] / rates['textbook, whole loop']:.2f}x")
    _explain(Trainer(packed(size), shape), rates["ours, whole loop"])


def _explain(trainer: Trainer, speed: float) -> None:
    """What our loop makes of the processor, and where its time goes."""
    _settle()
    trainer.step()  # with the gradient penalty, which the counter cannot follow; the next has none
    with FlopCounterMode(display=False) as counter:
        trainer.step()
    flop = counter.get_total_flops() / BATCH
    best = peak(torch.bfloat16 if trainer.bfloat16 else torch.float32)
    precision = "bfloat16" if trainer.bfloat16 else "float32"
    print(f"ours computes in {precision}; {flop / 1e9:.2f} GFLOP an image, {speed * flop / best:.0%} of the "
          f"{best / 1e9:.0f} GFLOP/s of a large convolution")  # fmt: skip
    with profile(activities=[ProfilerActivity.CPU]) as profiled:
        for _ in range(ROUND):
            trainer.step()
    print(
        profiled.key_averages().table(sort_by="self_cpu_time_total", row_limit=14, max_name_column_width=45)
    )


if __name__ == "__main__":
    main()
