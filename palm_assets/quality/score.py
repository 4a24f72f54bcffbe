"""Every figure of one set of palms against the reference, beside what real palms score."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from palm_assets.errors import QualityError
from palm_assets.quality.batches import Images
from palm_assets.quality.features import Extractor, extract, load_extractor
from palm_assets.quality.floor import FloorRow, floor_at, kid_side
from palm_assets.quality.frechet import FrechetResult, frechet_distance
from palm_assets.quality.identity import require_same_extractor
from palm_assets.quality.kid import KidResult, kernel_distance
from palm_assets.quality.neighbours import NeighbourResult, neighbours
from palm_assets.quality.statistics import Floats

if TYPE_CHECKING:
    from palm_assets.quality.reference import Reference


@dataclass(frozen=True, eq=False)
class SetScore:
    """How a set of palms compares with the real ones.

    Attributes:
        n: images in the set.
        extractor: network that made the features.
        digest: its weights and preprocessing.
        frechet_result: the Frechet distance in full.
        kid_result: the kernel distance in full.
        neighbour_result: density, coverage, authenticity in full.
        floor: what real held-out palms score at this n, or at the nearest n that was measured;
            None if the reference has no holdout.
        nearest: int64 (n,), for each image the row of its nearest real one in the array of
            training images.
        distance: float64 (n,), how far that is, in feature units.
    """

    n: int
    extractor: str
    digest: str
    frechet_result: FrechetResult
    kid_result: KidResult
    neighbour_result: NeighbourResult
    floor: FloorRow | None
    nearest: NDArray[np.int64]
    distance: NDArray[np.float64]

    @property
    def label(self) -> str:
        """What to call `frechet`: "FID", or "Frechet distance" with the extractor's name."""
        return self.frechet_result.label

    @property
    def kid_label(self) -> str:
        """What to call `kid`."""
        return self.kid_result.label

    @property
    def frechet(self) -> float:
        """Frechet distance to the reference, in squared feature units, biased upwards at small n."""
        return self.frechet_result.value

    @property
    def frechet_floor(self) -> float | None:
        """Frechet distance of as many real held-out palms."""
        return None if self.floor is None else self.floor.frechet

    @property
    def excess(self) -> float | None:
        """Frechet distance above the floor: both carry the same bias of n, so it cancels to first order."""
        return None if self.floor is None else self.frechet - self.floor.frechet

    @property
    def kid(self) -> float:
        """Kernel distance, unbiased."""
        return self.kid_result.value

    @property
    def kid_sd(self) -> float:
        """Its deviation over random subsets."""
        return self.kid_result.sd

    @property
    def density(self) -> float:
        """How deep the set lies where reals are; about 1 for reals."""
        return self.neighbour_result.density

    @property
    def coverage(self) -> float:
        """Share of the real neighbourhoods that hold an image of the set; grows with n."""
        return self.neighbour_result.coverage

    @property
    def auth_pct(self) -> float:
        """Percentage of images that are not suspiciously close to a training image."""
        return self.neighbour_result.auth_pct

    def to_json(self) -> dict[str, Any]:
        """The figures as plain values; the nearest real images as lists of n."""
        return {
            "n": self.n,
            "extractor": self.extractor,
            "digest": self.digest,
            "label": self.label,
            "frechet": self.frechet,
            "frechet_floor": self.frechet_floor,
            "excess": self.excess,
            "reference_n": self.frechet_result.reference_n,
            "kid_label": self.kid_label,
            "kid": self.kid,
            "kid_sd": self.kid_sd,
            "density": self.density,
            "coverage": self.coverage,
            "auth_pct": self.auth_pct,
            "floor": None if self.floor is None else self.floor.to_json(),
            "nearest": self.nearest.tolist(),
            "distance": self.distance.tolist(),
        }

    def describe(self) -> str:
        """A few lines for people, each figure beside what real palms score."""
        floor = self.floor
        at = "" if floor is None else f"real palms at n = {floor.n}: "
        beside = ["", "", "", "", ""]
        if floor is not None:
            beside = [
                f"  ({at}{floor.frechet:.4g} ± {floor.frechet_sd:.2g})",
                f"  ({at}{floor.kid:.3g} ± {floor.kid_sd:.2g})",
                f"  ({at}{floor.density:.2f})",
                f"  ({at}{floor.coverage:.3f})",
                f"  ({at}{floor.auth_pct:.0f} %)",
            ]
        return "\n".join(
            [
                f"{self.n} images against {self.frechet_result.reference_n} real ones, "
                f"{self.extractor} [{self.digest}]",
                f"{self.label}: {self.frechet:.4g}{beside[0]}",
                f"{self.kid_label}: {self.kid:.3g} ± {self.kid_sd:.2g}{beside[1]}",
                f"density: {self.density:.2f}{beside[2]}",
                f"coverage: {self.coverage:.3f}{beside[3]}",
                f"authentic: {self.auth_pct:.0f} %{beside[4]}",
            ]
        )


def score_set(
    images: Images,
    reference: Reference,
    extractor: Extractor | None = None,
    *,
    progress: Callable[[int, int], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> SetScore:
    """Score a set of images against a reference.

    Args:
        images: uint8 RGB (N, 3, H, W), or a stream of images of any size; at least 2.
        reference: from `load_reference` or `build_reference`.
        extractor: the reference's extractor if it is already loaded, else it is loaded.
        progress: called with images done and images in all.
        cancelled: asked between batches.

    Raises:
        QualityError: fewer than 2 images, or one is not uint8 RGB.
        ExtractorMismatchError: the extractor, or the weights found for it, are not the reference's.
        WeightsUnavailableError: the extractor's weights cannot be had.
        ExtractionCancelledError: `cancelled` said so.
    """
    extractor = extractor or load_extractor(reference.extractor)  # type: ignore[arg-type]
    require_same_extractor(extractor.identity, reference.identity, where="score of a set")
    return score_features(extract(extractor, images, progress=progress, cancelled=cancelled), reference)


def score_features(features: Floats, reference: Reference) -> SetScore:
    """Score features (n, dim) that the reference's extractor made; see `score_set`."""
    if len(features) < 2:
        raise QualityError(f"A score needs at least 2 images, got {len(features)}", hint="Make more images")
    name, digest = reference.identity
    near = neighbours(features, reference.subsample, reference.distances)
    return SetScore(
        len(features),
        name,
        digest,
        frechet_distance(features, reference.statistics),
        kernel_distance(features, kid_side(reference.subsample), extractor=name, digest=digest),
        near,
        floor_at(reference.floor, len(features)),
        reference.subsample_indices[near.nearest],
        near.distance,
    )
