"""The release gate's checks as blocking asset checks. The rules are in `palm_assets.release.checks`.

The first three stop a run before hours of training on unusable data; the others decide whether a trained
model is released.
"""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg

from palm_assets.crops.config import CONTACT_SHEET_FILE
from palm_assets.detector.config import DETECTIONS_FILE
from palm_assets.evaluation.evaluation_files import NEAREST_REAL_FILE
from palm_assets.gan.plot_files import SAMPLES_FILE
from palm_assets.release.checks import (
    CROPS_CHECK,
    DETECTOR_CHECK,
    LOAD_CHECK,
    MODEL_CHECKS,
    PHOTOS_CHECK,
    CheckResult,
    check_crops,
    check_detector,
    check_photos,
)
from palm_assets.release.decisions import record_checks
from palm_assets.release.gate import decide, gather
from palm_assets.release.load_check import check_loading
from palm_assets.stages.crops import split_people
from palm_assets.store.artifacts import Artifact
from pipelines.failures import deny_run_retries
from pipelines.reporting import evidence_metadata
from pipelines.resources import GateResource, StoreResource, failures_without_retry

SHOWN_OF_MODEL = {"not_blank": SAMPLES_FILE, "not_collapsed": SAMPLES_FILE}
SHOWN_OF_EVALUATION = {"not_memorized": NEAREST_REAL_FILE}


@dg.asset_check(
    asset="raw_hands",
    blocking=True,
    name=PHOTOS_CHECK,
    description="Enough photographs of enough people, and few unusable files.",
)
def photos_are_usable(
    context: dg.AssetCheckExecutionContext, gate: GateResource, raw_hands: Artifact
) -> dg.AssetCheckResult:
    """Counts of photographs and people, and the share of unusable files."""
    return _logged(context, check_photos(raw_hands.facts, gate))


@dg.asset_check(
    asset="palm_detector",
    blocking=True,
    name=DETECTOR_CHECK,
    description="The detector finds the palms of its test images.",
)
def detector_finds_palms(
    context: dg.AssetCheckExecutionContext, gate: GateResource, palm_detector: Artifact
) -> dg.AssetCheckResult:
    """AP50 on the test split."""
    return _logged(context, check_detector(palm_detector.facts, gate), palm_detector, DETECTIONS_FILE)


@dg.asset_check(
    asset="cropped_palms",
    blocking=True,
    name=CROPS_CHECK,
    description="A palm in nearly every photograph, enough crops, and nobody on both sides of the split.",
)
def crops_are_usable(
    context: dg.AssetCheckExecutionContext, gate: GateResource, cropped_palms: Artifact
) -> dg.AssetCheckResult:
    """Share of photographs with a palm, counts, and the splits of the people."""
    with failures_without_retry():
        people = split_people(cropped_palms)
    result = check_crops(cropped_palms.facts, people, gate)
    return _logged(context, result, cropped_palms, CONTACT_SHEET_FILE)


@dg.asset_check(
    asset="dcgan_checkpoint",
    blocking=True,
    name=LOAD_CHECK,
    description="A fresh process loads the model as the page does, and generates an image.",
)
def loads_and_generates(
    context: dg.AssetCheckExecutionContext, store: StoreResource, dcgan_checkpoint: Artifact
) -> dg.AssetCheckResult:
    """The files are complete, and weights and scores finite."""
    opened = store.open()
    with failures_without_retry():
        result = check_loading(opened, dcgan_checkpoint.version)
        record_checks(opened, dcgan_checkpoint.version, [result])
    return _logged(context, result)


@dg.multi_asset_check(
    specs=[
        dg.AssetCheckSpec(name, asset="palm_evaluation", blocking=True, description=description)
        for name, description in MODEL_CHECKS.items()
    ],
    name="model_checks",
)
def model_checks(
    context: dg.AssetCheckExecutionContext,
    gate: GateResource,
    store: StoreResource,
    palm_evaluation: Artifact,
) -> Iterator[dg.AssetCheckResult]:
    """The gate's decision on the evaluated model; the release asset decides again, by the same rules."""
    opened = store.open()
    with failures_without_retry():
        decision = decide(gather(opened, palm_evaluation), gate)
        record_checks(opened, decision.model, decision.checks)
        folder = opened.open("models", decision.model).folder
    if not decision.passed:
        deny_run_retries(context.instance, context.run.run_id)
        context.log.error(f"model {decision.model} is refused, the released model stays: {decision.refusal}")
    for result in decision.checks:
        if result.name not in MODEL_CHECKS:
            continue
        images = {}
        if result.name in SHOWN_OF_MODEL:
            images["samples"] = folder / SHOWN_OF_MODEL[result.name]
        if result.name in SHOWN_OF_EVALUATION:
            images["nearest training images"] = palm_evaluation.folder / SHOWN_OF_EVALUATION[result.name]
        yield _asset_check_result(result, images)


def _logged(
    context: dg.AssetCheckExecutionContext,
    result: CheckResult,
    artifact: Artifact | None = None,
    image: str = "",
) -> dg.AssetCheckResult:
    """The result with an image; a failed check is logged as an error, and the run is not retried."""
    if not result.passed:
        deny_run_retries(context.instance, context.run.run_id)
        context.log.error(f"{result.name} failed: {result.reason}")
    return _asset_check_result(result, {} if artifact is None else {image: artifact.folder / image})


def _asset_check_result(result: CheckResult, images: dict[str, Path]) -> dg.AssetCheckResult:
    """The result as Dagster's; what an image shows is only of interest if the check failed."""
    shown = {name: evidence_metadata(path, embedded=not result.passed) for name, path in images.items()}
    return dg.AssetCheckResult(
        check_name=result.name,
        passed=result.passed,
        description=result.reason,
        metadata={**result.metrics, **shown},
    )
