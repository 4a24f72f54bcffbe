"""What an extractor will compute with here, without loading its network: its digest and precision."""

from __future__ import annotations

from pathlib import Path

from palm_assets.quality.extractors.identity import extractor_digest
from palm_assets.quality.extractors.registry import EXTRACTORS
from palm_assets.quality.extractors.weights import default_cache, find, weights_file
from palm_assets.runtime import computes_in_bfloat16
from palm_assets.store.atomic import sha256_of


def extractor_fingerprint(name: str, cache: Path | None = None) -> tuple[str, str]:
    """Digest and precision that `load_extractor(name)` will have, even before it downloads weights.

    Args:
        name: of an extractor, not "auto".
        cache: folder of downloaded weights; by default `default_cache()`.
    """
    spec = EXTRACTORS[name]
    if spec.weights is None:
        sha256 = sha256_of(weights_file(name))
    else:
        path = find(spec.weights, cache or default_cache())
        sha256 = spec.weights.sha256 if path is None else sha256_of(path)
    precision = "bfloat16" if spec.bfloat16 and computes_in_bfloat16() else "float32"
    return extractor_digest(name, sha256), precision
