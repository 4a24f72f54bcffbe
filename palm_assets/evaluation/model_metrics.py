"""Metrics of one model over several sets of its samples: what the release gate compares."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from math import isfinite, nan
from typing import Any

from palm_assets.errors import ArtifactCorruptError

MIN_SETS = 2  # with one, nothing is known of how much a distance varies


@dataclass(frozen=True)
class ModelMetrics:
    """Metrics of one model over several sets of samples.

    The distances of a set vary from set to set, so they are given for each: their variance is the error of
    the measurement, and two models differ only beyond it. Ratios are relative to real images: to those of
    people held out for the test where nothing else is said.

    Attributes:
        n: samples in each set.
        frechet: Fréchet distance of each set to the reference.
        kid: kernel distance of each set to the reference.
        frechet_collapsed: Fréchet distance of a fully collapsed model, whose samples all have the mean
            features of the real images: the trace of the reference's covariance.
        kid_collapsed: kernel distance of a model that repeats one real image, the mean over these.
        variance_ratio: total variance of the features; 0 if all samples are one image. Relative to training
            images.
        nearest_neighbor_ratio: median distance of a sample to the most similar other sample of its set, over
            the same among as many training images; near 0 if a few images are repeated.
        density_ratio: density, the mean over the sets; NaN without real images.
        coverage_ratio: coverage, the mean over the sets; NaN without real images.
        contrast_ratio: median standard deviation of an image's pixels. Relative to training images.
        blank_share: share in [0, 1] of samples with less than a quarter of the training images' median
            contrast.
        copy_share: share in [0, 1] of samples whose correlation with a training image, mirrored, moved,
            rotated, zoomed or recolored, is above 0.97, and above that of 95 % of the test people's images;
            NaN without these.
        repeat_share: share in [0, 1] of samples that repeat another one of their set.
        real_repeat_share: the same share among as many training images, of which some are taken in a series.
    """

    n: int
    frechet: tuple[float, ...]
    kid: tuple[float, ...]
    frechet_collapsed: float
    kid_collapsed: float
    variance_ratio: float
    nearest_neighbor_ratio: float
    density_ratio: float
    coverage_ratio: float
    contrast_ratio: float
    blank_share: float
    copy_share: float
    repeat_share: float
    real_repeat_share: float

    @property
    def sets(self) -> int:
        """Number of sets."""
        return len(self.frechet)

    def to_json(self) -> dict[str, Any]:
        """All fields as plain values."""
        return asdict(self)

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> ModelMetrics:
        """The inverse of `to_json`, also from JSON that has null for a value that is not finite.

        Raises:
            ArtifactCorruptError: these are metrics of another version of the program, or no numbers.
        """
        try:
            sets = {name: tuple(map(_number, content[name])) for name in ("frechet", "kid")}
            others = {name: _number(value) for name, value in content.items() if name not in sets}
            found = cls(**others, **sets)  # type: ignore[arg-type]
        except (KeyError, TypeError) as error:
            raise ArtifactCorruptError(
                "The metrics are of another version of the program", hint="Materialize palm_evaluation again."
            ) from error
        if len(found.frechet) != len(found.kid) or len(found.kid) < MIN_SETS:
            raise ArtifactCorruptError(
                f"The metrics are of {len(found.frechet)} and {len(found.kid)} sets, not {MIN_SETS} or more",
                hint="Materialize palm_evaluation again.",
            )
        return found


def _number(value: Any) -> float:
    """A number of JSON, NaN for null and infinity; raises TypeError for anything else."""
    if value is None:
        return nan
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{value!r} is no number")
    return value if isfinite(value) else nan
