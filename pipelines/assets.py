"""The assets, in the order of the pipeline. Each is a stage of `palm_assets.stages`.

The functions say what is made; `pipeline_assets` makes them assets, for the active preset.
"""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import dagster as dg

from palm_assets.crops.config import CONTACT_SHEET_FILE, CropConfig
from palm_assets.detector.config import DETECTIONS_FILE, DetectorConfig
from palm_assets.errors import PalmError, RefusedError
from palm_assets.evaluation.config import EvaluationConfig
from palm_assets.evaluation.evaluation_files import NEAREST_REAL_FILE
from palm_assets.gan.config import GanConfig
from palm_assets.gan.plot_files import CURVES_FILE, RELIABILITY_FILE, SAMPLES_FILE
from palm_assets.quality.config import ReferenceConfig
from palm_assets.release.config import GateConfig
from palm_assets.release.gate import release_if_passed
from palm_assets.release.retention import RetentionConfig, remove_unused
from palm_assets.release.run_config import CONFIGS
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
from pipelines.failures import refuse_run
from pipelines.launchpad import config_schema
from pipelines.reporting import artifact_result, logged_progress, release_metadata
from pipelines.resources import StoreResource, failures_in_one_line
from pipelines.run_tags import set_run_tags
from pipelines.training import subprocess_runner

ArtifactResult = dg.MaterializeResult[Artifact]
OWNERS = ["team:palms"]
TRAINING_POOL = "training"
"""One training at a time: a second run that trains waits in the queue."""


def raw_hands(context: dg.AssetExecutionContext, store: StoreResource) -> ArtifactResult:
    """Photographs of hands, indexed: the person and aspect of each, and the files set aside with the reason.

    - **From** the source in its config: rendered here, a folder, or a Kaggle data set.
    - **Takes** longest where photographs are rendered or downloaded.
    - **Look at** `examples` (are these hands, upright, palms?) and at `files set aside`.
    """
    config = PhotosConfig(**_config(context))
    with failures_in_one_line():
        progress = logged_progress(context, "photographs")
        made = make_photos(store.open(), config, progress=progress, report=context.log.info)
    return artifact_result(context, made, images=[EXAMPLES_FILE])


def raw_palm_boxes(context: dg.AssetExecutionContext, store: StoreResource) -> ArtifactResult:
    """Images with labeled palms, which the detector is trained on: a YOLO export.

    - **From** the source in its config: rendered here, a folder, or a Kaggle data set.
    - **Takes** less time than `raw_hands`.
    - **Look at** `palms` and `files set aside`: bad labels are listed there.
    """
    config = BoxesConfig(**_config(context))
    with failures_in_one_line():
        progress = logged_progress(context, "labeled images")
        made = make_boxes(store.open(), config, progress=progress, report=context.log.info)
    return artifact_result(context, made)


def palm_detector(
    context: dg.AssetExecutionContext, store: StoreResource, raw_palm_boxes: Artifact
) -> ArtifactResult:
    """A YOLO11 that detects palms in photographs.

    - **From** the labeled images; trains in a process of its own, an observation per epoch.
    - **Takes** the second largest part of a run.
    - **Look at** `detections` (a box on each palm) and `AP50`: below 0.8 the next step is blocked.
    """
    config = DetectorConfig(**_config(context))
    with failures_in_one_line():
        made = make_detector(store.open(), raw_palm_boxes, config, run=subprocess_runner(context))
    return artifact_result(context, made, images=[DETECTIONS_FILE])


def cropped_palms(
    context: dg.AssetExecutionContext, store: StoreResource, raw_hands: Artifact, palm_detector: Artifact
) -> ArtifactResult:
    """Palms cropped from the photographs, and people assigned to train, validation and test.

    - **From** the photographs and the detector.
    - **Takes** time in proportion to the photographs; the log has an ETA.
    - **Look at** `contact sheet`: whole palms, fingers up, little background.
    """
    config = CropConfig(**_config(context))
    progress = logged_progress(context, "photographs cropped")
    with failures_in_one_line():
        made = make_crops(store.open(), raw_hands, palm_detector, config, progress=progress)
    return artifact_result(context, made, images=[CONTACT_SHEET_FILE])


def dcgan_checkpoint(
    context: dg.AssetExecutionContext,
    store: StoreResource,
    retention: dg.ResourceParam[RetentionConfig],
    cropped_palms: Artifact,
) -> ArtifactResult:
    """A DCGAN trained on the crops: the checkpoint closest to the validation people, its score calibrated.

    - **From** the training people's crops; trains in a process of its own that saves its state, so a run that
    is started again goes on where it stopped. Removes artifacts that nothing needs any more.
    - **Takes** most of a run; the log has an ETA.
    - **Look at** `samples`, and at the observations while it trains: their grids should sharpen.
    """
    config, opened = GanConfig(**_config(context)), store.open()
    instance, run = context.instance, context.op_execution_context.run_id
    set_run_tags(instance, run, {"seed": str(config.seed)})  # the launchpad may have changed the preset's
    with failures_in_one_line():
        made = make_model(opened, cropped_palms, config, run=subprocess_runner(context))
    set_run_tags(instance, run, {"model": made.version})
    if not made.reused:
        try:
            if removed := remove_unused(opened, retention):
                context.log.info(f"removed unused artifacts: {', '.join(removed)}")
        except PalmError as error:  # tidying is not worth a trained model
            context.log.warning(f"Nothing more is removed: {error}")
    return artifact_result(context, made, images=[SAMPLES_FILE, CURVES_FILE, RELIABILITY_FILE])


