"""Every figure of one set of palms against the reference, beside what real palms score."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from palm_assets.errors import QualityError
from palm_assets.progress import Progress, ShouldStop, never, no_progress
from palm_assets.quality.batches import Images, count_of
from palm_assets.quality.extractors.identity import require_same_extractor
from palm_assets.quality.feature_collector import Collector, in_blocks
from palm_assets.quality.features import Extractor, load_extractor, watched
from palm_assets.quality.fid_infinity import FidInfinityResult, can_extrapolate, frechet_infinity
from palm_assets.quality.floor import FloorRow, floor_at, kid_side
from palm_assets.quality.frechet import FrechetResult, frechet_distance
from palm_assets.quality.kid import KidResult, kernel_distance
from palm_assets.quality.prdc import PrdcResult, prdc
from palm_assets.quality.statistics import Floats

if TYPE_CHECKING:
    from palm_assets.quality.reference import Reference

KEPT = 10_000  # features in memory at most
PARTS = 4


@dataclass(frozen=True, eq=False)
class SetMetrics:
    """How a set of palms compares with the real ones.

    Attributes:
        n: images in the set.
        extractor: network that made the features.
        digest: its weights and preprocessing.
        frechet_result: the Frechet distance in full.
        kid_result: the kernel distance in full.
        neighbor_result: density, coverage, authenticity in full.
        floor: what real held-out palms score at this n, or at the nearest n that was measured;
            None if the reference has no holdout.
        nearest: int64 (n,), for each image the row of its nearest real one in the array of
            training images.
        distance: float64 (n,), how far that is, in feature units.
        frechet_at_floor: Frechet distance at the floor's n: `frechet` itself, or that of random parts of
            a set larger than the floor was measured for; None if the set is smaller than that.
        infinity: the distance extrapolated to infinitely many images; None for a set too small for it.
        min_score: the set was chosen by this minimum score; None if, as far as is known, nobody chose.
    """

    n: int
    extractor: str
    digest: str
    frechet_result: FrechetResult
    kid_result: KidResult
    neighbor_result: PrdcResult
    floor: FloorRow | None
    nearest: NDArray[np.int64]
    distance: NDArray[np.float64]
    frechet_at_floor: float | None = None
    infinity: FidInfinityResult | None = None
    min_score: float | None = None

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
        """Frechet distance above the floor at one n: both carry its bias, which cancels to first order."""
        if self.floor is None or self.frechet_at_floor is None:
            return None
        return self.frechet_at_floor - self.floor.frechet

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
        return self.neighbor_result.density

    @property
    def coverage(self) -> float:
        """Share of the real neighborhoods that hold an image of the set; grows with n."""
        return self.neighbor_result.coverage

    @property
    def auth_pct(self) -> float:
        """Percentage of images that are not suspiciously close to a training image."""
        return self.neighbor_result.auth_pct

    def to_json(self) -> dict[str, Any]:
        """The figures as plain values; the nearest real images as lists of n."""
        return {
            "n": self.n,
            "extractor": self.extractor,
            "digest": self.digest,
            "label": self.label,
            "frechet": self.frechet,
            "frechet_floor": self.frechet_floor,
            "frechet_at_floor": self.frechet_at_floor,
            "excess": self.excess,
            "infinity": None if self.infinity is None else self.infinity.to_json(),
            "reference_n": self.frechet_result.reference_n,
            "kid_label": self.kid_label,
            "kid": self.kid,
            "kid_sd": self.kid_sd,
            "density": self.density,
            "coverage": self.coverage,
            "auth_pct": self.auth_pct,
            "min_score": self.min_score,
            "floor": None if self.floor is None else self.floor.to_json(),
            "nearest": self.nearest.tolist(),
            "distance": self.distance.tolist(),
        }

    def describe(self) -> str:
        """A few lines for people, each figure beside what real palms score."""
        floor = self.floor
        at = "" if floor is None else f"real palms at n = {floor.n}: "
        beside = [""] * 5
        if floor is not None:
            beside = [
                f"  ({at}{floor.frechet:.4g} ± {floor.frechet_sd:.2g})",
                f"  ({at}{floor.kid:.3g} ± {floor.kid_sd:.2g})",
                f"  ({at}{floor.density:.2f})",
                f"  ({at}{floor.coverage:.3f})" * (floor.n == self.n),  # it grows with n
                f"  ({at}{floor.auth_pct:.0f} %)",
            ]
        return "\n".join(
            [
                f"{self.n} images against {self.frechet_result.reference_n} real ones, "
                f"{self.extractor} [{self.digest}]",
                f"{self.label}: {self.frechet:.4g}{beside[0]}",
                *self._corrected(),
                f"{self.kid_label}: {self.kid:.3g} ± {self.kid_sd:.2g}{beside[1]}",
                f"density: {self.density:.2f}{beside[2]}",
                f"coverage: {self.coverage:.3f}{beside[3]}",
                f"authentic: {self.auth_pct:.0f} %{beside[4]}",
                *self._reservations(),
            ]
        )

    def _corrected(self) -> list[str]:
        """The distance without the bias of n, as far as this set allows."""
        lines = []
        if self.floor is not None and self.excess is not None:
            spread = f", {self.excess / self.floor.frechet_sd:+.1f} of its spreads" * (
                self.floor.frechet_sd > 0
            )
            lines.append(f"  above real palms at n = {self.floor.n}: {self.excess:+.4g}{spread}")
        if self.infinity is not None:
            lines.append(f"  extrapolated to n = ∞: {self.infinity.value:.4g} ± {self.infinity.sd:.2g}")
        return lines

    def _reservations(self) -> list[str]:
        lines = []
        if self.floor is not None and self.floor.n > self.n:
            lines.append(
                f"Real palms were not measured in sets as small as {self.n}: they would score higher."
            )
        if self.min_score is not None:
            lines.append(filtered(self.min_score))
        return lines


def filtered(min_score: float) -> str:
    """What has to be said of a set that was chosen by its palms' scores."""
    return (
        f"This set was filtered: only palms with a score of {min_score:g} or more. "
        "Its figures are not those of all that its model draws."
    )


