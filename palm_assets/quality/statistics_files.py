"""Statistics of features in pytorch-fid's format: an NPZ with `mu` and `sigma`.

Ours also say how many images they are of, and which extractor made the features. Files of other programs do
not: they are taken for pytorch-fid's, that is of the canonical Inception network, and their number of images
is unknown.
"""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import cast

import numpy as np

from palm_assets.errors import ExtractorMismatchError, QualityError
from palm_assets.photos.archive import READ_ERRORS
from palm_assets.quality.extractors.identity import CANONICAL_DIGEST, require_same_extractor
from palm_assets.quality.extractors.registry import EXTRACTORS, ExtractorName
from palm_assets.quality.image_arrays import array_header
from palm_assets.quality.statistics import FeatureStatistics
from palm_assets.store.atomic import write_atomically
from palm_assets.store.os_errors import typed_write_errors

MAX_DIMENSIONS = 16_384
INCEPTION_DIMENSIONS = 2048
CANONICAL = ("inception-v3", CANONICAL_DIGEST)
_OTHER_BLOCKS = {64: "first max pooling", 192: "second max pooling", 768: "pre-auxiliary"}


def is_statistics(path: Path) -> bool:
    """Whether a file is an NPZ with `mu` and `sigma`."""
    try:
        with zipfile.ZipFile(path) as archive:
            return {"mu.npy", "sigma.npy"} <= set(archive.namelist())
    except READ_ERRORS:
        return False


def extractor_of(path: Path) -> ExtractorName:
    """The extractor to compare with statistics: that which the file names if it is known, else Inception."""
    try:
        with np.load(path, allow_pickle=False) as file:
            named = str(file["extractor"])
    except Exception:  # numpy reports damage by nearly any exception; reading the statistics says more
        return "inception-v3"
    return cast(ExtractorName, named) if named in EXTRACTORS else "inception-v3"


def write_statistics(statistics: FeatureStatistics, path: Path) -> None:
    """Write statistics as an NPZ, which pytorch-fid reads too; an earlier file stays if that fails.

    Raises:
        DiskFullError: no space left.
        QualityError: the file cannot be written.
    """
    arrays = {
        "mu": statistics.mean,
        "sigma": statistics.cov,
        "n": np.int64(statistics.n),
        "extractor": np.str_(statistics.extractor),
        "digest": np.str_(statistics.digest),
    }
    content = io.BytesIO()
    np.savez(content, **arrays)  # type: ignore[arg-type]
    what, hint = "The statistics cannot be written", "Choose another path."
    with typed_write_errors(path, QualityError, what, hint=hint, only_writes=True):
        write_atomically(path, content.getvalue())


def read_statistics(path: Path, extractor: tuple[str, str], dimensions: int) -> FeatureStatistics:
    """Read statistics that features of one extractor are to be compared with.

    Args:
        path: NPZ with `mu` and `sigma`.
        extractor: name and digest of the extractor of the features.
        dimensions: of its features.

    Returns:
        The statistics; `n` is 0 if the file does not say it.

    Raises:
        ExtractorMismatchError: they are of another extractor, or of other features of it.
        QualityError: they are damaged, or no statistics.
    """
    shape, square = array_header(path, "mu.npy")[0], array_header(path, "sigma.npy")[0]
    if len(shape) != 1 or square != shape * 2 or not 0 < shape[0] <= MAX_DIMENSIONS:
        raise _unusable(path, f"mu has shape {shape} and sigma {square}")
    try:
        with np.load(path, allow_pickle=False) as file:
            names = set(file.files)
            mean, cov = file["mu"].astype(np.float64), file["sigma"].astype(np.float64)
            n = int(file["n"]) if "n" in names else 0
            made_by = (str(file["extractor"]), str(file["digest"])) if "extractor" in names else None
    except Exception as error:  # numpy reports damage by nearly any exception
        raise _unusable(path, error) from error
    if made_by is not None:
        require_same_extractor(extractor, made_by, where=str(path))
    elif extractor != CANONICAL or len(mean) != INCEPTION_DIMENSIONS:
        block = _OTHER_BLOCKS.get(len(mean))
        kind = f" (Inception's {block} features)" if block else ""
        raise ExtractorMismatchError(
            f"The file has features of {len(mean)} dimensions{kind} and names no extractor, so it counts as "
            f"pytorch-fid's; they cannot be compared with the {dimensions} of {extractor[0]} "
            f"[{extractor[1]}]",
            where=path,
            hint=f"Use `--extractor inception-v3` with statistics of {INCEPTION_DIMENSIONS} dimensions, or "
            "write statistics with `palms fid IMAGES --save FILE.npz`.",
        )
    if len(mean) != dimensions:
        raise _unusable(path, f"mu has {len(mean)} dimensions, and features of {extractor[0]} {dimensions}")
    if not (np.isfinite(mean).all() and np.isfinite(cov).all()) or n < 0 or n == 1:
        raise _unusable(path, "it holds values that are not finite, or of fewer than 2 images")
    if not np.allclose(cov, cov.T, rtol=1e-5, atol=1e-8) or (np.diag(cov) < 0).any():
        raise _unusable(path, "sigma is no covariance")
    return FeatureStatistics(n, mean, cov, *extractor)


def _unusable(path: Path, cause: object) -> QualityError:
    reason = (str(cause).splitlines() or [type(cause).__name__])[0]
    return QualityError(
        f"The statistics cannot be used: {reason}",
        where=path,
        hint="Write them again, with `palms fid IMAGES --save FILE.npz` or pytorch-fid's --save-stats.",
    )
