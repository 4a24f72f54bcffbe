"""Every stage in one process, small, telling when each begins: `python -m tests.faults.everything HOME`."""

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
from palm_assets.stages import make as stages
from palm_assets.store.artifacts import Artifact, Kind, Store
from tests.tiny import TINY

KINDS: tuple[Kind, ...] = ("photos", "boxes", "detector", "crops", "models", "reference", "evaluations")
RELEASE: Literal["release"] = "release"


def steps(store: Store) -> Iterator[tuple[str, Callable[[], Artifact | None]]]:
    """Each stage by the kind that it makes, and the release; to be called in this order."""
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
    scores = EvaluationConfig(**TINY["palm_evaluation"])
    yield "photos", keep("photos", lambda: stages.make_photos(store, photos))
    yield "boxes", keep("boxes", lambda: stages.make_boxes(store, boxes))
    yield "detector", keep("detector", lambda: stages.make_detector(store, made["boxes"], detector))
    yield "crops", keep("crops", lambda: stages.make_crops(store, made["photos"], made["detector"], crops))
    yield "models", keep("models", lambda: stages.make_model(store, made["crops"], gan))
    yield (
        "reference",
        keep("reference", lambda: stages.make_reference(store, made["crops"], ReferenceConfig())),
    )
    yield (
        "evaluations",
        keep(
            "evaluations",
            lambda: stages.make_evaluation(store, made["models"], made["reference"], made["crops"], scores),
        ),
    )
    yield RELEASE, release


def main(home: str) -> None:
    """Run them all."""
    for name, step in steps(Store(Path(home))):
        print("BEGIN", name, time.monotonic(), flush=True)
        step()
    print("END", time.monotonic(), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
