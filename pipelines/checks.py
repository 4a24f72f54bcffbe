"""The gate as Dagster sees it: blocking checks, each a thin wrapper around a pure evaluator of the library.

The first three keep a bad set from costing a night of training; those of the checkpoint and of its scores
stand between it and its release.
"""

from collections.abc import Iterator

import dagster as dg

from palm_assets.release.checks import CheckResult, check_detector, check_photos
from palm_assets.release.config import GateConfig
from palm_assets.release.decisions import record, refusal
from palm_assets.release.gate import check_crops_artifact, check_evaluation
from palm_assets.release.load_check import CHECK as LOADS
from palm_assets.release.load_check import check_loading
from palm_assets.store.artifacts import Artifact
from pipelines.reporting import picture
from pipelines.resources import PalmStore, clear_failures

OF_SCORES = {
    "not_blank": "Its palms have contrast.",
    "not_collapsed": "Its palms differ as real ones do: neither one palm nor a few, repeated.",
    "not_memorised": "Few of its palms lie suspiciously near to a photograph that it was trained on.",
    "resembles_palms": "Its palms are not far from real ones, beside one average palm, repeated.",
    "not_worse_than_released": "No distance exceeds the released model's by more than it wavers.",
    "not_withdrawn": "Nobody put another model in its place by hand.",
}
PICTURED = {"not_blank": "samples.png", "not_collapsed": "samples.png"}


class Gate(GateConfig, dg.ConfigurableResource):  # type: ignore[type-arg]
    """The bounds of all checks."""


@dg.asset_check(asset="raw_hands", blocking=True, description="Enough photographs of enough people.")
def photographs_are_sane(
    context: dg.AssetCheckExecutionContext, gate: Gate, raw_hands: Artifact
) -> dg.AssetCheckResult:
    """Counts, people, and the share of unusable files."""
    return _told(context, check_photos(raw_hands.facts, gate))


@dg.asset_check(asset="palm_detector", blocking=True, description="It finds palms that it never saw.")
def detector_finds_palms(
    context: dg.AssetCheckExecutionContext, gate: Gate, palm_detector: Artifact
) -> dg.AssetCheckResult:
    """AP50 on the test split."""
    return _told(context, check_detector(palm_detector.facts, gate), palm_detector, "detections.png")


@dg.asset_check(asset="cropped_palms", blocking=True, description="A palm on most photographs, people split.")
def crops_are_sane(
    context: dg.AssetCheckExecutionContext, gate: Gate, cropped_palms: Artifact
) -> dg.AssetCheckResult:
    """Share of photographs with a palm, counts, and nobody on both sides of the split."""
    with clear_failures():
        verdict = check_crops_artifact(cropped_palms, gate)
    return _told(context, verdict, cropped_palms, "contact_sheet.png")


@dg.asset_check(
    asset="dcgan_checkpoint",
    blocking=True,
    name=LOADS,
    description="A fresh process can load and run it by the page's own door.",
)
def loads_and_draws(
    context: dg.AssetCheckExecutionContext, palms: PalmStore, dcgan_checkpoint: Artifact
) -> dg.AssetCheckResult:
    """Weights that are finite and can be loaded."""
    with clear_failures():
        verdict = check_loading(palms.store(), dcgan_checkpoint.version)
        record(palms.store(), dcgan_checkpoint.version, [verdict])
    return _told(context, verdict)


@dg.multi_asset_check(
    specs=[
        dg.AssetCheckSpec(name, asset="palm_evaluation", blocking=True, description=what)
        for name, what in OF_SCORES.items()
    ],
    name="evaluation_passes",
)
def evaluation_passes(
    context: dg.AssetCheckExecutionContext, gate: Gate, palms: PalmStore, palm_evaluation: Artifact
) -> Iterator[dg.AssetCheckResult]:
    """What the candidate's palms are like, in themselves and beside those of the released model."""
    store, model = palms.store(), palm_evaluation.manifest.inputs["model"]
    with clear_failures():
        verdicts = check_evaluation(store, palm_evaluation, gate)
        record(store, model, verdicts)
        folder = store.open("models", model).folder
    if why := refusal(verdicts):
        context.log.error(f"Model {model} is refused, what is released stays: {why}")
    for verdict in verdicts:
        name = PICTURED.get(verdict.check)
        shown = {"samples": picture(folder / name)} if name else {}
        if verdict.check == "not_memorised":
            shown = {"beside its nearest photographs": picture(palm_evaluation.folder / "beside_real.png")}
        yield _result(verdict, shown)


def _told(
    context: dg.AssetCheckExecutionContext,
    verdict: CheckResult,
    artifact: Artifact | None = None,
    pictured: str = "",
) -> dg.AssetCheckResult:
    if not verdict.passed:
        context.log.error(f"{verdict.check} failed: {verdict.reason}")
    return _result(verdict, {} if artifact is None else {pictured: picture(artifact.folder / pictured)})


def _result(verdict: CheckResult, shown: dict[str, dg.MetadataValue]) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        check_name=verdict.check,
        passed=verdict.passed,
        description=verdict.reason,
        metadata={**verdict.figures, **shown},
    )
