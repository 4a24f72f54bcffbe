"""All metrics of one set of images against a reference, each beside the floor: the metric of real images.

`evaluate_set` is the one call from images to metrics; `evaluate_features` starts from features.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from palm_assets.errors import QualityError
from palm_assets.progress import Progress, ShouldStop, never, no_progress
from palm_assets.quality.batches import Images, count_of
from palm_assets.quality.extractors.identity import require_same_extractor
from palm_assets.quality.feature_collector import FeatureCollector, feature_blocks
from palm_assets.quality.features import Extractor, load_extractor, report_progress
from palm_assets.quality.fid_infinity import FidInfinityResult, can_extrapolate, fid_infinity
from palm_assets.quality.floor import FloorRow, floor_at
from palm_assets.quality.frechet import FrechetResult, frechet_distance
from palm_assets.quality.kid import KidResult, kernel_distance
from palm_assets.quality.prdc import PrdcResult, prdc
from palm_assets.quality.reference import Reference
from palm_assets.quality.statistics import Floats

SYNTHETIC_NOTE = (
    "The reference is of synthetic hands: these metrics say how far the images are from rendered hands, not "
    "from photographs."
)
MAX_FEATURES = 10_000  # kept in memory
FLOOR_SUBSETS = 4  # random subsets of the floor's size, of a set that is larger


@dataclass(frozen=True, eq=False)
class SetMetrics:
    """How a set of images compares with real ones.

    Attributes:
        n: images in the set.
        extractor: network that made the features.
        digest: its weights and preprocessing.
        frechet_result: the Fréchet distance in full.
        kid_result: the kernel distance in full.
        prdc_result: density, coverage and authenticity in full.
        floor: metrics of real held-out images at this n, or at the nearest n that was measured; None if the
            reference has no held-out images.
        nearest: int64 (n,), for each image the row of its nearest real one in the array of training images.
        distance: float64 (n,), the distance to it, in feature units.
        frechet_at_floor: Fréchet distance at the floor's n: `frechet` itself, or the mean over random subsets
            of a set that is larger than the floor was measured for; None if the set is smaller.
        fid_infinity: the distance extrapolated to infinitely many images; None if the set is too small for
            it.
        min_score: the minimum score by which the set was filtered; None if, as far as is known, it was not.
        not_square: images of other shapes than crops have.
        reference: name of what it was compared with; "" if that has none.
        reference_is_synthetic: whether that is of synthetic hands.
    """

    n: int
    extractor: str
    digest: str
    frechet_result: FrechetResult
    kid_result: KidResult
    prdc_result: PrdcResult
    floor: FloorRow | None
    nearest: NDArray[np.int64]
    distance: NDArray[np.float64]
    frechet_at_floor: float | None = None
    fid_infinity: FidInfinityResult | None = None
    min_score: float | None = None
    not_square: int = 0
    reference: str = ""
    reference_is_synthetic: bool = False

    @property
    def label(self) -> str:
        """Name of `frechet`: "FID", or "Fréchet distance" with the extractor's name."""
        return self.frechet_result.label

    @property
    def kid_label(self) -> str:
        """Name of `kid`: "KID", or "kernel distance" with the extractor's name."""
        return self.kid_result.label

    @property
    def frechet(self) -> float:
        """Fréchet distance to the reference, in squared feature units, biased upwards at small n."""
        return self.frechet_result.value

    @property
    def frechet_floor(self) -> float | None:
        """Fréchet distance of as many real held-out images."""
        return None if self.floor is None else self.floor.frechet

    @property
    def excess(self) -> float | None:
        """Fréchet distance above the floor at the same n: the biases of both cancel to first order."""
        if self.floor is None or self.frechet_at_floor is None:
            return None
        return self.frechet_at_floor - self.floor.frechet

    @property
    def kid(self) -> float:
        """Kernel distance, unbiased."""
        return self.kid_result.value

    @property
    def kid_sd(self) -> float:
        """Standard deviation of the kernel distance over random subsets."""
        return self.kid_result.sd

    @property
    def density(self) -> float:
        """Density of the set among real images; about 1 for real ones."""
        return self.prdc_result.density

    @property
    def coverage(self) -> float:
        """Share of the real neighborhoods that contain an image of the set; grows with n."""
        return self.prdc_result.coverage

    @property
    def auth_pct(self) -> float:
        """Percentage of images that are not suspiciously close to a training image."""
        return self.prdc_result.auth_pct

    def to_json(self) -> dict[str, Any]:
        """The metrics as plain values; `nearest` and `distance` as lists of n."""
        return {
            "n": self.n,
            "extractor": self.extractor,
            "digest": self.digest,
            "label": self.label,
            "frechet": self.frechet,
            "frechet_floor": self.frechet_floor,
            "frechet_at_floor": self.frechet_at_floor,
            "excess": self.excess,
            "fid_infinity": None if self.fid_infinity is None else self.fid_infinity.to_json(),
            "reference_n": self.frechet_result.reference_n,
            "kid_label": self.kid_label,
            "kid": self.kid,
            "kid_sd": self.kid_sd,
            "density": self.density,
            "coverage": self.coverage,
            "auth_pct": self.auth_pct,
            "min_score": self.min_score,
            "not_square": self.not_square,
            "reference": self.reference,
            "reference_is_synthetic": self.reference_is_synthetic,
            "floor": None if self.floor is None else self.floor.to_json(),
            "nearest": self.nearest.tolist(),
            "distance": self.distance.tolist(),
        }

    def describe(self) -> str:
        """A few lines for people, each metric beside that of real images."""
        floor = self.floor
        at = "" if floor is None else f"real images at n = {floor.n}: "
        real = [""] * 5
        if floor is not None:
            real = [
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
                f"{self.label}: {self.frechet:.4g}{real[0]}",
                *self._bias_corrected(),
                f"{self.kid_label}: {self.kid:.3g} ± {self.kid_sd:.2g}{real[1]}",
                f"density: {self.density:.2f}{real[2]}",
                f"coverage: {self.coverage:.3f}{real[3]}",
                f"authentic: {self.auth_pct:.0f} %{real[4]}",
                *self._notes(),
            ]
        )

    def _bias_corrected(self) -> list[str]:
        """The Fréchet distance without the bias of n, as far as the set is large enough."""
        lines = []
        if self.floor is not None and self.excess is not None:
            sd = self.floor.frechet_sd
            spread = f", {self.excess / sd:+.1f} standard deviations" if sd > 0 else ""
            lines.append(f"  above real images at n = {self.floor.n}: {self.excess:+.4g}{spread}")
        if self.fid_infinity is not None:
            value, sd = self.fid_infinity.value, self.fid_infinity.sd
            lines.append(f"  extrapolated to n = ∞: {value:.4g} ± {sd:.2g}")
        return lines

    def _notes(self) -> list[str]:
        lines = []
        if self.floor is not None and self.floor.n > self.n:
            lines.append(
                f"Real images were not measured in sets as small as {self.n}: their distance would be larger."
            )
        if self.min_score is not None:
            lines.append(filter_note(self.min_score))
        if self.reference_is_synthetic:
            lines.append(SYNTHETIC_NOTE)
        if 2 * self.not_square > self.n:
            lines.append(
                f"{self.not_square} of {self.n} images are not square, so they look like photographs that "
                "were not cropped, and the reference is of crops: `palms crop FOLDER --out DIR` crops them."
            )
        return lines


