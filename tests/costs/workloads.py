"""Small fixed workloads whose cost is kept, each also in a form that is about a tenth more costly.

A workload is prepared in a folder and returns a function that does the same work at each call.
"""

from __future__ import annotations

import contextlib
import io
import itertools
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
from PIL import Image

import palm_assets

Work = Callable[[], object]
IMAGES = 10
SIZE = 64
SLOWER = "slower: "
MORE_ELEMENTS = 10


@dataclass(frozen=True)
class Workload:
    """Work whose cost is kept.

    Attributes:
        name: in `kept.json`.
        prepare: gets an empty folder, and whether to plant a slowdown; returns the work.
        thread: part of the name of the only threads whose calls are counted.
        imports: whether its imports count; else it has run once before.
    """

    name: str
    prepare: Callable[[Path, bool], Work]
    thread: str | None = None
    imports: bool = False


# With PyTorch


def training_step(folder: Path, slower: bool) -> Work:
    """Four steps of training, one of them with a gradient penalty. Slower: one convolution more in each."""
    import torch

    from palm_assets.gan.config import GanConfig
    from palm_assets.gan.trainer import Trainer

    config = GanConfig(
        image_size=32,
        latent=16,
        generator_width=8,
        discriminator_width=8,
        batch=8,
        r1=1.0,
        penalty_every=4,
        device="cpu",
        precision="float32",
    )
    images = np.random.default_rng(0).integers(0, 256, (40, 3, 32, 32), dtype=np.uint8)

    def train() -> None:
        trainer = Trainer(images, config)
        if slower:
            layer = [
                module for module in trainer.discriminator.modules() if isinstance(module, torch.nn.Conv2d)
            ][1]
            layer.register_forward_hook(
                lambda conv, inputs, output: conv._conv_forward(*inputs, conv.weight, conv.bias)
            )
        for _ in range(4):
            trainer.step()

    return train


def draw(folder: Path, slower: bool) -> Work:
    """A set of palms: networks, scores, marked PNGs in a ZIP. Slower: two of the PNGs are encoded twice."""
    import torch

    from palm_assets.gan.config import NetworkConfig
    from palm_assets.gan.sampler import load_model
    from palm_assets.generation import archives
    from palm_assets.generation.generate import GenerationRequest, generate
    from palm_assets.generation.png_metadata import png_bytes
    from tests.models import fill_with_model

    networks = NetworkConfig(image_size=32, latent=16, generator_width=8, discriminator_width=8, max_width=32)
    fill_with_model(folder, 0, networks)
    torch.set_num_threads(1)

    def sample() -> None:
        model = load_model(folder, "0123456789ab")
        torch.set_num_threads(1)
        encoded = itertools.count()

        def encode(*arguments: Any) -> bytes:
            if slower and next(encoded) < 2:
                png_bytes(*arguments)
            return png_bytes(*arguments)

        with mock.patch.object(archives, "png_bytes", encode):
            archives.zip_into(io.BytesIO(), generate(model, GenerationRequest(IMAGES, 1)), model)

    return sample


def score(folder: Path, slower: bool) -> Work:
    """Features of a set and its metrics against a reference. Slower: one image more for each ten."""
    from palm_assets.quality.config import ReferenceConfig
    from palm_assets.quality.features import extract, load_extractor
    from palm_assets.quality.reference_builder import reference_from_features
    from palm_assets.quality.set_metrics import evaluate_features

    extractor = load_extractor("efficientnet-lite0")
    extractor.threads = 1
    extractor.network.batch = 1  # a larger one is padded
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (IMAGES + slower, 3, SIZE, SIZE), dtype=np.uint8)
    features = random.standard_normal((80, extractor.dim)).astype(np.float32)
    reference = reference_from_features(
        features[:60], features[60:], ReferenceConfig(), extractor=extractor.name, digest=extractor.digest
    )
    return lambda: evaluate_features(extract(extractor, images), reference)


def crops(folder: Path, slower: bool) -> Work:
    """Photographs read, palms found by the bundled detector, and cropped. Slower: one photograph more."""
    from palm_assets.crops.config import CropConfig
    from palm_assets.crops.cropping import crop_photos
    from palm_assets.detector.detection import load_detector
    from palm_assets.photos.index import index_photos

    write_photos(folder, IMAGES + slower)
    detector = load_detector(Path(palm_assets.__file__).parent / "starter" / "detector")
    photos = index_photos(folder)
    return lambda: crop_photos(photos, detector, CropConfig(no_palm="whole_photo", batch=1))


