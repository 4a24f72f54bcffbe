"""Identity of an extractor: the name and digest that every metric carries, and the metric's proper name.

Two features can be compared only if the same network, with the same weights and the same preprocessing,
computed both. The names "FID" and "KID" belong to one such network alone (Heusel et al. 2017, Binkowski et
al. 2018: Inception of 2015-12-05, converted for pytorch-fid and torch-fidelity); any other is named beside
the number.
"""

from __future__ import annotations

import hashlib

from palm_assets.errors import ExtractorMismatchError
from palm_assets.quality.extractors.registry import EXTRACTORS, INCEPTION_WEIGHTS


def extractor_digest(name: str, weights_sha256: str) -> str:
    """12 hex characters that identify an extractor's weights file and preprocessing version."""
    content = f"{name}/{EXTRACTORS[name].preprocessing_version}/{weights_sha256}"
    return hashlib.sha256(content.encode()).hexdigest()[:12]


CANONICAL_DIGEST = extractor_digest("inception-v3", INCEPTION_WEIGHTS.sha256)
"""Digest of the published Inception weights, the only one whose metrics are called FID and KID."""


def metric_label(long: str, short: str, extractor: str, digest: str) -> str:
    """`short` ("FID") for the canonical Inception, else `long` with the extractor's name.

    Inception with other weights than the published ones (a test's, a fine-tuned one) is not canonical either;
    its digest is shown because its name alone would mislead.
    """
    if digest == CANONICAL_DIGEST:
        return short
    if extractor == "inception-v3":
        return f"{long} ({extractor}, weights {digest})"
    return f"{long} ({extractor})"


def require_same_extractor(ours: tuple[str, str], theirs: tuple[str, str], *, where: str) -> None:
    """Refuse to compare features of two extractors.

    Args:
        ours: name and digest of one side.
        theirs: name and digest of the other.
        where: what is being compared, for the message.

    Raises:
        ExtractorMismatchError: names or digests differ.
    """
    if ours != theirs:
        raise ExtractorMismatchError(
            f"Features of {ours[0]} [{ours[1]}] cannot be compared with those of {theirs[0]} [{theirs[1]}]",
            where=where,
            hint="Use one extractor for both: rebuild the reference, or choose the reference's extractor",
        )
