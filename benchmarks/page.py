"""Waiting times of a visitor: 1,000 generated and scored images, and the first view of the page.

The baseline is the sampling loop of the student project (genPalmsWeb), with the same weights and in the same
process: batches of 32, eager float32, a score for each image, without its rejection of low scores, so that
both generate as many. OpenCV then writes PNG files into a folder, and `shutil` packs them. Palms runs the
background job of the page.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import torch

from app.i18n.words import Words
from app.work.generation import Preview, generation_job
from app.work.jobs import Job
from app.work.palm_sets import SetCache
from palm_assets.gan.checkpoint import save_networks
from palm_assets.gan.config import NetworkConfig
from palm_assets.gan.networks import Discriminator, Generator
from palm_assets.gan.sampler import PalmModel, load_model
from palm_assets.generation.generate import GenerationRequest, generate_chunks
from palm_assets.runtime import computes_in_bfloat16
from palm_assets.store.artifacts import Store

EN = Words("en")
ROUNDS = 3
NETWORKS = NetworkConfig(image_size=64, generator_width=64, discriminator_width=64)
FIRST_VIEWS = 3


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "model", type=Path, nargs="?", help="folder of a model; default: random weights, 64 px"
    )
    parser.add_argument("--count", type=int, default=1000, help="images to generate (default: 1000)")
    args = parser.parse_args()
    count = args.count
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        folder = args.model or random_model(work / "model")
        model = load_model(folder, "bench")
        precision = "bfloat16" if computes_in_bfloat16() else "float32"
        threads = torch.get_num_threads()
        print(f"{count} images with scores, {model.image_size} px, {threads} threads, {precision}")
        compare(
            "networks",
            count,
            lambda: baseline_networks(model, count),
            lambda: list(generate_chunks(model, GenerationRequest(count, 7))),
        )
        compare(
            "networks, PNG and ZIP",
            count,
            lambda: baseline_archive(model, count, work),
            lambda: page_archive(model, count),
        )
        first_views(folder, work)


def random_model(folder: Path) -> Path:
    folder.mkdir()
    torch.manual_seed(0)
    save_networks(Generator(NETWORKS), Discriminator(NETWORKS), NETWORKS, folder)
    return folder


def compare(name: str, count: int, baseline: Callable[[], object], palms: Callable[[], object]) -> None:
    """Print the median speed over rounds in which both take turns, so that both meet the same conditions."""
    seconds: tuple[list[float], list[float]] = [], []
    baseline(), palms()
    for _ in range(ROUNDS):
        for run, times in zip((baseline, palms), seconds, strict=True):
            start = time.perf_counter()
            run()
            times.append(time.perf_counter() - start)
    speeds = [count / statistics.median(times) for times in seconds]
    ratios = [a / b for a, b in zip(*seconds, strict=True)]
    print(
        f"  {name:22} baseline {speeds[0]:6.0f} images/s   Palms {speeds[1]:6.0f} images/s   "
        f"{statistics.median(ratios):.2f}x ({min(ratios):.2f} to {max(ratios):.2f})"
    )


@torch.no_grad()
def baseline_networks(model: PalmModel, count: int) -> tuple[list[np.ndarray], list[float]]:
    images: list[np.ndarray] = []
    scores: list[float] = []
    while len(images) < count:
        latents = torch.randn(32, model.networks.latent)
        generated = model.generator(latents)
        probabilities = model.discriminator(generated).sigmoid()
        for image, score in zip(generated, probabilities, strict=True):
            if len(images) < count:
                images.append(image.permute(1, 2, 0).numpy())
                scores.append(score)  # type: ignore[arg-type]
    return images, scores


def baseline_archive(model: PalmModel, count: int, work: Path) -> Path:
    images, _ = baseline_networks(model, count)
    folder = work / "images"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for number, image in enumerate(images):
        cv2.imwrite(str(folder / f"{number}.png"), (image + 1) * 127.5)
    return Path(shutil.make_archive(str(work / "images"), "zip", folder))


def page_archive(model: PalmModel, count: int) -> int:
    work = generation_job(model, GenerationRequest(count, 7), SetCache(), Preview())
    job = Job("bench", work, time.monotonic)
    while not job.is_over:
        job._run_slice(60)
    assert job.result is not None
    return job.result.size


def first_views(model_folder: Path, work: Path) -> None:
    """Print the time from a healthy server to a usable form, for fresh servers and browsers."""
    chromium = next((path for name in ("chromium", "chromium-browser") if (path := shutil.which(name))), None)
    if chromium is None:
        print("  first view             not measured: no Chromium found; run tests/e2e/install-servers")
        return
    from playwright.sync_api import sync_playwright

    release(model_folder, Store(work / "home"))
    views, models = [], []
    with sync_playwright() as playwright:
        for _ in range(FIRST_VIEWS):
            browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
            with server(work / "home") as address:
                page = browser.new_page(locale="en-GB")
                start = time.perf_counter()
                page.goto(address, wait_until="commit")
                page.get_by_role("button", name=EN("generate"), exact=True).wait_for()
                views.append(time.perf_counter() - start)
                page.get_by_text(EN("empty_title")).wait_for()
                models.append(time.perf_counter() - start)
            browser.close()
    print(
        f"  first view             {statistics.median(views):.2f} s after the server is healthy "
        f"({min(views):.2f} to {max(views):.2f}, {FIRST_VIEWS} fresh servers and browsers); "
        f"with its model loaded {statistics.median(models):.2f} s"
    )


def release(model_folder: Path, store: Store) -> None:
    def copy(folder: Path) -> dict[str, object]:
        shutil.copytree(model_folder, folder, dirs_exist_ok=True)
        return {}

    model = store.make("models", copy, inputs={}, config=NETWORKS, code_version="bench")
    store.release(
        model, store.make("reference", lambda _: {}, inputs={}, config=NETWORKS, code_version="bench")
    )


@contextlib.contextmanager
def server(home: Path) -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", "app/main.py", "--server.port", str(port)]
    environment = {**os.environ, "PALM_HOME": str(home)}
    running = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while True:
            with (
                contextlib.suppress(OSError),
                urllib.request.urlopen(f"http://localhost:{port}/_stcore/health"),
            ):
                break
            time.sleep(0.02)
        yield f"http://localhost:{port}"
    finally:
        running.terminate()
        running.wait()


if __name__ == "__main__":
    main()
