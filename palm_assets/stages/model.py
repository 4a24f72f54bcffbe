"""The stages of the pipeline: what each takes, makes and records, tied to the artifact store.

Each `make_*` returns a published artifact, made now or found as it was. Heavy libraries are imported inside,
so that finding something made takes no time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from palm_assets.crops.config import CropConfig
from palm_assets.detector.boxes import read_export, write_box_set
from palm_assets.detector.config import DetectorConfig
from palm_assets.evaluation.model_evaluation import EvaluationConfig, evaluate_model
from palm_assets.gan.config import GanConfig
from palm_assets.photos.index import folder_fingerprint, index_photos, write_index
from palm_assets.progress import Progress, no_progress
from palm_assets.quality.config import ReferenceConfig
from palm_assets.sources.config import BoxesConfig, PhotosConfig, SourceConfig
from palm_assets.stages.open_artifacts import SYNTHETIC, open_crops, open_photos, open_start
from palm_assets.stages.training_job import DetectorJob, ModelJob, TrainingJob, run_in_this_process
from palm_assets.store.artifacts import Artifact, Kind, Store, version_of

CODE_VERSIONS = {
    "photos": "2",
    "boxes": "2",
    "detector": "2",
    "crops": "2",
    "models": "6",
    "reference": "3",
    "evaluations": "4",
}
"""Raised by hand when a stage would make something else from the same inputs and config."""
RELEASE_VERSION = "1"
"""The same for the rules of a release, which is a pointer and no artifact."""

Runner = Callable[[TrainingJob], dict[str, Any]]
"""Runs a training job and returns its facts; it may use another process."""


def make_photos(store: Store, config: PhotosConfig, *, progress: Progress = no_progress) -> Artifact:
    """The index of all photographs; drawn ones are drawn here."""
    root, inputs = _located(config)

    def build(folder: Path) -> Mapping[str, Any]:
        from palm_assets.photos.contact_sheet import examples

        if root is None:
            from palm_assets.synthetic import write_kaggle_hands

            write_kaggle_hands(
                folder / SYNTHETIC,
                photos=config.synthetic_photos,
                people=config.synthetic_people,
                seed=config.seed,
                size=config.synthetic_size,
                progress=progress,
            )
        index = index_photos(
            root or folder / SYNTHETIC,
            aspects=config.aspects,
            max_set_aside=config.max_set_aside,
            max_megapixels=config.max_megapixels,
            progress=progress,
        )
        write_index(index, folder)
        examples(index).save(folder / "examples.png")
        return {**index.facts(), "source": config.source, "root": SYNTHETIC if root is None else str(root)}

    return store.make("photos", build, inputs=inputs, config=config, code_version=CODE_VERSIONS["photos"])


def make_boxes(store: Store, config: BoxesConfig, *, progress: Progress = no_progress) -> Artifact:
    """The labeled pictures for the detector; drawn ones are drawn here."""
    root, inputs = _located(config)

    def build(folder: Path) -> Mapping[str, Any]:
        if root is None:
            from palm_assets.synthetic import write_yolo_export

            write_yolo_export(
                folder / SYNTHETIC,
                train=config.synthetic_train,
                valid=config.synthetic_valid,
                test=config.synthetic_test,
                seed=config.seed,
                size=config.synthetic_size,
                progress=progress,
            )
        boxes = read_export(root or folder / SYNTHETIC, palm_class=config.palm_class, seed=config.seed)
        write_box_set(boxes, folder)
        return {
            **boxes.facts(),
            "source": config.source,
            "root": SYNTHETIC if root is None else str(boxes.root),
        }

    return store.make("boxes", build, inputs=inputs, config=config, code_version=CODE_VERSIONS["boxes"])


def make_detector(
    store: Store, boxes: Artifact, config: DetectorConfig, *, run: Runner = run_in_this_process
) -> Artifact:
    """The palm detector, trained and measured on its test split."""
    inputs = {"boxes": boxes.version}
    plain = DetectorConfig(**config.model_dump())  # a launchpad form is a subclass with more in it

    def job(folder: Path, work: Path) -> TrainingJob:
        return DetectorJob(home=store.home, inputs=inputs, config=plain, folder=folder, work=work)

    return _train(store, "detector", inputs, plain, job, run)


def make_crops(
    store: Store,
    photos: Artifact,
    detector: Artifact,
    config: CropConfig,
    *,
    progress: Progress = no_progress,
) -> Artifact:
    """All palms, cut out and packed, with some people held out."""

    def build(folder: Path) -> Mapping[str, Any]:
        from palm_assets.crops.extraction import make_crops as cut
        from palm_assets.detector.detection import load_detector

        return cut(open_photos(photos), load_detector(detector.folder), config, folder, progress=progress)

    inputs = {"photos": photos.version, "detector": detector.version}
    return store.make("crops", build, inputs=inputs, config=config, code_version=CODE_VERSIONS["crops"])


def make_model(
    store: Store, crops: Artifact, config: GanConfig, *, run: Runner = run_in_this_process
) -> Artifact:
    """A trained DCGAN with samples, figures and card.

    Raises:
        ArtifactMissingError: there is no model of the version with which `config.start` begins.
    """
    inputs = {"crops": crops.version}
    start = open_start(store, config.start)
    if start is not None:
        inputs["start"] = start.version
    plain = GanConfig(**config.model_dump())

    def job(folder: Path, work: Path) -> TrainingJob:
        return ModelJob(home=store.home, inputs=inputs, config=plain, folder=folder, work=work)

    return _train(store, "models", inputs, plain, job, run)


def make_reference(
    store: Store, crops: Artifact, config: ReferenceConfig, *, progress: Progress = no_progress
) -> Artifact:
    """Statistics of the real palms, against which sets of generated ones are scored."""
    # Which extractor `auto` is depends on the machine; the one chosen is part of what made the statistics.
    config = config.model_copy(update={"extractor": _chosen_extractor(config), "weights": None})

    def build(folder: Path) -> Mapping[str, Any]:
        from palm_assets.quality.reference import build_reference
        from palm_assets.quality.reference_files import save_reference

        palms = open_crops(crops)
        people = [crop.person for crop in palms.index if crop.split == "holdout"]
        reference = build_reference(
            palms.train, palms.holdout, config, holdout_people=people, progress=progress
        )
        save_reference(reference, folder)
        return {"extractor": reference.extractor, "digest": reference.digest, "n": reference.n}

    inputs = {"crops": crops.version}
    return store.make(
        "reference", build, inputs=inputs, config=config, code_version=CODE_VERSIONS["reference"]
    )


def make_evaluation(
    store: Store, model: Artifact, reference: Artifact, crops: Artifact, config: EvaluationConfig
) -> Artifact:
    """TrainingMetrics of a model's palms against the real ones, and a picture of both."""

    def build(folder: Path) -> Mapping[str, Any]:
        return evaluate_model(model.folder, reference.folder, open_crops(crops).train, config, folder)

    inputs = {"model": model.version, "reference": reference.version}
    return store.make(
        "evaluations", build, inputs=inputs, config=config, code_version=CODE_VERSIONS["evaluations"]
    )


