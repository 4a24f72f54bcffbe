"""The reference statistics in force, their feature extractor, and the real palms they describe."""

from __future__ import annotations

import json
import math
import os
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from palm_assets.errors import ArtifactCorruptError, ArtifactError, PalmError, WeightsUnavailableError
from palm_assets.store.artifacts import Artifact, Store

if TYPE_CHECKING:
    from palm_assets.evaluation.references import FoundReference
    from palm_assets.quality.features import Extractor
    from palm_assets.quality.reference import Reference

SHOW_REAL = "PALM_SHOW_REAL"
"""Environment variable by which the operator allows the page to show photographs of real palms."""
RETRY_SECONDS = 10.0
FAST_EXTRACTOR = "efficientnet-lite0"
"""Takes a fraction of a second for one palm; the others take too long for a click."""


def shows_real_palms(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether the page may show photographs that the model was trained on; off unless the operator says so.

    A palm identifies a person, so its photograph is biometric data.
    """
    return environment.get(SHOW_REAL, "").lower() in ("on", "1", "true", "yes")


@dataclass(frozen=True, eq=False)
class ReleasedReference:
    """The reference of the release, or the starter's, ready to evaluate with.

    Attributes:
        version: of the reference.
        crops: version of the real palms that it describes; "" if it was not recorded.
        reference: the statistics.
        extractor: the network that computed them.
        is_synthetic: whether it describes synthetic hands instead of real palms.
    """

    version: str
    crops: str
    reference: Reference
    extractor: Extractor
    is_synthetic: bool = False


@dataclass(frozen=True)
class ReferenceStatus:
    """What a comparison would compute.

    Attributes:
        is_fid: whether the distance may be called FID.
        problem: why there can be no comparison.
    """

    is_fid: bool = False
    problem: PalmError | None = None


@dataclass(frozen=True)
class NearestPalm:
    """The real palm nearest to a generated one.

    Attributes:
        row: its row among the training crops.
        among: number of real palms compared.
        extractor: whose features were compared.
    """

    row: int
    among: int
    extractor: str


class ReferenceCache:
    """Loads the reference and the real palms once, and keeps the newest; safe to share between threads."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._loaded: ReleasedReference | None = None
        self._wanted = ""
        self._status: tuple[str, float, ReferenceStatus] = ("", -math.inf, ReferenceStatus())
        self._real_palms: tuple[str, NDArray[np.uint8]] | None = None

    def released(self) -> ReleasedReference:
        """The reference of the release, or the starter's until there is one; loaded, or from the cache.

        Raises:
            ArtifactMissingError: there is none, or the release's does not exist.
            ArtifactCorruptError: the reference is damaged.
            WeightsUnavailableError: the extractor's weights are not on this machine.
            ExtractorMismatchError: they differ from those that the reference was computed with.
        """
        from palm_assets.evaluation.references import find_reference

        with self._lock:
            release = self._store.released()
            wanted = (
                "" if release is None else release.reference
            )  # a verified reference is not verified again
            if self._loaded is None or self._wanted != wanted:
                self._loaded, self._wanted = self._load(find_reference(self._store)), wanted
            return self._loaded

    def status(self) -> ReferenceStatus:
        """Whether sets can be compared, and with what: without loading it, and at most every few seconds."""
        from palm_assets.evaluation.references import find_reference

        with self._lock:
            try:
                release = self._store.released()
            except PalmError as error:
                return ReferenceStatus(problem=error)
            wanted = "" if release is None else release.reference
            known, at, status = self._status
            if known != wanted or time.monotonic() > at + RETRY_SECONDS:
                try:
                    status = _status_of(find_reference(self._store).artifact)
                except PalmError as error:
                    status = ReferenceStatus(problem=error)
                self._status = (wanted, time.monotonic(), status)
            return status

    def _load(self, found: FoundReference) -> ReleasedReference:
        from palm_assets.quality.extractors.identity import require_same_extractor
        from palm_assets.quality.reference_files import load_reference

        reference = load_reference(found.artifact.folder)
        extractor = _installed_extractor(reference.extractor, reference.precision)
        require_same_extractor(extractor.identity, reference.identity, where=f"reference {found.name}")
        return ReleasedReference(found.name, found.crops, reference, extractor, found.origin == "synthetic")

    def real_palms(self, version: str) -> NDArray[np.uint8] | None:
        """Training crops uint8 (N, 3, S, S) of this version; None if they are not in the store."""
        from palm_assets.crops.extraction import read_crops

        with self._lock:
            if self._real_palms is None or self._real_palms[0] != version:
                try:
                    self._real_palms = version, read_crops(self._store.open("crops", version).folder).train
                except (ArtifactError, OSError, ValueError):
                    return None
            return self._real_palms[1]

    def nearest(self, png: bytes, crops: str) -> NearestPalm | None:
        """Find the real palm nearest to an image; None if that is impossible within a click.

        Args:
            png: the image.
            crops: version of the real palms to search.
        """
        from palm_assets.quality.features import extract
        from palm_assets.quality.prdc import prdc

        try:
            released = self.released()
            if released.crops != crops or released.extractor.name != FAST_EXTRACTOR:
                return None
            features = extract(released.extractor, decode_png(png)[None])
        except PalmError:
            return None  # a comparison gives the reason; here the second image is just absent
        reference = released.reference
        near = prdc(features, reference.subsample, reference.neighbor_distances)
        row = int(reference.subsample_indices[near.nearest[0]])
        return NearestPalm(row, len(reference.subsample), released.extractor.name)


def _status_of(artifact: Artifact) -> ReferenceStatus:
    from palm_assets.quality.extractors.identity import CANONICAL_DIGEST
    from palm_assets.quality.reference_files import DESCRIPTION_FILE

    try:
        description = json.loads((artifact.folder / DESCRIPTION_FILE).read_text(encoding="utf-8"))
        extractor, digest = description["extractor"], description["digest"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ArtifactCorruptError(
            "The reference cannot be read", where=artifact.folder, hint="Build the reference again."
        ) from error
    _require_weights(extractor)
    return ReferenceStatus(is_fid=digest == CANONICAL_DIGEST)


def decode_png(png: bytes) -> NDArray[np.uint8]:
    """A PNG as uint8 (3, H, W), decoded as `palms fid` does."""
    from palm_assets.photos.reader import decode_photo

    return np.ascontiguousarray(decode_photo(png, "a palm of the set").transpose(2, 0, 1))


def _installed_extractor(name: str, precision: str) -> Extractor:
    """Load an extractor whose weights are on this machine: a visitor's click downloads nothing."""
    from palm_assets.quality.features import load_extractor

    _require_weights(name)
    return load_extractor(name, precision=precision)


def _require_weights(name: str) -> None:
    from palm_assets.quality.extractors import weights
    from palm_assets.quality.extractors.registry import EXTRACTORS

    file = EXTRACTORS[name].weights
    if file is not None and weights.find(file, weights.default_cache()) is None:
        raise WeightsUnavailableError(
            f"The weights of {name} are not on this machine",
            where=weights.default_cache(),
            hint=f"Run `palms evaluate` once, or download {file.urls[0]} into that folder.",
        )