def fid_reference(
    context: dg.AssetExecutionContext, store: StoreResource, cropped_palms: Artifact
) -> ArtifactResult:
    """Statistics of the training people's palms, and the metrics that the test people's palms reach.

    - **From** the crops. The second part is the floor: no model can be expected to be closer.
    - **Takes** time in proportion to the crops; the log has an ETA.
    - **Look at** `extractor`: distances of different extractors cannot be compared.
    """
    config = ReferenceConfig(**_config(context))
    progress = logged_progress(context, "crops processed")
    with failures_in_one_line():
        made = make_reference(store.open(), cropped_palms, config, progress=progress)
    return artifact_result(context, made)


def palm_evaluation(
    context: dg.AssetExecutionContext,
    store: StoreResource,
    dcgan_checkpoint: Artifact,
    fid_reference: Artifact,
    cropped_palms: Artifact,
) -> ArtifactResult:
    """Metrics of the model's samples, beside those of real palms of the test people.

    - **From** the model, the reference and the crops: several sets of samples with fixed seeds.
    - **Takes** a small part of a run.
    - **Look at** `nearest real` (are samples copies of the photographs under them?) and at the checks, which
    decide whether the model is released. Distances here are those of the first set, and those of a check are
    means of all sets.
    """
    config = EvaluationConfig(**_config(context))
    with failures_in_one_line():
        made = make_evaluation(store.open(), dcgan_checkpoint, fid_reference, cropped_palms, config)
    context.log.info(made.facts["text"])
    return artifact_result(context, made, images=[NEAREST_REAL_FILE])


def palm_release(
    context: dg.AssetExecutionContext,
    gate: dg.ResourceParam[GateConfig],
    store: StoreResource,
    dcgan_checkpoint: Artifact,
    fid_reference: Artifact,
    palm_evaluation: Artifact,
) -> dg.MaterializeResult[None]:
    """The model that the page serves. It changes only to a model that passes every check.

    - **From** the evaluation and its whole lineage, which is checked again; compares with earlier releases.
    - **Takes** seconds, and an evaluation of each earlier model that was not measured against this reference.
    - **Look at** `samples` and `page`. If it is refused, the run says by which check, with value and bound;
    `palms releases` lists all decisions.
    """
    opened = store.open()
    with failures_in_one_line():
        require_inputs(palm_evaluation, model=dcgan_checkpoint, reference=fid_reference)
        lineage_of(opened, palm_evaluation)
        try:
            release = release_if_passed(opened, palm_evaluation, gate)
        except RefusedError as refused:
            refuse_run(context.instance, context.op_execution_context.run_id, refused.what)
            raise
    context.log.info(f"released model {release.model}")
    return dg.MaterializeResult(
        data_version=dg.DataVersion(f"{release.model}-{release.reference}"),
        metadata=release_metadata(release, dcgan_checkpoint, palm_evaluation),
    )


DATA, MODEL = "data", "model"
SOURCE_KINDS = {"synthetic": "python", "folder": "file", "kaggle": "kaggle", "none": "file"}


def pipeline_assets(defaults: Mapping[str, Mapping[str, Any]]) -> list[dg.AssetsDefinition]:
    """The assets; `defaults` are values of their configs that replace those of the types."""

    def asset(
        function: Callable[..., Any], group: str, kinds: set[str], **settings: Any
    ) -> dg.AssetsDefinition:
        name = function.__name__
        config_type = CONFIGS.get(name)
        if config_type is not None:
            settings["config_schema"] = config_schema(name, config_type, defaults.get(name))
        made: dg.AssetsDefinition = dg.asset(
            group_name=group,
            kinds=kinds,
            owners=OWNERS,
            description=inspect.getdoc(function),
            **settings,
        )(function)
        return made

    def source(name: str) -> str:
        return SOURCE_KINDS[str(defaults.get(name, {}).get("source", "synthetic"))]

    below: dict[str, Any] = {"automation_condition": ON_CHANGED_DATA}
    return [
        asset(raw_hands, DATA, {source("raw_hands"), "jpeg"}, code_version=CODE_VERSIONS["photos"]),
        asset(raw_palm_boxes, DATA, {source("raw_palm_boxes"), "yolo"}, code_version=CODE_VERSIONS["boxes"]),
        asset(
            palm_detector,
            DATA,
            {"yolo", "pytorch"},
            code_version=CODE_VERSIONS["detector"],
            pool=TRAINING_POOL,
            **below,
        ),
        asset(cropped_palms, DATA, {"numpy"}, code_version=CODE_VERSIONS["crops"], **below),
        asset(
            dcgan_checkpoint,
            MODEL,
            {"pytorch"},
            code_version=CODE_VERSIONS["models"],
            pool=TRAINING_POOL,
            **below,
        ),
        asset(fid_reference, MODEL, {"pytorch", "scipy"}, code_version=CODE_VERSIONS["reference"], **below),
        asset(
            palm_evaluation, MODEL, {"pytorch", "scipy"}, code_version=CODE_VERSIONS["evaluations"], **below
        ),
        asset(
            palm_release,
            MODEL,
            {"pytorch"},
            code_version=RELEASE_VERSION,
            freshness_policy=FRESHNESS_POLICY,
            **below,
        ),
    ]


def page_asset(url: str) -> dg.AssetSpec:
    """The page, which is below the release and follows it by itself: Dagster does not make it."""
    return dg.AssetSpec(
        "page",
        deps=["palm_release"],
        description="The Streamlit page (`make app`): serves the released model of photographs, or the "
        "starter while there is none. It loads a new release without a restart.",
        group_name=MODEL,
        kinds={"streamlit"},
        owners=OWNERS,
        metadata={"page": dg.MetadataValue.url(url)},
    )


def _config(context: dg.AssetExecutionContext) -> Mapping[str, Any]:
    """The config of the launchpad, checked there."""
    return context.op_execution_context.op_config or {}