def _located(config: SourceConfig) -> tuple[Path | None, dict[str, str]]:
    """The folder of a source and what identifies its content; no folder yet if it has to be drawn."""
    if config.source == "synthetic":
        return None, {}
    if config.source == "kaggle":
        from palm_assets.sources.kaggle import fetch_dataset

        root = fetch_dataset(config.kaggle_set, version=config.kaggle_version).root
    else:
        root = Path(config.folder or "").expanduser().absolute()
    # The root belongs to the version: an index whose photographs have moved must not be found again.
    return root, {"files": folder_fingerprint(root), "root": str(root)}


def _chosen_extractor(config: ReferenceConfig) -> str:
    """The extractor by its name, with the weights that the config points at taken into the cache."""
    from palm_assets.quality.extractors import weights

    cache = weights.default_cache()
    if config.weights is not None:
        file = weights.DINOV2 if config.extractor == "dinov2-vits14" else weights.INCEPTION
        weights.adopt(file, Path(config.weights).expanduser(), cache)
    if config.extractor != "auto":
        return config.extractor
    return "inception-v3" if weights.find(weights.INCEPTION, cache) else "efficientnet-lite0"


def _train(
    store: Store,
    kind: Kind,
    inputs: dict[str, str],
    config: BaseModel,
    job: Callable[[Path, Path], TrainingJob],
    run: Runner,
) -> Artifact:
    """Make an artifact by a training job, which keeps its resumable state in the store's work folder."""
    code_version = CODE_VERSIONS[kind]
    work = version_of(kind, inputs, config, code_version)

    def build(folder: Path) -> Mapping[str, Any]:
        # One training at a time uses the machine. Dagster's pools would do, but for the slot of a run killed
        # without warning, which nobody frees where no daemon runs.
        with store.lock("training"):
            return run(job(folder, store.work(kind, work)))

    return store.make(kind, build, inputs=inputs, config=config, code_version=code_version)
