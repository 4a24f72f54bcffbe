"""Which network made a number: the name and digest that every score carries.

Two features compare only if the same network, with the same weights and the same
preprocessing, made both. The words "FID" and "KID" belong to one such network alone
(Heusel et al. 2017, Binkowski et al. 2018: Inception of 2015-12-05, converted for
pytorch-fid and torch-fidelity); every other is named beside the number.
"""

from __future__ import annotations

import hashlib
from typing import Literal

from palm_assets.errors import ExtractorMismatchError

ExtractorName = Literal["auto", "inception-v3", "efficientnet-lite0", "dinov2-vits14"]

INCEPTION_SHA256 = "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2"

# Raised whenever a change of preprocessing or of the network moves the features.
PREPROCESSING_VERSION = {"inception-v3": 1, "efficientnet-lite0": 1, "dinov2-vits14": 1}


def extractor_digest(name: str, weights_sha256: str) -> str:
    """Short hex name of an extractor: its weights file and its preprocessing version."""
    what = f"{name}/{PREPROCESSING_VERSION[name]}/{weights_sha256}"
    return hashlib.sha256(what.encode()).hexdigest()[:12]


CANONICAL_DIGEST = extractor_digest("inception-v3", INCEPTION_SHA256)


def metric_label(long: str, short: str, extractor: str, digest: str) -> str:
    """`short` ("FID") for the canonical Inception, else `long` with the extractor's name.

    Inception with other weights than the published ones (a test's, someone's fine-tune) is
    not canonical either, and its digest is shown because its name alone would mislead.
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
