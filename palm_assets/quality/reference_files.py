"""A reference on disk: `statistics.npz`, which pytorch-fid can read too, and `statistics.json`.

`mu` and `sigma` are pytorch-fid's keys; the others are ours. There are no pickles: everything is a plain
array, and reading allows nothing else. The JSON holds the numbers that people read and the SHA-256 of the
npz, so damage to either file is detected on reading.

A compact npz has features in half precision and no covariance, which is computed from them on reading: it is
a tenth as large, and pytorch-fid cannot read it.
"""

from __future__ import annotations

import json
import zipfile
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from palm_assets.errors import ArtifactCorruptError, ArtifactError, ArtifactMissingError, QualityError
from palm_assets.quality.floor import FloorRow
from palm_assets.quality.prdc import nearest_neighbor_distances
from palm_assets.quality.reference import Reference
from palm_assets.quality.statistics import FeatureStatistics
from palm_assets.store.atomic import sha256_of
from palm_assets.store.os_errors import typed_write_errors

SCHEMA = 3
STATISTICS_FILE = "statistics.npz"
DESCRIPTION_FILE = "statistics.json"
ARRAYS = {
    "mu": "mean",
    "sigma": "cov",
    "factor": "factor",
    "subsample": "subsample",
    "subsample_indices": "subsample_indices",
    "neighbor_distances": "neighbor_distances",
    "holdout": "holdout",
    "holdout_indices": "holdout_indices",
}
"""Key in the npz to field of `Reference`."""
_COMPUTED = ("mu", "sigma", "factor")
"""Keys that a compact npz lacks."""
_REQUIRED = {"extractor", "digest", "n", "floor", "sha256"}
_REBUILD = "Build the reference again"


def save_reference(reference: Reference, folder: Path, *, compact: bool = False) -> None:
    """Write a reference into a folder, created if missing; the artifact store makes it atomic.

    Args:
        reference: to write.
        folder: to write into.
        compact: whether to write features in half precision and no covariance.

    Raises:
        QualityError: `compact`, and the reference does not hold the features of all its training images.
        DiskFullError: no space left.
        ArtifactError: the folder cannot be written.
    """
    arrays = _compact_arrays(reference) if compact else {k: getattr(reference, v) for k, v in ARRAYS.items()}
    with typed_write_errors(
        folder,
        ArtifactError,
        "The reference cannot be written",
        hint="Make the folder writable.",
        only_writes=True,
    ):
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / STATISTICS_FILE).open("wb") as file:
            (np.savez_compressed if compact else np.savez)(
                file,
                n=np.int64(reference.n),
                extractor=reference.extractor,
                digest=reference.digest,
                precision=reference.precision,
                **arrays,
            )
        description = {
            "schema": SCHEMA,
            "extractor": reference.extractor,
            "digest": reference.digest,
            "precision": reference.precision,
            "n": reference.n,
            "dim": len(reference.mean),
            "subsample": len(reference.subsample),
            "holdout": len(reference.holdout),
            "floor": [row.to_json() for row in reference.floor],
            "sha256": sha256_of(folder / STATISTICS_FILE),
        }
        (folder / DESCRIPTION_FILE).write_text(json.dumps(description, indent=1) + "\n", encoding="utf-8")


def load_reference(folder: Path) -> Reference:
    """Read and validate a reference.

    Raises:
        ArtifactMissingError: there is none.
        ArtifactCorruptError: a file is damaged, or the two do not belong together.
    """
    npz = folder / STATISTICS_FILE
    for path in (npz, folder / DESCRIPTION_FILE):
        if not path.is_file():
            raise ArtifactMissingError(
                "There is no reference yet", where=path, hint="Build it from the crops (asset fid_reference)"
            )
    description = _read_description(folder / DESCRIPTION_FILE)
    if sha256_of(npz) != description["sha256"]:
        raise ArtifactCorruptError(
            "The statistics are not those that the JSON describes", where=npz, hint=_REBUILD
        )
    try:
        floor = tuple(FloorRow(**row) for row in description["floor"])
        with np.load(npz, allow_pickle=False) as file:
            reference = Reference(
                extractor=str(file["extractor"]),
                digest=str(file["digest"]),
                precision=str(file["precision"]),
                n=int(file["n"]),
                floor=floor,
                **_arrays(file),
            )
    except (KeyError, TypeError, ValueError, OSError, zipfile.BadZipFile) as error:
        raise ArtifactCorruptError(
            f"The statistics cannot be read: {error}", where=npz, hint=_REBUILD
        ) from error
    problem = _problem(reference, description)
    if problem:
        raise ArtifactCorruptError(problem, where=npz, hint=_REBUILD)
    return reference