def page(folder: Path, slower: bool) -> Work:
    """A run of the page that shows a set. Slower: ten buttons more."""
    import streamlit as st
    from streamlit.testing.v1 import AppTest

    from palm_assets.store.artifacts import Store
    from tests.app.visits import visited
    from tests.models import publish_model, release

    store = Store(folder)
    release(store, publish_model(store))
    os.environ["PALM_HOME"] = str(folder)
    shown: AppTest = visited(6)
    title = st.title

    def more_elements(*arguments: Any, **keywords: Any) -> object:
        for number in range(MORE_ELEMENTS):
            st.button(f"more {number}")
        return title(*arguments, **keywords)

    def run() -> None:
        with mock.patch.object(st, "title", more_elements) if slower else contextlib.nullcontext():
            shown.run()

    return run


# Without PyTorch, so that Valgrind starts in seconds


def command_line(folder: Path, slower: bool) -> Work:
    """`palms --help`, with its imports. Slower: one module of the standard library more."""

    def show_help() -> None:
        from palm_assets.cli.main import main

        if slower:
            import xml.dom.minidom  # noqa: F401
        with contextlib.redirect_stdout(io.StringIO()):
            main(["--help"], standalone_mode=False)

    return show_help


def pngs(folder: Path, slower: bool) -> Work:
    """Palms as PNGs with their marks. Slower: one PNG more for each ten."""
    from palm_assets.generation.generate import GeneratedImage
    from palm_assets.generation.png_metadata import png_bytes

    random = np.random.default_rng(0)
    small = random.integers(0, 256, (SIZE // 8, SIZE // 8, 3), dtype=np.uint8)
    pixels = np.asarray(Image.fromarray(small).resize((SIZE, SIZE))).transpose(2, 0, 1)
    image = GeneratedImage(0, 1, pixels, 0.5)
    return lambda: [png_bytes(image, "0123456789ab") for _ in range(IMAGES + slower)]


def photographs(folder: Path, slower: bool) -> Work:
    """Photographs read as their index lists them. Slower: one photograph more for each ten."""
    from palm_assets.photos.index import index_photos

    write_photos(folder, IMAGES)
    photos = index_photos(folder)
    chosen = [*photos.photos, *photos.photos[: int(slower)]]
    return lambda: [photos.read(photo) for photo in chosen]


def metrics(folder: Path, slower: bool) -> Work:
    """Fréchet and kernel distance, density and coverage of a set. Slower: a tenth more subsets and images."""
    from palm_assets.quality.frechet import frechet_distance
    from palm_assets.quality.kid import kernel_distance
    from palm_assets.quality.prdc import prdc
    from palm_assets.quality.statistics import FeatureStatistics

    random = np.random.default_rng(0)
    reference = random.standard_normal((100, 64)).astype(np.float32)
    sample = random.standard_normal((110 if slower else 100, 64)).astype(np.float32)
    subsets = 110 if slower else 100

    def evaluate() -> None:
        statistics = FeatureStatistics.from_features(reference, extractor="x", digest="y")
        frechet_distance(sample, statistics)
        kernel_distance(sample, reference, extractor="x", digest="y", subsets=subsets)
        prdc(sample, reference)

    return evaluate


def write_photos(folder: Path, count: int) -> None:
    """Photographs of noise over a few colors, each in a folder of its own."""
    random = np.random.default_rng(0)
    for number in range(count):
        small = random.integers(0, 256, (12, 16, 3), dtype=np.uint8)
        path = folder / f"person{number}" / "hand.jpg"
        path.parent.mkdir()
        Image.fromarray(small).resize((320, 240)).save(path, quality=90)


OPERATIONS = (
    Workload("training step", training_step),
    Workload("draw", draw),
    Workload("score", score),
    Workload("crops", crops),
    Workload("page", page, thread="ScriptRunner"),
)
"""Counted in operators and calls."""

INSTRUCTIONS = (
    Workload("palms --help", command_line, imports=True),
    Workload("PNGs", pngs),
    Workload("photographs", photographs),
    Workload("metrics", metrics),
)
"""Counted in instructions."""
