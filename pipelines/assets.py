"""The assets, in the order in which a photograph walks through them."""

import dagster as dg

from palm_assets.crops.config import CropConfig
from palm_assets.detector.config import DetectorConfig
from palm_assets.errors import RefusedError
from palm_assets.evaluation.model_evaluation import EvaluationConfig
from palm_assets.gan.config import GanConfig
from palm_assets.quality.config import ReferenceConfig
from palm_assets.release.gate import release_candidate
from palm_assets.release.retention import tidy
from palm_assets.sources.config import BoxesConfig, PhotosConfig
from palm_assets.stages import make as stages
from palm_assets.store.artifacts import Artifact
from pipelines.automation import FOLLOWS_DATA, FRESH
from pipelines.checks import Gate
from pipelines.reporting import figures, logged, materialized, picture
from pipelines.resources import PalmStore, Retention, clear_failures
from pipelines.training import in_another_process

ArtifactResult = dg.MaterializeResult[Artifact]
OWNERS = ["team:palms"]


# A launchpad form is the library's own config type: launchpad, presets, tests and notebooks share one.
class PhotosForm(PhotosConfig, dg.Config):
    """Which photographs palms are cut from."""


class BoxesForm(BoxesConfig, dg.Config):
    """Which labeled palms the detector learns from."""


class DetectorForm(DetectorConfig, dg.Config):
    """How the palm detector is trained."""


class CropForm(CropConfig, dg.Config):
    """How palms are cut out, and who is held out."""


class GanForm(GanConfig, dg.Config):
    """The networks and the recipe."""


class ReferenceForm(ReferenceConfig, dg.Config):
    """How the reference statistics are made."""


class EvaluationForm(EvaluationConfig, dg.Config):
    """How many palms are scored."""


@dg.asset(
    group_name="photographs",
    kinds={"kaggle", "jpeg"},
    owners=OWNERS,
    code_version=stages.CODE_VERSIONS["photos"],
)
def raw_hands(context: dg.AssetExecutionContext, config: PhotosForm, palms: PalmStore) -> ArtifactResult:
    """Photographs of hands, indexed: who is on each, which aspect, and which files were set aside and why."""
    with clear_failures():
        made = stages.make_photos(palms.store(), config, progress=logged(context, "photographs"))
    return materialized(context, made, pictures=["examples.png"])


@dg.asset(
    group_name="photographs",
    kinds={"kaggle", "yolo"},
    owners=OWNERS,
    code_version=stages.CODE_VERSIONS["boxes"],
)
def raw_palm_boxes(context: dg.AssetExecutionContext, config: BoxesForm, palms: PalmStore) -> ArtifactResult:
    """Pictures with labeled palms, for the detector to learn from."""
    with clear_failures():
        made = stages.make_boxes(palms.store(), config, progress=logged(context, "labeled pictures"))
    return materialized(context, made)


@dg.asset(
    group_name="detector",
    kinds={"ultralytics", "pytorch"},
    owners=OWNERS,
    code_version=stages.CODE_VERSIONS["detector"],
    automation_condition=FOLLOWS_DATA,
)
def palm_detector(
    context: dg.AssetExecutionContext,
    config: DetectorForm,
    palms: PalmStore,
    raw_palm_boxes: Artifact,
) -> ArtifactResult:
    """A YOLO11 that finds the palm on a photograph."""
    with clear_failures():
        made = stages.make_detector(palms.store(), raw_palm_boxes, config, run=in_another_process(context))
    return materialized(context, made, pictures=["detections.png"])


@dg.asset(
    group_name="palms",
    kinds={"numpy"},
    owners=OWNERS,
    code_version=stages.CODE_VERSIONS["crops"],
    automation_condition=FOLLOWS_DATA,
)
def cropped_palms(
    context: dg.AssetExecutionContext,
    config: CropForm,
    palms: PalmStore,
    raw_hands: Artifact,
    palm_detector: Artifact,
) -> ArtifactResult:
    """Palms cut out of the photographs, so that the network learns palm lines and not background."""
    with clear_failures():
        made = stages.make_crops(
            palms.store(), raw_hands, palm_detector, config, progress=logged(context, "photographs cut")
        )
    return materialized(context, made, pictures=["contact_sheet.png"])


