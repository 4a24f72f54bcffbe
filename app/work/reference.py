"""Reference statistics, their feature extractor, and the real palms that they describe."""

from __future__ import annotations

import json
import math
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from palm_assets.errors import ArtifactCorruptError, ArtifactError, PalmError, WeightsUnavailableError
from palm_assets.store.artifacts import Artifact, Store
from palm_assets.store.starter import STARTER_PREFIX

if TYPE_CHECKING:
    from palm_assets.evaluation.references import FoundReference
    from palm_assets.quality.features import Extractor
    from palm_assets.quality.reference import Reference

SHOW_REAL = "PALM_SHOW_REAL"
"""Environment variable by which the operator allows the page to show photographs of real palms."""
RETRY_SECONDS = 10.0
MAX_LOADED = 3  # references in memory, of some 50 MB each
_Key = tuple[str, str]  # the reference of the release, and the bundled model that comes with its own; or ""
FAST_EXTRACTOR = "efficientnet-lite0"
"""Takes a fraction of a second for one palm; the others take too long for a click."""


def shows_real_palms(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether the page may show photographs that the model was trained on; off unless the operator says so.

    A palm identifies a person, so its photograph is biometric data.
    """
    return environment.get(SHOW_REAL, "").lower() in ("on", "1", "true", "yes")


@dataclass(frozen=True, eq=False)
class LoadedReference:
    """A reference, ready to evaluate with.

    Attributes:
        found: the reference that it was read from.
        reference: the statistics.
        extractor: the network that computed them.
    """

    found: FoundReference
    reference: Reference
    extractor: Extractor


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
    """Loads references and real palms once, and keeps the last few; safe to share between threads."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._loaded: OrderedDict[_Key, LoadedReference] = OrderedDict()  # the last used one last
        self._statuses: dict[_Key, tuple[float, ReferenceStatus]] = {}
        self._real_palms: tuple[str, NDArray[np.uint8]] | None = None

    def of(self, model: str) -> LoadedReference:
        """What images of a model are compared with, see `find_reference`; loaded, or from the cache.

        Args:
            model: version of the model.

        Raises:
            ArtifactMissingError: there is none, or the release's does not exist.
            ArtifactCorruptError: the reference is damaged.
            WeightsUnavailableError: the extractor's weights are not on this machine.
            ExtractorMismatchError: they differ from those that the reference was computed with.
        """
        from palm_assets.evaluation.references import find_reference

        with self._lock:
            key = self._key(model)
            if key not in self._loaded:  # a verified reference is not verified again
                self._loaded[key] = self._load(find_reference(self._store, model=model))
                while len(self._loaded) > MAX_LOADED:
                    self._loaded.popitem(last=False)
            self._loaded.move_to_end(key)
            return self._loaded[key]

    def status(self, model: str) -> ReferenceStatus:
        """Whether sets of a model can be compared, and with what.

        Nothing is loaded, and files are looked at every few seconds at most.
        """
        from palm_assets.evaluation.references import find_reference

        with self._lock:
            try:
                key = self._key(model)
            except PalmError as error:
                return ReferenceStatus(problem=error)
            at, status = self._statuses.get(key, (-math.inf, ReferenceStatus()))
            if time.monotonic() > at + RETRY_SECONDS:
                try:
                    status = _status_of(find_reference(self._store, model=model).artifact)
                except PalmError as error:
                    status = ReferenceStatus(problem=error)
                self._statuses = {**self._of_now(key[0]), key: (time.monotonic(), status)}
            return status

    def knows_nobody_held_out(self, model: str, reference: LoadedReference) -> bool:
        """Whether it is on record that a model was not trained on the people held out of a reference."""
        from palm_assets.evaluation.references import knows_nobody_held_out

        return knows_nobody_held_out(self._store, model, reference.found)

    def _key(self, model: str) -> _Key:
        release = self._store.released()
        return "" if release is None else release.reference, model if model.startswith(STARTER_PREFIX) else ""

    def _of_now(self, release: str) -> dict[_Key, tuple[float, ReferenceStatus]]:
        return {key: known for key, known in self._statuses.items() if key[0] == release}

    def _load(self, found: FoundReference) -> LoadedReference:
        from palm_assets.quality.extractors.identity import require_same_extractor
        from palm_assets.quality.reference_files import load_reference

        reference = load_reference(found.artifact.folder)
        extractor = _installed_extractor(reference.extractor, reference.precision)
        require_same_extractor(extractor.identity, reference.identity, where=f"reference {found.name}")
        return LoadedReference(found, reference, extractor)

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

    def nearest(self, png: bytes, model: str, crops: str) -> NearestPalm | None:
        """Find the real palm nearest to an image; None if that is impossible within a click.

        Args:
            png: the image.
            model: version of the model that made it.
            crops: version of the real palms to search.
        """
        from palm_assets.quality.features import extract
        from palm_assets.quality.prdc import prdc

        try:
            loaded = self.of(model)
            if loaded.found.crops != crops or loaded.extractor.name != FAST_EXTRACTOR:
                return None
            features = extract(loaded.extractor, decode_png(png)[None])
        except PalmError:
            return None  # a comparison gives the reason; here the second image is just absent
        reference = loaded.reference
        near = prdc(features, reference.subsample, reference.neighbor_distances)
        row = int(reference.subsample_indices[near.nearest[0]])
        return NearestPalm(row, len(reference.subsample), loaded.extractor.name)


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
