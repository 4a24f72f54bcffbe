"""The assets, in the order of the pipeline. Each is a stage of `palm_assets.stages`."""

from typing import Any

import dagster as dg
from pydantic import ValidationError

from palm_assets.crops.config import CONTACT_SHEET_FILE, CropConfig
from palm_assets.detector.config import DETECTIONS_FILE, DetectorConfig
from palm_assets.errors import PalmError, RefusedError
from palm_assets.evaluation.config import EvaluationConfig
from palm_assets.evaluation.evaluation_files import NEAREST_REAL_FILE
from palm_assets.gan.config import GanConfig
from palm_assets.gan.plot_files import CURVES_FILE, RELIABILITY_FILE, SAMPLES_FILE
from palm_assets.quality.config import ReferenceConfig
from palm_assets.release.gate import release_if_passed
from palm_assets.release.retention import remove_unused
from palm_assets.release.run_config import CONFIGS, config_error
from palm_assets.sources.config import BoxesConfig, PhotosConfig
from palm_assets.stages.boxes import make_boxes
from palm_assets.stages.code_versions import CODE_VERSIONS, RELEASE_VERSION
from palm_assets.stages.crops import make_crops
from palm_assets.stages.detector import make_detector
from palm_assets.stages.evaluation import make_evaluation
from palm_assets.stages.lineage import lineage_of, require_inputs
from palm_assets.stages.model import make_model
from palm_assets.stages.photos import EXAMPLES_FILE, make_photos
from palm_assets.stages.reference import make_reference
from palm_assets.store.artifacts import Artifact
from pipelines.automation import FRESHNESS_POLICY, ON_CHANGED_DATA
from pipelines.failures import deny_run_retries
from pipelines.reporting import artifact_result, image_metadata, logged_progress, numeric_facts
from pipelines.resources import GateResource, RetentionResource, StoreResource, failures_without_retry
from pipelines.training import subprocess_runner

ArtifactResult = dg.MaterializeResult[Artifact]
OWNERS = ["team:palms"]


# An asset's config is the library's own config type, so launchpad, presets, tests and notebooks share one.
class _OneLineErrors:
    """Refuses values in one line that names the setting, before the validation error of pydantic is seen."""

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            asset = next(name for name, kind in CONFIGS.items() if isinstance(self, kind))
            with failures_without_retry():
                raise config_error(asset, CONFIGS[asset], error) from None


class PhotosAssetConfig(_OneLineErrors, PhotosConfig, dg.Config):
    """Which photographs palms are cropped from."""


class BoxesAssetConfig(_OneLineErrors, BoxesConfig, dg.Config):
    """Which labeled images the detector is trained on."""


class DetectorAssetConfig(_OneLineErrors, DetectorConfig, dg.Config):
    """How the palm detector is trained."""


class CropAssetConfig(_OneLineErrors, CropConfig, dg.Config):
    """How palms are cropped, and which people are held out."""


class GanAssetConfig(_OneLineErrors, GanConfig, dg.Config):
    """The networks and the training recipe."""


class ReferenceAssetConfig(_OneLineErrors, ReferenceConfig, dg.Config):
    """How the reference statistics are computed."""


class EvaluationAssetConfig(_OneLineErrors, EvaluationConfig, dg.Config):
    """How many samples are evaluated."""


@dg.asset(
    group_name="photographs",
    kinds={"kaggle", "jpeg"},
    owners=OWNERS,
    code_version=CODE_VERSIONS["photos"],
)
def raw_hands(
    context: dg.AssetExecutionContext, config: PhotosAssetConfig, store: StoreResource
) -> ArtifactResult:
    """Photographs of hands, indexed: the person and aspect of each, and the files set aside."""
    with failures_without_retry():
        made = make_photos(store.open(), config, progress=logged_progress(context, "photographs"))
    return artifact_result(context, made, images=[EXAMPLES_FILE])


@dg.asset(
    group_name="photographs",
    kinds={"kaggle", "yolo"},
    owners=OWNERS,
    code_version=CODE_VERSIONS["boxes"],
)
def raw_palm_boxes(
    context: dg.AssetExecutionContext, config: BoxesAssetConfig, store: StoreResource
) -> ArtifactResult:
    """Images with labeled palms, which the detector is trained on."""
    with failures_without_retry():
        made = make_boxes(store.open(), config, progress=logged_progress(context, "labeled images"))
    return artifact_result(context, made)


@dg.asset(
    group_name="detector",
    kinds={"ultralytics", "pytorch"},
    owners=OWNERS,
    code_version=CODE_VERSIONS["detector"],
    automation_condition=ON_CHANGED_DATA,
)
def palm_detector(
    context: dg.AssetExecutionContext,
    config: DetectorAssetConfig,
    store: StoreResource,
    raw_palm_boxes: Artifact,
) -> ArtifactResult:
    """A YOLO11 that detects palms in photographs."""
    with failures_without_retry():
        made = make_detector(store.open(), raw_palm_boxes, config, run=subprocess_runner(context))
    return artifact_result(context, made, images=[DETECTIONS_FILE])


