"""The artifacts that a run works with, one for each asset, in the tags of the run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast, get_args

import dagster as dg

from palm_assets.errors import LineageError
from palm_assets.store.artifacts import Artifact, Kind, Store
from pipelines.run_tags import run_tags, set_run_tags

# Dagster's list of runs leaves out tags with its prefix; the dialog of all tags has them.
# Unlike hidden ones (".dagster/"), they are copied to a run that the UI executes again.
TAG_PREFIX = "dagster/palms/"
EARLIER_PREFIX = "palms/"  # of runs before that
KIND_OF_ASSET: dict[str, Kind] = {
    "raw_hands": "photos",
    "raw_palm_boxes": "boxes",
    "palm_detector": "detector",
    "cropped_palms": "crops",
    "dcgan_checkpoint": "models",
    "fid_reference": "reference",
    "palm_evaluation": "evaluations",
}


@dataclass(frozen=True)
class RunInputs:
    """The artifacts of one run: those that it made, and those that it found when it first needed them.

    Attributes:
        store: holds the artifacts.
        instance: holds the tags.
        run_id: of the run.
    """

    store: Store
    instance: dg.DagsterInstance
    run_id: str

    def resolve(self, asset: str) -> Artifact:
        """The artifact of an asset: that of this run's tags, else the current one, which is tagged.

        Raises:
            ArtifactMissingError: the asset was never materialized, or the artifact of the tag is gone.
            ArtifactCorruptError: it is damaged.
            LineageError: the tag or the pointer names no artifact of the asset's kind.
        """
        tags = self._tags()
        tag = tags.get(TAG_PREFIX + asset, tags.get(EARLIER_PREFIX + asset))
        if tag is not None:
            kind, _, version = tag.partition("/")
            if kind not in get_args(Kind) or kind != KIND_OF_ASSET.get(asset, kind):
                raise LineageError(
                    f"The run's tag names no artifact of {asset}: {tag}",
                    where=TAG_PREFIX + asset,
                    hint="Start a new run.",
                )
            return self.store.open(cast(Kind, kind), version)
        artifact = self.store.current(asset)
        if artifact.kind != KIND_OF_ASSET.get(asset, artifact.kind):
            raise LineageError(
                f"The pointer of {asset} names {artifact.kind} {artifact.version}",
                where=self.store.home / "current",
                hint=f"Materialize {asset} again.",
            )
        self._tag(asset, artifact)
        return artifact

    def hand_over(self, asset: str, artifact: Artifact) -> None:
        """Make an artifact the one of its asset, for the rest of this run and for later runs.

        Raises:
            LineageError: the run cannot be tagged.
            DiskFullError, ArtifactError: the store cannot be written.
        """
        self._tag(asset, artifact)
        self.store.set_current(asset, artifact)

    def _tag(self, asset: str, artifact: Artifact) -> None:
        """Tag the run with the artifact of an asset.

        Raises:
            LineageError: the tag does not hold, because others keep writing tags of the same run.
        """
        key, value = TAG_PREFIX + asset, f"{artifact.kind}/{artifact.version}"
        if not set_run_tags(self.instance, self.run_id, {key: value}):
            raise LineageError(f"The run cannot be tagged with {value}", where=key, hint="Start it again.")

    def _tags(self) -> dict[str, str]:
        return run_tags(self.instance, self.run_id)
