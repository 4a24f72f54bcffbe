"""Evaluation of one model against one reference: metrics, and a grid of samples beside real images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from palm_assets.evaluation.class_metrics import ClassMetrics, measure_classes
from palm_assets.evaluation.config import EvaluationConfig
from palm_assets.evaluation.evaluation_files import NEAREST_REAL_FILE, write_evaluation
from palm_assets.evaluation.measurement import Pixels, RealImages, measure_model
from palm_assets.evaluation.model_metrics import ModelMetrics
from palm_assets.gan.hand_labels import HandLabels
from palm_assets.gan.sampler import PalmModel, load_model
from palm_assets.image_grid import grid
from palm_assets.quality.copies import thumbnails
from palm_assets.quality.features import Extractor, extract
from palm_assets.quality.reference import Reference
from palm_assets.quality.reference_files import load_reference
from palm_assets.quality.set_metrics import SetMetrics, evaluate_features, load_reference_extractor
from palm_assets.quality.statistics import Floats

BATCH = 64
SEED = 3 * 10**9  # far from the seeds that people choose and from those of the score's calibration
MIN_DEFAULT_COUNT = 100  # images in a set if the reference's floor has only smaller ones
GRID_SAMPLES, GRID_COLUMNS = 24, 8

Images = NDArray[np.uint8]


def evaluate_model(
    model_folder: Path,
    reference_folder: Path,
    train_images: Images,
    test_images: Images,
    config: EvaluationConfig,
    folder: Path,
    *,
    train_hands: Sequence[HandLabels] = (),
    test_hands: Sequence[HandLabels] = (),
) -> dict[str, Any]:
    """Evaluate fresh samples of a model; writes the files of `evaluation_files` into `folder`.

    The grid shows what the samples have in common with the training images, and whether any was memorized.

    Args:
        model_folder: of the model's artifact.
        reference_folder: of the reference's artifact.
        train_images: uint8 (N, 3, S, S) that the reference was built from, in its order.
        test_images: uint8 (M, 3, S, S) of the people whom nothing was chosen by.
        config: number and size of the sets.
        folder: existing folder to write into.
        train_hands: what each of the training images shows; without them classes are not measured.
        test_hands: what each of the test images shows.

    Returns:
        Facts for the manifest: the scalar metrics of the first set, its floor, the `ModelMetrics` over all
        sets ("model_metrics"), those of each class that the model can be asked for ("classes", a list of
        `ClassMetrics`) and a description for people ("text").

    Raises:
        CheckpointError, ArtifactCorruptError: the model or the reference cannot be read.
        ExtractorMismatchError, WeightsUnavailableError: the reference's extractor is not available here.
    """
    model, reference = load_model(model_folder, ""), load_reference(reference_folder)
    extractor = load_reference_extractor(reference)
    count = config.count or default_count(reference)

    feature_sets, pixels = _features_and_pixels(model, extractor, count, config.sets)
    train_batches = (train_images[start : start + BATCH] for start in range(0, len(train_images), BATCH))
    real = RealImages(Pixels.of(train_batches), thumbnails(test_images))
    model_metrics = measure_model(feature_sets, pixels, real, reference)
    set_metrics = evaluate_features(feature_sets[0], reference)
    classes: tuple[ClassMetrics, ...] = ()
    if train_hands:
        hands = model.hands(SEED, range(count * config.sets))
        samples = np.concatenate(feature_sets)
        classes = measure_classes(model.labels, samples, hands, reference, train_hands, test_hands)

    found = [metrics.to_json() for metrics in classes]
    write_evaluation({**set_metrics.to_json(), "classes": found}, folder)
    _nearest_real_grid(model, set_metrics, train_images).save(folder / NEAREST_REAL_FILE)
    text = "\n".join([set_metrics.describe(), *(metrics.describe() for metrics in classes)])
    return {**_facts(set_metrics, model_metrics), "classes": found, "text": text}


def default_count(reference: Reference) -> int:
    """Size of the largest set in the reference's floor, but not so small that the distances say little."""
    return max([MIN_DEFAULT_COUNT, *(row.n for row in reference.floor)])


def fresh_samples(model: PalmModel, count: int, *, first: int = 0) -> Iterator[Images]:
    """Generate the samples `first` to `first + count - 1` of the evaluation's seed.

    Yields:
        uint8 batches (at most `BATCH`, 3, S, S), generated as they are needed.
    """
    for start in range(first, first + count, BATCH):
        yield model.sample(min(BATCH, first + count - start), seed=SEED, start=start)


def _features_and_pixels(
    model: PalmModel, extractor: Extractor, count: int, sets: int
) -> tuple[list[Floats], Pixels]:
    """Features (count, dim) of each set, and the `Pixels` of the samples of all sets."""
    pixels: list[Pixels] = []

    def samples(first: int) -> Iterator[Images]:
        for batch in fresh_samples(model, count, first=first):
            pixels.append(Pixels.of([batch]))
            yield batch

    feature_sets: list[Floats] = [extract(extractor, samples(number * count)) for number in range(sets)]
    return feature_sets, Pixels.joined(pixels)


def _nearest_real_grid(model: PalmModel, metrics: SetMetrics, train_images: Images) -> Image.Image:
    """Rows of samples spread over the first set, and below each row the nearest training images."""
    shown = _evenly_spaced(metrics.n, GRID_SAMPLES)
    indices = shown.tolist()
    samples = model.generate(model.inputs(model.latents(SEED, indices), model.hands(SEED, indices)))
    nearest = resized(train_images[metrics.nearest[shown]], model.image_size)
    rows = []
    for start in range(0, len(shown), GRID_COLUMNS):
        rows += [samples[start : start + GRID_COLUMNS], nearest[start : start + GRID_COLUMNS]]
    return grid(np.concatenate(rows), columns=min(GRID_COLUMNS, len(shown)))


def resized(images: Images, size: int) -> Images:
    """Square images resized to (N, 3, size, size): a released model may have another size than the crops."""
    if images.shape[-1] == size:
        return images
    shown = [Image.fromarray(np.ascontiguousarray(image.transpose(1, 2, 0))) for image in images]
    return np.stack([np.asarray(image.resize((size, size))).transpose(2, 0, 1) for image in shown])


def _facts(set_metrics: SetMetrics, model_metrics: ModelMetrics) -> dict[str, Any]:
    content = set_metrics.to_json()
    scalars = {key: value for key, value in content.items() if isinstance(value, int | float | str)}
    return {
        **scalars,
        "floor": content["floor"],
        "model_metrics": model_metrics.to_json(),
    }


def _evenly_spaced(length: int, count: int) -> NDArray[np.int64]:
    """At most `count` indices spread evenly over `range(length)`."""
    return np.linspace(0, length - 1, min(count, length)).astype(np.int64)