def filter_note(min_score: float) -> str:
    """The sentence that goes with the metrics of a set filtered by a minimum score."""
    return (
        f"This set was filtered: only images with a score of {min_score:g} or more. "
        "Its metrics are not those of all samples of its model."
    )


def evaluate_set(
    images: Images,
    reference: Reference,
    extractor: Extractor | None = None,
    *,
    progress: Progress = no_progress,
    should_stop: ShouldStop = never,
) -> SetMetrics:
    """Evaluate a set of images against a reference: images to features, to statistics, to metrics.

    Args:
        images: uint8 RGB (N, 3, H, W), or a stream of images of any size; at least 2.
        reference: from `load_reference` or `build_reference`.
        extractor: the reference's extractor if it is loaded already; by default it is loaded.
        progress: called with images done and images in all.
        should_stop: called between batches.

    Raises:
        QualityError: fewer than 2 images, or one is not uint8 RGB.
        ExtractorMismatchError: the extractor, or the weights found for it, are not the reference's.
        WeightsUnavailableError: the extractor's weights are not available.
        ExtractionCancelledError: `should_stop` returned True.
    """
    extractor = extractor or load_reference_extractor(reference)
    require_same_extractor(extractor.identity, reference.identity, where="evaluation of a set")
    batches = report_progress(extractor.features(images), count_of(images), progress, should_stop)
    return evaluate_features(batches, reference)


def evaluate_features(features: Floats | Iterable[Floats], reference: Reference) -> SetMetrics:
    """Evaluate features (n, dim), or a stream of them, by the reference's extractor; see `evaluate_set`.

    Fréchet distance, density, coverage and authenticity are of all images. The kernel distance and the
    corrections for n are of `MAX_FEATURES` random ones if the set has more.

    Raises:
        QualityError: fewer than 2 images, or features that are not finite.
    """
    name, digest = reference.identity
    collector = FeatureCollector(len(reference.mean), MAX_FEATURES, extractor=name, digest=digest)
    neighbors: PrdcResult | None = None
    for block in feature_blocks(features):
        collector.add(block)
        of_block = prdc(block, reference.subsample, reference.neighbor_distances)
        neighbors = of_block if neighbors is None else neighbors.merge(of_block)
    n, rows = collector.n, collector.rows
    if neighbors is None or n < 2:
        raise QualityError(f"An evaluation needs at least 2 images, got {n}", hint="Give more images")
    frechet = frechet_distance(rows if n <= MAX_FEATURES else collector.statistics, reference.statistics)
    floor = floor_at(reference.floor, n)
    return SetMetrics(
        n=n,
        extractor=name,
        digest=digest,
        frechet_result=frechet,
        kid_result=kernel_distance(rows, reference.kid_features, extractor=name, digest=digest),
        prdc_result=neighbors,
        floor=floor,
        nearest=reference.subsample_indices[neighbors.nearest],
        distance=neighbors.distance,
        frechet_at_floor=None if floor is None else _frechet_at(floor.n, rows, frechet, reference),
        fid_infinity=fid_infinity(rows, reference.statistics) if can_extrapolate(rows) else None,
    )


def load_reference_extractor(reference: Reference) -> Extractor:
    """Load the extractor that made a reference, in the reference's precision.

    Raises:
        ExtractorMismatchError: the weights found here are not the reference's.
        WeightsUnavailableError: the weights are neither here nor downloadable.
    """
    extractor = load_extractor(reference.extractor, precision=reference.precision)
    require_same_extractor(extractor.identity, reference.identity, where="extractor of the reference")
    return extractor


def _frechet_at(n: int, rows: Floats, whole: FrechetResult, reference: Reference) -> float | None:
    """Mean Fréchet distance of random subsets of n images; None if the whole set has fewer."""
    if whole.n <= n:
        return whole.value if whole.n == n else None
    rng = np.random.default_rng(0)
    subsets = (rows[rng.permutation(len(rows))[:n]] for _ in range(FLOOR_SUBSETS))
    return float(np.mean([frechet_distance(subset, reference.statistics).value for subset in subsets]))
