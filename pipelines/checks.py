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
)
from palm_assets.release.config import GateConfig
from palm_assets.release.decisions import record_checks
from palm_assets.release.gate import check_artifact, decide, gather
from palm_assets.release.load_check import check_loading
from palm_assets.store.artifacts import Artifact
from pipelines.failures import refusal_failure, refuse_run
from pipelines.reporting import evidence_metadata, metrics_metadata
from pipelines.resources import StoreResource, failures_in_one_line

Gate = dg.ResourceParam[GateConfig]
CheckResults = Iterator[dg.AssetCheckResult]
SHOWN_OF_MODEL = {"not_blank": SAMPLES_FILE, "not_collapsed": SAMPLES_FILE}
SHOWN_OF_EVALUATION = {"not_memorized": NEAREST_REAL_FILE}


@dg.asset_check(  # type: ignore[arg-type]  # generators are accepted
    asset="raw_hands",
    blocking=True,
    name=PHOTOS_CHECK,
    description="Enough photographs of enough people, and few unusable files.",
)
def photos_are_usable(
    context: dg.AssetCheckExecutionContext, gate: Gate, store: StoreResource, raw_hands: Artifact
) -> CheckResults:
    """Counts of photographs and people, and the share of unusable files."""
    yield from _reported(context, _check_of_data(store, raw_hands, gate))


@dg.asset_check(  # type: ignore[arg-type]  # generators are accepted
    asset="palm_detector",
    blocking=True,
    name=DETECTOR_CHECK,
    description="The detector finds the palms of its test images.",
)
def detector_finds_palms(
    context: dg.AssetCheckExecutionContext, gate: Gate, store: StoreResource, palm_detector: Artifact
) -> CheckResults:
    """AP50 on the test split."""
    yield from _reported(context, _check_of_data(store, palm_detector, gate), palm_detector, DETECTIONS_FILE)


@dg.asset_check(  # type: ignore[arg-type]  # generators are accepted
    asset="cropped_palms",
    blocking=True,
    name=CROPS_CHECK,
    description="A palm in nearly every photograph, enough crops, and nobody on both sides of the split.",
)
def crops_are_usable(
    context: dg.AssetCheckExecutionContext, gate: Gate, store: StoreResource, cropped_palms: Artifact
) -> CheckResults:
    """Share of photographs with a palm, counts, and the splits of the people."""
    yield from _reported(
        context, _check_of_data(store, cropped_palms, gate), cropped_palms, CONTACT_SHEET_FILE
    )


@dg.asset_check(  # type: ignore[arg-type]  # generators are accepted
    asset="dcgan_checkpoint",
    blocking=True,
    name=LOAD_CHECK,
    description="A fresh process loads the model as the page does, and generates an image.",
)
def loads_and_generates(
    context: dg.AssetCheckExecutionContext, store: StoreResource, dcgan_checkpoint: Artifact
) -> CheckResults:
    """The files are complete, and weights and scores finite."""
    opened = store.open()
    with failures_in_one_line():
        result = check_loading(opened, dcgan_checkpoint.version)
        record_checks(opened, dcgan_checkpoint.version, [result])
    yield from _reported(context, result)


@dg.multi_asset_check(
    specs=[
        dg.AssetCheckSpec(name, asset="palm_evaluation", blocking=True, description=description)
        for name, description in MODEL_CHECKS.items()
    ],
    name="model_checks",
)
def model_checks(
    context: dg.AssetCheckExecutionContext,
    gate: Gate,
    store: StoreResource,
    palm_evaluation: Artifact,
) -> CheckResults:
    """The gate's decision on the evaluated model; the release asset decides again, by the same rules."""
    opened = store.open()
    with failures_in_one_line():
        decision = decide(gather(opened, palm_evaluation), gate)
        record_checks(opened, decision.model, decision.checks)
        folder = opened.open("models", decision.model).folder
    for result in decision.checks:
        if result.name not in MODEL_CHECKS:
            continue
        images = {}
        if result.name in SHOWN_OF_MODEL:
            images["samples"] = folder / SHOWN_OF_MODEL[result.name]
        if result.name in SHOWN_OF_EVALUATION:
            images["nearest training images"] = palm_evaluation.folder / SHOWN_OF_EVALUATION[result.name]
        yield _asset_check_result(result, images)
    if not decision.passed:
        refuse_run(context.instance, context.run.run_id, decision.refusal)
        context.log.error(f"model {decision.model} is refused, the page keeps its model: {decision.refusal}")
        raise refusal_failure(f"model {decision.model}: {decision.refusal}. The page keeps its model.")


def _check_of_data(store: StoreResource, artifact: Artifact, gate: GateConfig) -> CheckResult:
    with failures_in_one_line():
        result = check_artifact(store.open(), artifact, gate)
    assert result is not None
    return result


def _reported(
    context: dg.AssetCheckExecutionContext,
    result: CheckResult,
    artifact: Artifact | None = None,
    image: str = "",
) -> CheckResults:
    """The result with an image; a failed check then ends the step with its reason, and the run."""
    yield _asset_check_result(result, {} if artifact is None else {image: artifact.folder / image})
    if not result.passed:
        refuse_run(context.instance, context.run.run_id, f"{result.name}: {result.reason}")
        context.log.error(f"{result.name} failed: {result.reason}")
        raise refusal_failure(f"{result.name}: {result.reason}")


def _asset_check_result(result: CheckResult, images: dict[str, Path]) -> dg.AssetCheckResult:
    """The result as Dagster's; what an image shows is only of interest if the check failed."""
    shown = {name: evidence_metadata(path, embedded=not result.passed) for name, path in images.items()}
    return dg.AssetCheckResult(
        check_name=result.name,
        passed=result.passed,
        description=result.reason,
        metadata={**metrics_metadata(result.metrics), **shown},
    )