def _compact_arrays(reference: Reference) -> dict[str, np.ndarray]:
    """What a compact npz holds."""
    rows = reference.subsample.astype(np.float16)
    if len(rows) != reference.n:
        raise QualityError(
            f"Only {len(rows)} features of {reference.n} training images are kept: no covariance",
            hint="Build the reference with a `subsample` of at least as many.",
        )
    k = reference.neighbor_distances.shape[1]
    return {
        "subsample": rows,
        "subsample_indices": reference.subsample_indices,
        "neighbor_distances": nearest_neighbor_distances(rows.astype(np.float32), k),
        "holdout": reference.holdout.astype(np.float16),
        "holdout_indices": reference.holdout_indices,
    }


def _arrays(file: Any) -> dict[str, np.ndarray]:
    """The arrays of an open npz by field of `Reference`; what a compact one lacks is computed."""
    lacking = [] if "mu" in file.files else list(_COMPUTED)
    arrays = {name: file[key] for key, name in ARRAYS.items() if key not in lacking}
    if lacking:
        arrays |= {name: arrays[name].astype(np.float32) for name in ("subsample", "holdout")}
        rows = arrays["subsample"]
        statistics = FeatureStatistics.from_features(rows, extractor="", digest="")
        factor = (rows.astype(np.float64) - statistics.mean).T / np.sqrt(max(len(rows) - 1, 1))
        arrays |= {"mean": statistics.mean, "cov": statistics.cov, "factor": factor}
    return arrays


def _read_description(path: Path) -> dict[str, Any]:
    try:
        description = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ArtifactCorruptError(
            f"The description cannot be read: {error}", where=path, hint=_REBUILD
        ) from error
    found = description.get("schema") if isinstance(description, dict) else None
    if not isinstance(description, dict) or found != SCHEMA:
        raise ArtifactCorruptError(f"Expected schema {SCHEMA}, found {found}", where=path, hint=_REBUILD)
    missing = _REQUIRED - set(description)
    if missing:
        raise ArtifactCorruptError(f"The description lacks {sorted(missing)}", where=path, hint=_REBUILD)
    return description


def _problem(reference: Reference, description: dict[str, Any]) -> str | None:
    """What is wrong with the contents, if anything."""
    dim, rows, held_out = len(reference.mean), len(reference.subsample), len(reference.holdout)
    shapes = {
        "mean": (dim,),
        "cov": (dim, dim),
        "subsample": (rows, dim),
        "subsample_indices": (rows,),
        "holdout": (held_out, dim),
        "holdout_indices": (held_out,),
    }
    for name, shape in shapes.items():
        if getattr(reference, name).shape != shape:
            return f"{name} has shape {getattr(reference, name).shape}, expected {shape}"
    for name, length in (("factor", dim), ("neighbor_distances", rows)):
        array = getattr(reference, name)
        if array.ndim != 2 or len(array) != length:
            return f"{name} has shape {array.shape}"
    for field in fields(reference):
        value = getattr(reference, field.name)
        if isinstance(value, np.ndarray) and not np.isfinite(value).all():
            return f"{field.name} is not finite"
    if any(getattr(reference, key) != description[key] for key in ("extractor", "digest", "n")):
        return "The extractor or n differs from the description"
    if rows > reference.n:
        return f"It has features of {rows} training images, and n is {reference.n}"
    if reference.n < 2:
        return f"A reference needs at least 2 images, this one has {reference.n}"
    return None
