"""All stages with a tiny config; prints when each starts: `python -m tests.faults.all_stages HOME`."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

from palm_assets.crops.config import CropConfig
from palm_assets.detector.config import DetectorConfig
from palm_assets.evaluation.config import EvaluationConfig
from palm_assets.gan.config import GanConfig
from palm_assets.quality.config import ReferenceConfig
from palm_assets.release.serving import open_model
from palm_assets.sources.config import BoxesConfig, PhotosConfig
from palm_assets.stages.boxes import make_boxes
from palm_assets.stages.crops import make_crops
from palm_assets.stages.detector import make_detector
from palm_assets.stages.evaluation import make_evaluation
from palm_assets.stages.model import make_model
from palm_assets.stages.photos import make_photos
from palm_assets.stages.reference import make_reference
from palm_assets.store.artifacts import Artifact, Kind, Store
from tests.tiny import TINY

KINDS: tuple[Kind, ...] = ("photos", "boxes", "detector", "crops", "models", "reference", "evaluations")
RELEASE: Literal["release"] = "release"


def steps(store: Store) -> Iterator[tuple[str, Callable[[], Artifact | None]]]:
    """Each stage by the kind that it makes, then the release; to be called in this order."""
    made: dict[str, Artifact] = {}

    def keep(kind: str, make: Callable[[], Artifact]) -> Callable[[], Artifact]:
        def call() -> Artifact:
            made[kind] = make()
            return made[kind]

        return call

    def release() -> None:
        open_model(store, made["models"].version)
        store.release(made["models"], made["reference"])

    photos = PhotosConfig(**TINY["raw_hands"])
    boxes = BoxesConfig(**TINY["raw_palm_boxes"])
    detector = DetectorConfig(**TINY["palm_detector"])
    crops = CropConfig(**TINY["cropped_palms"])
    gan = GanConfig(**{**TINY["dcgan_checkpoint"], "kimg": 1.6, "snapshot_kimg": 100})
    evaluation = EvaluationConfig(**TINY["palm_evaluation"])
    yield "photos", keep("photos", lambda: make_photos(store, photos))
    yield "boxes", keep("boxes", lambda: make_boxes(store, boxes))
    yield "detector", keep("detector", lambda: make_detector(store, made["boxes"], detector))
    yield "crops", keep("crops", lambda: make_crops(store, made["photos"], made["detector"], crops))
    yield "models", keep("models", lambda: make_model(store, made["crops"], gan))
    yield (
        "reference",
        keep("reference", lambda: make_reference(store, made["crops"], ReferenceConfig())),
    )
    yield (
        "evaluations",
        keep(
            "evaluations",
            lambda: make_evaluation(store, made["models"], made["reference"], made["crops"], evaluation),
        ),
    )
    yield RELEASE, release


def main(home: str) -> None:
    """Run all stages."""
    for name, step in steps(Store(Path(home))):
        print("START", name, time.monotonic(), flush=True)
        step()
    print("END", time.monotonic(), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