@dg.asset(
    group_name="palms",
    kinds={"pytorch"},
    owners=OWNERS,
    code_version=stages.CODE_VERSIONS["models"],
    automation_condition=FOLLOWS_DATA,
)
def dcgan_checkpoint(
    context: dg.AssetExecutionContext,
    config: GanForm,
    palms: PalmStore,
    retention: Retention,
    cropped_palms: Artifact,
) -> ArtifactResult:
    """A generator and a discriminator, trained against each other."""
    with clear_failures():
        made = stages.make_model(palms.store(), cropped_palms, config, run=in_another_process(context))
        if not made.reused and (removed := tidy(palms.store(), retention)):
            context.log.info(f"removed what nothing needs any more: {', '.join(removed)}")
    return materialized(context, made, pictures=["samples.png", "curves.png", "reliability.png"])


@dg.asset(
    group_name="quality",
    kinds={"pytorch", "scipy"},
    owners=OWNERS,
    code_version=stages.CODE_VERSIONS["reference"],
    automation_condition=FOLLOWS_DATA,
)
def fid_reference(
    context: dg.AssetExecutionContext, config: ReferenceForm, palms: PalmStore, cropped_palms: Artifact
) -> ArtifactResult:
    """Statistics of the real palms, and what held-out people score against them."""
    with clear_failures():
        made = stages.make_reference(
            palms.store(), cropped_palms, config, progress=logged(context, "palms looked at")
        )
    return materialized(context, made)


@dg.asset(
    group_name="quality",
    kinds={"pytorch", "scipy"},
    owners=OWNERS,
    code_version=stages.CODE_VERSIONS["evaluations"],
    automation_condition=FOLLOWS_DATA,
)
def palm_evaluation(
    context: dg.AssetExecutionContext,
    config: EvaluationForm,
    palms: PalmStore,
    dcgan_checkpoint: Artifact,
    fid_reference: Artifact,
    cropped_palms: Artifact,
) -> ArtifactResult:
    """How far the model's palms are from real ones, beside what real people score."""
    with clear_failures():
        made = stages.make_evaluation(palms.store(), dcgan_checkpoint, fid_reference, cropped_palms, config)
    context.log.info(made.facts["text"])
    return materialized(context, made, pictures=["beside_real.png"])


@dg.asset(
    group_name="release",
    kinds={"streamlit"},
    owners=OWNERS,
    code_version=stages.RELEASE_VERSION,
    automation_condition=FOLLOWS_DATA,
    freshness_policy=FRESH,
)
def palm_release(
    context: dg.AssetExecutionContext,
    gate: Gate,
    palms: PalmStore,
    dcgan_checkpoint: Artifact,
    fid_reference: Artifact,
    palm_evaluation: Artifact,
) -> dg.MaterializeResult[None]:
    """The model that the page serves: it moves only to one that passed the gate."""
    scored = {"model": dcgan_checkpoint.version, "reference": fid_reference.version}
    with clear_failures():
        if palm_evaluation.manifest.inputs != scored:
            raise RefusedError(
                "The scores are of another model or reference",
                where=palm_evaluation.folder,
                hint="Materialize palm_evaluation first.",
            )
        release = release_candidate(palms.store(), palm_evaluation, gate)
    context.log.info(f"released model {release.model}")
    return dg.MaterializeResult(
        data_version=dg.DataVersion(f"{release.model}-{release.reference}"),
        metadata={
            "model": release.model,
            "reference": release.reference,
            "released": str(release.released),
            "scores": dg.MetadataValue.md(f"```\n{palm_evaluation.facts['text']}\n```"),
            "samples": picture(dcgan_checkpoint.folder / "samples.png"),
            **figures(palm_evaluation.facts),
        },
    )
