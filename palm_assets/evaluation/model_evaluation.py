"""How good a model is: a set of its palms against the real ones, in figures and in a picture."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field

if TYPE_CHECKING:
    import numpy as np

    from palm_assets.gan.sampler import PalmModel
    from palm_assets.quality.reference import Reference

CHUNK = 64
EVALUATION_FILE = "score.json"
BESIDE_FILE = "beside_real.png"
PAIRS = 24
REAL = 1000  # photographs that tell the usual contrast
SEED = 3 * 10**9  # palms that nobody chose: neither people's seeds nor those of the calibration


class EvaluationConfig(BaseModel):
    """How many palms of a model are scored.

    The Fréchet distance grows as sets shrink, so by default as many are drawn as the reference's floor was
    measured with at most: then a model and real palms are judged at the same count. The distances of several
    such sets tell how much one of them wavers.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    count: int | None = Field(None, ge=2, le=100_000)
    sets: int = Field(4, ge=2, le=100, description="sets of that many palms")


def evaluate_model(
    model_folder: Path,
    reference_folder: Path,
    train_images: np.ndarray,
    config: EvaluationConfig,
    folder: Path,
) -> dict[str, Any]:
    """Score fresh palms of a model; writes `score.json` and `beside_real.png`.

    The picture shows palms, and below each its nearest photograph among those trained on: what is alike, and
    whether anything was learnt by heart.

    Returns:
        The figures that fit in a line each, for the manifest.

    Raises:
        CheckpointError, ArtifactCorruptError: the model or the reference cannot be read.
        ExtractorMismatchError, WeightsUnavailableError: the reference's extractor cannot be had here.
    """
    import numpy as np  # as the rest here, not for Dagster's start to wait for

    from palm_assets.evaluation.measurement import contrasts, measure
    from palm_assets.gan.sampler import load_model
    from palm_assets.image_grid import grid
    from palm_assets.quality.extractors.identity import require_same_extractor
    from palm_assets.quality.features import extract, load_extractor
    from palm_assets.quality.reference_files import load_reference
    from palm_assets.quality.set_metrics import evaluate_features

    model, reference = load_model(model_folder, ""), load_reference(reference_folder)
    extractor = load_extractor(reference.extractor, precision=reference.precision)  # type: ignore[arg-type]
    require_same_extractor(extractor.identity, reference.identity, where="scores of a model")
    count = config.count or usual_count(reference)
    features, contrast = [], []
    for number in range(config.sets):

        def looked_at(palms: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
            for batch in palms:
                contrast.append(contrasts(batch))
                yield batch

        features.append(extract(extractor, looked_at(fresh_palms(model, count, first=number * count))))
    some_real = train_images[np.linspace(0, len(train_images) - 1, min(REAL, len(train_images))).astype(int)]
    measures = measure(features, np.concatenate(contrast), contrasts(some_real), reference)
    score = evaluate_features(features[0], reference)
    (folder / EVALUATION_FILE).write_text(json.dumps(score.to_json(), indent=1) + "\n")

    shown = np.linspace(0, count - 1, min(PAIRS, count)).astype(int)
    columns = 8
    images = model.generate(model.latents(SEED, shown.tolist()))
    rows = [images[i : i + columns] for i in range(0, len(shown), columns)]
    below = [train_images[score.nearest[shown]][i : i + columns] for i in range(0, len(shown), columns)]
    pairs = [row for pair in zip(rows, below, strict=True) for row in pair]
    grid(np.concatenate(pairs), columns=min(columns, len(shown))).save(folder / BESIDE_FILE)

    lines = {key: value for key, value in score.to_json().items() if isinstance(value, int | float | str)}
    floor = None if score.floor is None else score.floor.to_json()
    return lines | {"floor": floor, "measures": measures.to_json(), "text": score.describe()}


def usual_count(reference: Reference) -> int:
    """The largest set that real palms were measured in."""
    return max([row.n for row in reference.floor], default=100)


def fresh_palms(model: PalmModel, count: int, *, first: int = 0) -> Iterator[np.ndarray]:
    """Batches (at most `CHUNK`, 3, S, S) of `count` palms that nobody chose, drawn as they are needed."""
    for start in range(first, first + count, CHUNK):
        yield model.generate(model.latents(SEED, range(start, min(start + CHUNK, first + count))))