@dg.asset(
    group_name="palms",
    kinds={"numpy"},
    owners=OWNERS,
    code_version=CODE_VERSIONS["crops"],
    automation_condition=ON_CHANGED_DATA,
)
def cropped_palms(
    context: dg.AssetExecutionContext,
    config: CropAssetConfig,
    store: StoreResource,
    raw_hands: Artifact,
    palm_detector: Artifact,
) -> ArtifactResult:
    """Palms cropped from the photographs, so that the DCGAN learns palms and not backgrounds."""
    progress = logged_progress(context, "photographs cropped")
    with failures_without_retry():
        made = make_crops(store.open(), raw_hands, palm_detector, config, progress=progress)
    return artifact_result(context, made, images=[CONTACT_SHEET_FILE])


@dg.asset(
    group_name="palms",
    kinds={"pytorch"},
    owners=OWNERS,
    code_version=CODE_VERSIONS["models"],
    automation_condition=ON_CHANGED_DATA,
)
def dcgan_checkpoint(
    context: dg.AssetExecutionContext,
    config: GanAssetConfig,
    store: StoreResource,
    retention: RetentionResource,
    cropped_palms: Artifact,
) -> ArtifactResult:
    """A DCGAN trained on the crops: the checkpoint closest to held-out people."""
    opened = store.open()
    with failures_without_retry():
        made = make_model(opened, cropped_palms, config, run=subprocess_runner(context))
    if not made.reused:
        try:
            if removed := remove_unused(opened, retention):
                context.log.info(f"removed unused artifacts: {', '.join(removed)}")
        except PalmError as error:  # tidying is not worth a trained model
            context.log.warning(f"Nothing more is removed: {error}")
    return artifact_result(context, made, images=[SAMPLES_FILE, CURVES_FILE, RELIABILITY_FILE])


@dg.asset(
    group_name="quality",
    kinds={"pytorch", "scipy"},
    owners=OWNERS,
    code_version=CODE_VERSIONS["reference"],
    automation_condition=ON_CHANGED_DATA,
)
def fid_reference(
    context: dg.AssetExecutionContext,
    config: ReferenceAssetConfig,
    store: StoreResource,
    cropped_palms: Artifact,
) -> ArtifactResult:
    """Statistics of the training people's palms, and the metrics that held-out people's palms reach."""
    progress = logged_progress(context, "crops processed")
    with failures_without_retry():
        made = make_reference(store.open(), cropped_palms, config, progress=progress)
    return artifact_result(context, made)


@dg.asset(
    group_name="quality",
    kinds={"pytorch", "scipy"},
    owners=OWNERS,
    code_version=CODE_VERSIONS["evaluations"],
    automation_condition=ON_CHANGED_DATA,
)
def palm_evaluation(
    context: dg.AssetExecutionContext,
    config: EvaluationAssetConfig,
    store: StoreResource,
    dcgan_checkpoint: Artifact,
    fid_reference: Artifact,
    cropped_palms: Artifact,
) -> ArtifactResult:
    """Metrics of the model's samples, beside those of real palms."""
    with failures_without_retry():
        made = make_evaluation(store.open(), dcgan_checkpoint, fid_reference, cropped_palms, config)
    context.log.info(made.facts["text"])
    return artifact_result(context, made, images=[NEAREST_REAL_FILE])


@dg.asset(
    group_name="release",
    kinds={"streamlit"},
    owners=OWNERS,
    code_version=RELEASE_VERSION,
    automation_condition=ON_CHANGED_DATA,
    freshness_policy=FRESHNESS_POLICY,
)
def palm_release(
    context: dg.AssetExecutionContext,
    gate: GateResource,
    store: StoreResource,
    dcgan_checkpoint: Artifact,
    fid_reference: Artifact,
    palm_evaluation: Artifact,
) -> dg.MaterializeResult[None]:
    """The model that the page serves. It changes only to a model that passes the gate."""
    opened = store.open()
    with failures_without_retry():
        require_inputs(palm_evaluation, model=dcgan_checkpoint, reference=fid_reference)
        lineage_of(opened, palm_evaluation)
        try:
            release = release_if_passed(opened, palm_evaluation, gate)
        except RefusedError:
            deny_run_retries(context.instance, context.run.run_id)
            raise
    context.log.info(f"released model {release.model}")
    return dg.MaterializeResult(
        data_version=dg.DataVersion(f"{release.model}-{release.reference}"),
        metadata={
            "model": release.model,
            "reference": release.reference,
            "origin": release.origin,
            "released at": str(release.released_at),
            "metrics": dg.MetadataValue.md(f"```\n{palm_evaluation.facts['text']}\n```"),
            "samples": image_metadata(dcgan_checkpoint.folder / SAMPLES_FILE),
            **numeric_facts(palm_evaluation.facts),
        },
    )