def evaluate_set(
    images: Images,
    reference: Reference,
    extractor: Extractor | None = None,
    *,
    progress: Progress = no_progress,
    should_stop: ShouldStop = never,
) -> SetMetrics:
    """Score a set of images against a reference.

    Args:
        images: uint8 RGB (N, 3, H, W), or a stream of images of any size; at least 2.
        reference: from `load_reference` or `build_reference`.
        extractor: the reference's extractor if it is already loaded, else it is loaded.
        progress: called with images done and images in all.
        should_stop: asked between batches.

    Raises:
        QualityError: fewer than 2 images, or one is not uint8 RGB.
        ExtractorMismatchError: the extractor, or the weights found for it, are not the reference's.
        WeightsUnavailableError: the extractor's weights cannot be had.
        ExtractionCancelledError: `should_stop` became true.
    """
    if extractor is None:
        extractor = load_extractor(reference.extractor, precision=reference.precision)  # type: ignore[arg-type]
    require_same_extractor(extractor.identity, reference.identity, where="score of a set")
    batches = watched(extractor.features(images), count_of(images), progress, should_stop)
    return evaluate_features(batches, reference)


def evaluate_features(features: Floats | Iterable[Floats], reference: Reference) -> SetMetrics:
    """Score features (n, dim), or a stream of them, that the reference's extractor made; see `evaluate_set`.

    The distance, density, coverage and authenticity are of all images; the kernel distance and the
    corrections for n are of `KEPT` random ones of a set that has more.
    """
    name, digest = reference.identity
    taken = Collector(len(reference.mean), KEPT, extractor=name, digest=digest)
    near: PrdcResult | None = None
    for rows in in_blocks(features):
        taken.add(rows)
        found = prdc(rows, reference.subsample, reference.distances)
        near = found if near is None else near.merge(found)
    if near is None or taken.n < 2:
        raise QualityError(f"A score needs at least 2 images, got {taken.n}", hint="Make more images")
    whole = taken.rows if taken.n <= KEPT else taken.statistics
    distance, floor = frechet_distance(whole, reference.statistics), floor_at(reference.floor, taken.n)
    return SetMetrics(
        taken.n,
        name,
        digest,
        distance,
        kernel_distance(taken.rows, kid_side(reference.subsample), extractor=name, digest=digest),
        near,
        floor,
        reference.subsample_indices[near.nearest],
        near.distance,
        None if floor is None else _at(floor.n, taken.rows, distance, reference),
        frechet_infinity(taken.rows, reference.statistics) if can_extrapolate(taken.rows) else None,
    )


def _at(n: int, rows: Floats, whole: FrechetResult, reference: Reference) -> float | None:
    """Frechet distance of random parts of n images; of the whole if it has n; None if it has fewer."""
    if whole.n <= n:
        return whole.value if whole.n == n else None
    rng = np.random.default_rng(0)
    parts = (rows[rng.permutation(len(rows))[:n]] for _ in range(PARTS))
    return float(np.mean([frechet_distance(part, reference.statistics).value for part in parts]))
