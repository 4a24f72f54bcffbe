"""What sets are measured with: the released statistics of real palms, their extractor, and the real palms."""

from __future__ import annotations

import io
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from palm_assets.errors import ArtifactError, ArtifactMissingError, PalmError, WeightsUnavailableError
from palm_assets.store.artifacts import Store

if TYPE_CHECKING:
    from palm_assets.quality.features import Extractor
    from palm_assets.quality.reference import Reference

QUICK = (
    "efficientnet-lite0"  # takes a fraction of a second for one palm; the others take too long for a click
)


@dataclass(frozen=True, eq=False)
class Yardstick:
    """The statistics of real palms, ready to measure with.

    Attributes:
        version: of the reference.
        crops: version of the real palms that it describes; "" if it was not recorded.
        reference: the statistics.
        extractor: the network that made them.
    """

    version: str
    crops: str
    reference: Reference
    extractor: Extractor

    @property
    def is_quick(self) -> bool:
        """Whether a single palm can be looked at within a click."""
        return self.extractor.name == QUICK


@dataclass(frozen=True)
class Nearest:
    """The real palm nearest to a drawn one.

    Attributes:
        row: its row among the palms of training.
        among: how many real palms were compared.
        extractor: whose features were compared.
    """

    row: int
    among: int
    extractor: str


class Yardsticks:
    """Loads what is asked for, once, and keeps the newest; safe to share between threads."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._kept: Yardstick | None = None
        self._palms: tuple[str, np.ndarray] | None = None

    def released(self) -> Yardstick:
        """The one that belongs to the release.

        Raises:
            ArtifactMissingError: nothing is released, or its statistics are not there.
            ArtifactCorruptError: the statistics are damaged.
            WeightsUnavailableError: the extractor's weights are not on this machine.
            ExtractorMismatchError: they are others than those of the statistics.
        """
        release = self._store.released()
        if release is None:
            raise ArtifactMissingError(
                "Nothing is released", where=self._store.home, hint="Run `make pipeline`."
            )
        with self._lock:
            if self._kept is None or self._kept.version != release.reference:
                self._kept = self._load(release.reference)
            return self._kept

    def _load(self, version: str) -> Yardstick:
        from palm_assets.quality.extractors.identity import require_same_extractor
        from palm_assets.quality.reference_files import load_reference

        artifact = self._store.open("reference", version)
        reference = load_reference(artifact.folder)
        extractor = _extractor_at_hand(reference.extractor, reference.precision)
        require_same_extractor(extractor.identity, reference.identity, where=f"reference {version}")
        return Yardstick(version, artifact.manifest.inputs.get("crops", ""), reference, extractor)

    def real_palms(self, version: str) -> np.ndarray | None:
        """The crops of the people in training, uint8 (N, 3, S, S); None if they are not in the store."""
        from palm_assets.stages.open_artifacts import open_crops

        with self._lock:
            if self._palms is None or self._palms[0] != version:
                try:
                    self._palms = version, open_crops(self._store.open("crops", version)).train
                except (ArtifactError, OSError, ValueError):
                    return None
            return self._palms[1]

    def nearest(self, png: bytes, crops: str) -> Nearest | None:
        """The real palm nearest to a picture; None if that cannot be told within a click.

        Args:
            png: the picture.
            crops: version of the real palms that it has to be among.
        """
        from palm_assets.quality.features import extract
        from palm_assets.quality.prdc import prdc

        try:
            yardstick = self.released()
            if yardstick.crops != crops or not yardstick.is_quick:
                return None
            features = extract(yardstick.extractor, pixels(png)[None])
        except PalmError:
            return None  # whoever asks for the figures is told why; here there is just no second picture
        reference = yardstick.reference
        near = prdc(features, reference.subsample, reference.distances)
        row = int(reference.subsample_indices[near.nearest[0]])
        return Nearest(row, len(reference.subsample), yardstick.extractor.name)


def pixels(png: bytes) -> np.ndarray:
    """A PNG as uint8 (3, H, W), decoded as `palms fid` does."""
    from palm_assets.photos.reader import decode_photo

    return np.ascontiguousarray(decode_photo(png, "a palm of the set").transpose(2, 0, 1))


def png_of(image: np.ndarray) -> bytes:
    """A picture uint8 (3, H, W) as PNG."""
    stream = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(image.transpose(1, 2, 0))).save(stream, "PNG", compress_level=1)
    return stream.getvalue()


def _extractor_at_hand(name: str, precision: str) -> Extractor:
    """The extractor, if its weights are on this machine: a visitor's click downloads nothing."""
    from palm_assets.quality import features
    from palm_assets.quality.extractors import weights

    download = features.DOWNLOADS.get(name)
    if download is not None and weights.find(download, weights.default_cache()) is None:
        raise WeightsUnavailableError(
            f"The weights of {name} are not on this machine",
            where=weights.default_cache(),
            hint=f"Run `palms evaluate` once, or fetch {download.urls[0]} into that folder.",
        )
    return features.load_extractor(name, precision=precision)  # type: ignore[arg-type]
