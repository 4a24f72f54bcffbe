"""A whole lineage of small artifacts, from photographs to an evaluation, published into a store."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from palm_assets.evaluation.config import EvaluationConfig
from palm_assets.evaluation.model_metrics import ModelMetrics
from palm_assets.gan.people_record import PeopleRecord
from palm_assets.stages.code_versions import CODE_VERSIONS
from palm_assets.stages.evaluation import evaluation_inputs
from palm_assets.store.artifacts import Artifact, Store
from tests.crops.published_crops import publish_crops_of, split
from tests.models import SMALL, publish_model

METRICS = ModelMetrics(
    n=100,
    frechet=(300.0, 301.0, 299.0, 300.0),
    kid=(0.30, 0.31, 0.29, 0.30),
    frechet_collapsed=330.0,
    kid_collapsed=1.0,
    variance_ratio=0.8,
    nearest_neighbor_ratio=0.9,
    density_ratio=0.8,
    coverage_ratio=0.9,
    contrast_ratio=1.0,
    blank_share=0.0,
    copy_share=0.02,
    repeat_share=0.1,
    real_repeat_share=0.1,
)
FACTS: dict[str, Any] = {"auth_pct": 70.0, "floor": {"auth_pct": 72.0}}
PHOTOS: dict[str, Any] = {"photos": 900, "people": 90, "set_aside": 10, "set_aside_reasons": {}}
CROPS: dict[str, Any] = {"share_with_palm": 0.99, "crops": {"train": 800, "validation": 90, "test": 90}}
DETECTOR: dict[str, Any] = {"ap50": 0.95}


@dataclass(frozen=True)
class Data:
    """Crops with a reference, and all that they were made from."""

    photos: Artifact
    detector: Artifact
    crops: Artifact
    reference: Artifact


def publish_data(store: Store, source: Literal["folder", "synthetic"] = "folder", **facts: Any) -> Data:
    """Publish data that passes the checks; `facts` change those of the photographs, detector and crops."""

    def publish(kind: Any, of: dict[str, Any], **inputs: Artifact) -> Artifact:
        changed = {**of, **{key: value for key, value in facts.items() if key in of}}
        made_from = {"source": source, "facts": repr(sorted(facts.items()))}
        made_from |= {role: artifact.version for role, artifact in inputs.items()}
        return store.make(kind, lambda folder: changed, inputs=made_from, config=SMALL, code_version="1")

    photos = publish("photos", {**PHOTOS, "source": source})
    detector = publish("detector", DETECTOR, boxes=publish("boxes", {"source": source}))
    files = publish_crops_of(store, split("abc", "de", "fg"), population=source)

    def build(folder: Path) -> dict[str, Any]:
        for name in files.manifest.files:
            shutil.copy(files.folder / name, folder)
        return {**files.facts, **CROPS, **{key: value for key, value in facts.items() if key in CROPS}}

    inputs = {"photos": photos.version, "detector": detector.version}
    crops = store.make("crops", build, inputs=inputs, config=SMALL, code_version="1")
    return Data(photos, detector, crops, publish("reference", {}, crops=crops))


def publish_candidate(
    store: Store,
    data: Data,
    seed: int = 0,
    start: Artifact | None = None,
    record: PeopleRecord | None = None,
) -> Artifact:
    """Publish a model of these crops, with a record of the people whom it was trained on, if it is given."""
    inputs = {"crops": data.crops.version} | ({} if start is None else {"start": start.version})
    return publish_model(store, seed, inputs=inputs, people=record)


def publish_evaluation(
    store: Store,
    model: Artifact,
    reference: Artifact,
    frechet: float = 300.0,
    spread: float = 1.0,
    **changes: Any,
) -> Artifact:
    """Publish an evaluation with good metrics, as `make_evaluation` finds it again."""
    distances = (frechet, frechet + spread, frechet - spread, frechet)
    metrics = replace(METRICS, frechet=distances, **changes)
    facts = {**FACTS, "model_metrics": json.loads(json.dumps(metrics.to_json()))}
    return store.make(
        "evaluations",
        lambda folder: facts,
        inputs=evaluation_inputs(model.manifest, reference.manifest),
        config=EvaluationConfig(),
        code_version=CODE_VERSIONS["evaluations"],
    )
