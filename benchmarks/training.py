"""Training speed, compared with PyTorch's DCGAN example on the same networks and batch size.

The baseline is pytorch/examples dcgan/main.py: a DataLoader over JPEG files with two workers, float32, eager.
Its files are crops in the resolution of the photographs, and its transforms resize them, as with the faces
(178 x 218) of that example; Palms resizes once, in the asset `cropped_palms`. "Step" excludes data loading.
The two run in turns, each in a process of its own. The share of the peak compares the arithmetic of the
networks with the fastest convolution measured on this processor; the gradient penalty, in one of 16 steps,
counts as time but not as arithmetic.
"""

from __future__ import annotations

import argparse
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

BATCH, IMAGES = 64, 1024
CROP = 200  # side in pixels of a palm in a photograph of 640 px
ROUND = GanConfig().penalty_every  # steps with one gradient penalty among them


def example_step(config: GanConfig) -> Callable[[Tensor], None]:
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


def batches_from_disk(folder: Path, size: int) -> Iterator[Tensor]:
    """The example's data loading, endless, from smooth JPEG files of 8 kB (those of palms have 6 to 14)."""
    (folder / "images").mkdir()
    random = np.random.default_rng(0)
    for number in range(IMAGES):
        coarse = Image.fromarray(random.integers(0, 256, (9, 9, 3), dtype=np.uint8))
        smooth = coarse.resize((CROP, CROP), Image.Resampling.BICUBIC)
        smooth.save(folder / "images" / f"{number}.jpg", quality=95)
    steps = [transforms.Resize(size), transforms.CenterCrop(size), transforms.ToTensor()]
    steps.append(transforms.Normalize((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)))
    dataset = datasets.ImageFolder(str(folder), transforms.Compose(steps))
    loader = DataLoader(dataset, batch_size=BATCH, shuffle=True, num_workers=2, drop_last=True)
    while True:
        for batch, _ in loader:
            yield batch


def random_crops(size: int) -> np.ndarray:
    """Crops as Palms stores them, resized, uint8 (N, 3, S, S)."""
    return np.random.default_rng(0).integers(0, 256, (IMAGES, 3, size, size), dtype=np.uint8)


def rate(step: Callable[[], object], seconds: float) -> float:
    """Median images/s over rounds of `ROUND` steps."""
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


def peak_flops(dtype: torch.dtype) -> float:
    """FLOP/s of a large convolution."""
    layer = nn.Conv2d(256, 256, 3, padding=1).to(dtype).to(memory_format=torch.channels_last)
    images = torch.randn(16, 256, 32, 32, dtype=dtype).to(memory_format=torch.channels_last)
    with torch.inference_mode():
        times = []
        for _ in range(12):
            start = time.perf_counter()
            layer(images)
            times.append(time.perf_counter() - start)
    return 2 * 16 * 32 * 32 * 256 * 256 * 9 / min(times)


def example_rate(config: GanConfig, seconds: float, *, with_data: bool) -> float:
    """Images/s of the example."""
    _configure()
    step = example_step(config)
    if not with_data:
        real = torch.rand(BATCH, 3, config.image_size, config.image_size) * 2 - 1
        return rate(lambda: step(real), seconds)
    with tempfile.TemporaryDirectory() as folder:
        batches = batches_from_disk(Path(folder), config.image_size)
        return rate(lambda: step(next(batches)), seconds)


def palms_rate(config: GanConfig, seconds: float, *, with_data: bool) -> float:
    """Images/s of Palms."""
    _configure()
    if not with_data:
        config = config.model_copy(update={"augment": [], "mirror": False})
    return rate(Trainer(random_crops(config.image_size), config).step, seconds)


def _configure() -> None:
    use_all_cores()
    torch.set_flush_denormal(True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("image_size", type=int, nargs="?", default=64, help="default: 64")
    parser.add_argument("seconds", type=float, nargs="?", default=20.0, help="per measurement (default: 20)")
    args = parser.parse_args()
    size, seconds = args.image_size, args.seconds
    # The example's networks for both: batch normalization in the discriminator.
    config = GanConfig(image_size=size, batch=BATCH, discriminator_norm="batch")
    spawn = get_context("spawn")
    with (
        ProcessPoolExecutor(1, spawn) as example,
        ProcessPoolExecutor(1, spawn, initializer=keep_freed_memory) as palms,  # as in a training job
    ):
        rates = {
            f"{name}, {'whole loop' if with_data else 'step'}": process.submit(
                measure, config, seconds, with_data=with_data
            ).result()
            for with_data in (False, True)
            for name, process, measure in (("example", example, example_rate), ("Palms", palms, palms_rate))
        }
    for name, value in rates.items():
        print(f"{name:22} {value:7.0f} images/s")
    print(f"step: {rates['Palms, step'] / rates['example, step']:.2f}x")
    print(f"whole loop: {rates['Palms, whole loop'] / rates['example, whole loop']:.2f}x")
    _print_profile(Trainer(random_crops(size), config), rates["Palms, whole loop"])


def _print_profile(trainer: Trainer, speed: float) -> None:
    """Print the share of the processor's peak arithmetic, and the operators that take most time."""
    _configure()
    trainer.step()  # with the gradient penalty, which the counter does not support; the next step has none
    with FlopCounterMode(display=False) as counter:
        trainer.step()
    flop = counter.get_total_flops() / BATCH
    peak = peak_flops(torch.bfloat16 if trainer.bfloat16 else torch.float32)
    precision = "bfloat16" if trainer.bfloat16 else "float32"
    print(f"Palms, {precision}: {flop / 1e9:.2f} GFLOP per image, {speed * flop / peak:.0%} of the "
          f"{peak / 1e9:.0f} GFLOP/s of a large convolution")  # fmt: skip
    with profile(activities=[ProfilerActivity.CPU]) as profiled:
        for _ in range(ROUND):
            trainer.step()
    print(
        profiled.key_averages().table(sort_by="self_cpu_time_total", row_limit=14, max_name_column_width=45)
    )


if __name__ == "__main__":
    main()
