"""Stage "reference": statistics of the real palms, which samples are compared with."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from palm_assets.progress import Progress, no_progress
from palm_assets.quality.config import ReferenceConfig
from palm_assets.quality.extractors.fingerprint import extractor_fingerprint
from palm_assets.stages.code_versions import CODE_VERSIONS
from palm_assets.stages.crops import open_crops
from palm_assets.store.artifacts import Artifact, Store

if TYPE_CHECKING:
    from palm_assets.quality.reference import Reference


def make_reference(
    store: Store, crops: Artifact, config: ReferenceConfig, *, progress: Progress = no_progress
) -> Artifact:
    """Compute the statistics of the training people's crops, and the metrics of those of the test people.

    Nothing about a model is chosen by the test people, unlike those of validation.

    Raises:
        WeightsUnavailableError: the extractor's weights are not available.
        PackageMissingError, ClusterError: `engine` is ray, which is not installed or cannot be reached.
        QualityError: the crops are too few.
    """
    config = _with_resolved_extractor(config)

    def build(folder: Path) -> Mapping[str, Any]:
        from palm_assets.quality.reference_files import save_reference

        reference = _build(crops, config, progress)
        save_reference(reference, folder)
        return {"extractor": reference.extractor, "digest": reference.digest, "n": reference.n}

    digest, precision = extractor_fingerprint(config.extractor)
    inputs = {"crops": crops.version, "extractor": digest, "precision": precision}
    return store.make(
        "reference", build, inputs=inputs, config=config, code_version=CODE_VERSIONS["reference"]
    )


def _build(crops: Artifact, config: ReferenceConfig, progress: Progress) -> Reference:
    opened = open_crops(crops)
    people = opened.people_in_rows("test")
    if config.engine == "ray":
        from palm_assets.crops.extraction import CROPS_FILE
        from palm_assets.quality.ray_reference import build_reference_on_cluster

        return build_reference_on_cluster(
            crops.folder.absolute() / CROPS_FILE,
            opened.span("train"),
            opened.span("test"),
            config,
            holdout_people=people,
            progress=progress,
        )
    from palm_assets.quality.reference_builder import build_reference

    return build_reference(opened.train, opened.test, config, holdout_people=people, progress=progress)


def _with_resolved_extractor(config: ReferenceConfig) -> ReferenceConfig:
    """Replace "auto" by the extractor that it stands for here, which is part of the reference's version."""
    from palm_assets.quality.extractors.weights import install, resolve_extractor

    weights = None if config.weights is None else Path(config.weights).expanduser()
    extractor = resolve_extractor(config.extractor, weights=weights)
    if weights is not None:
        install(extractor, weights)
    return config.model_copy(update={"extractor": extractor, "weights": None})
