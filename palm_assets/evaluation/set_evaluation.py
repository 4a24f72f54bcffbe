"""Evaluation of any set of images: against a reference of the store, or against another set."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from palm_assets.errors import QualityError
from palm_assets.evaluation.references import find_reference
from palm_assets.generation.png_metadata import HEAD_BYTES, read_png_metadata
from palm_assets.progress import Progress, no_progress
from palm_assets.quality.extractors.registry import ExtractorName
from palm_assets.quality.features import extract, load_extractor
from palm_assets.quality.frechet import FrechetResult, frechet_distance
from palm_assets.quality.image_sets import ImageSet, open_images
from palm_assets.quality.kid import KidResult, kernel_distance
from palm_assets.quality.reference import Reference
from palm_assets.quality.reference_files import load_reference
from palm_assets.quality.set_metrics import SetMetrics, evaluate_set, filter_note
from palm_assets.quality.statistics import FeatureStatistics
from palm_assets.quality.statistics_files import extractor_of, read_statistics
from palm_assets.store.artifacts import Store
from palm_assets.store.origins import Origin

SQUARE = 1.02  # sides of an image with a larger ratio are not those of a crop


def evaluate(
    images: np.ndarray | ImageSet | Path | str,
    reference: Reference | Path | str | None = None,
    *,
    store: Store | Path | str | None = None,
    progress: Progress = no_progress,
) -> SetMetrics:
    """Evaluate a set of images against real palms.

    Args:
        images: a folder or ZIP of images of any size and mode, or an array uint8 RGB (N, 3, H, W), also in an
            NPY or NPZ file; at least 2.
        reference: what to compare with: a loaded reference, the version of one in the store (a `str`), or the
            folder of one. A string that names a folder is a folder. "starter" and "hands" are the references
            that come with these models. By default the own one of the bundled model that made the images,
            according to their metadata; for others, that of the released model of photographs, else the
            starter's.
        store: where references are looked up, a store or its folder; by default `Store()`.
        progress: called with images done and images in all.

    Raises:
        ArtifactMissingError: there is no such reference, or none at all yet.
        ArtifactCorruptError: the reference is damaged.
        QualityError: fewer than 2 images, or not what `images` may be.
        PhotoError: an image of the folder or ZIP cannot be read.
        ExtractorMismatchError, WeightsUnavailableError: the reference's extractor cannot be had here.
    """
    name, origin = "", None
    if not isinstance(images, np.ndarray | ImageSet):
        images = open_images(Path(images))
    if not isinstance(reference, Reference):
        model = "" if isinstance(images, np.ndarray) else model_of(images)
        folder, name, origin = _find_reference(reference, store, model)
        reference = load_reference(folder)
    if isinstance(images, np.ndarray):
        metrics = evaluate_set(images, reference, progress=progress)
    else:
        found = images
        shapes = _Shapes(found)
        metrics = evaluate_set(shapes, reference, progress=progress)
        metrics = replace(metrics, min_score=min_score_of(found), not_square=shapes.not_square)
    return replace(metrics, reference=name, reference_is_synthetic=origin == "synthetic")


@dataclass
class _Shapes:
    """Images that are passed on one at a time, and how many of them were not square."""

    images: ImageSet
    not_square: int = 0

    def __len__(self) -> int:
        return len(self.images)

    def __iter__(self) -> Iterator[np.ndarray]:
        self.not_square = 0
        for image in self.images:
            height, width = image.shape[1:]
            self.not_square += max(height, width) > SQUARE * min(height, width)
            yield image


def _find_reference(
    reference: Path | str | None, store: Store | Path | str | None, model: str
) -> tuple[Path, str, Origin | None]:
    """Folder, name and origin of a reference."""
    if isinstance(reference, Path) or (reference is not None and Path(reference).is_dir()):
        return Path(reference), str(reference), None
    found = find_reference(store if isinstance(store, Store) else Store(store), reference, model=model)
    return found.artifact.folder, found.name, found.origin


@dataclass(frozen=True)
class SetComparison:
    """Distances between two sets of images.

    Attributes:
        frechet: Fréchet distance.
        kid: kernel distance; None if of the other set only statistics are known.
        min_score: the first set was filtered by this minimum score; None if, as far as is known, it was not.
    """

    frechet: FrechetResult
    kid: KidResult | None
    min_score: float | None

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        kid = None if self.kid is None else self.kid.to_json()
        return {"frechet": self.frechet.to_json(), "kid": kid, "min_score": self.min_score}

    def describe(self) -> str:
        """A few lines for people."""
        frechet, kid = self.frechet, self.kid
        lines = [
            f"{frechet.n} images against {frechet.reference_n or 'an unknown number'}, "
            f"{frechet.extractor} [{frechet.digest}]",
            f"{frechet.label}: {frechet.value:.4g}",
        ]
        if kid is not None:
            lines.append(f"{kid.label}: {kid.value:.3g} ± {kid.sd:.2g}")
        return "\n".join([*lines, *([] if self.min_score is None else [filter_note(self.min_score)])])


def compare_sets(
    images: ImageSet,
    others: ImageSet,
    extractor_name: ExtractorName = "auto",
    *,
    progress: Progress = no_progress,
) -> SetComparison:
    """Distances of a set of images from another set, by features of one extractor.

    Args:
        images: at least 2.
        others: what to compare them with, at least 2.
        extractor_name: network that makes the features.
        progress: called with images done and images in all, over both sets together.

    Raises:
        QualityError: a set has fewer than 2 images.
        PhotoError: an image cannot be read.
        WeightsUnavailableError: the extractor's weights cannot be had.
    """
    for image_set in (images, others):
        _require_two(image_set)
    extractor = load_extractor(extractor_name)
    total = len(images) + len(others)
    ours = extract(extractor, images, progress=lambda done, _: progress(done, total))
    theirs = extract(extractor, others, progress=lambda done, _: progress(len(images) + done, total))
    name, digest = extractor.name, extractor.digest
    statistics = FeatureStatistics.from_features(theirs, extractor=name, digest=digest)
    return SetComparison(
        frechet_distance(ours, statistics),
        kernel_distance(ours, theirs, extractor=name, digest=digest),
        min_score_of(images),
    )


def compare_with_statistics(
    images: ImageSet,
    statistics: Path,
    extractor_name: ExtractorName = "auto",
    *,
    progress: Progress = no_progress,
) -> SetComparison:
    """Fréchet distance of a set of images from the statistics in an NPZ file, ours or pytorch-fid's.

    Args:
        images: at least 2.
        statistics: see `statistics_files`.
        extractor_name: network that makes the features; auto is the one that the file names, else Inception.
        progress: called with images done and images in all.

    Raises:
        ExtractorMismatchError: the statistics are of another extractor.
        QualityError: the set has fewer than 2 images, or the statistics cannot be used.
        PhotoError: an image cannot be read.
        WeightsUnavailableError: the extractor's weights cannot be had.
    """
    _require_two(images)
    extractor = load_extractor(extractor_of(statistics) if extractor_name == "auto" else extractor_name)
    reference = read_statistics(statistics, extractor.identity, extractor.network.dim)
    features = extract(extractor, images, progress=progress)
    return SetComparison(frechet_distance(features, reference), None, min_score_of(images))


def statistics_of(
    images: ImageSet, extractor_name: ExtractorName = "auto", *, progress: Progress = no_progress
) -> FeatureStatistics:
    """Statistics of the features of a set of images, for a file that it or others are compared with later.

    Raises:
        QualityError: the set has fewer than 2 images.
        PhotoError: an image cannot be read.
        WeightsUnavailableError: the extractor's weights cannot be had.
    """
    _require_two(images)
    extractor = load_extractor(extractor_name)
    features = extract(extractor, images, progress=progress)
    return FeatureStatistics.from_features(features, extractor=extractor.name, digest=extractor.digest)


def _require_two(images: ImageSet) -> None:
    if len(images) < 2:
        raise QualityError("A set needs at least 2 images", where=images.path, hint="Add images.")


def min_score_of(images: ImageSet) -> float | None:
    """The minimum score by which a set was filtered, from the metadata of PNGs that this program wrote.

    The lowest if several are mixed; None if no image has one. No pixels are read.
    """
    found = [read_png_metadata(head) for head in images.png_heads(HEAD_BYTES)]
    return min(
        (png.min_score for png in found if png is not None and png.min_score is not None), default=None
    )


def model_of(images: ImageSet) -> str:
    """Version of the model that made all images of a set, from the metadata of PNGs that this program wrote.

    "" if an image does not name one, or two name different ones. No pixels are read.
    """
    heads = [read_png_metadata(head) for head in images.png_heads(HEAD_BYTES)]
    models = {"" if png is None else png.model for png in heads}
    return models.pop() if len(models) == 1 and len(heads) == len(images) else ""
