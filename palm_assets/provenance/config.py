"""Which marks generated images get, from the operator's environment; imported without any heavy library."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from palm_assets.errors import ProvenanceError

LAYERS_VARIABLE = "PALM_PROVENANCE"
CERTIFICATE_VARIABLE = "PALM_SIGNING_CERTIFICATE"
KEY_VARIABLE = "PALM_SIGNING_KEY"

Layer = Literal["xmp", "c2pa", "watermark"]
LAYERS: tuple[Layer, ...] = get_args(Layer)

DIGITAL_SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
"""IPTC's term for media made by a trained model alone; written into XMP, C2PA and manifests."""


@dataclass(frozen=True)
class ProvenanceConfig:
    """The marks of generated images.

    Attributes:
        layers: those that are written.
        certificate: PEM file of the operator's certificate chain, the signing certificate first; None to sign
            with a self-made certificate.
        key: PEM file of its private key, not encrypted.
    """

    layers: frozenset[Layer] = frozenset(LAYERS)
    certificate: Path | None = None
    key: Path | None = None


def provenance_config() -> ProvenanceConfig:
    """The config that the environment asks for.

    `PALM_PROVENANCE` is a list of layers, `all` (the default) or `off`. `PALM_SIGNING_CERTIFICATE` and
    `PALM_SIGNING_KEY` name the PEM files to sign with.

    Raises:
        ProvenanceError: an unknown layer, or only one of the two files.
    """
    certificate, key = (os.environ.get(name, "").strip() for name in (CERTIFICATE_VARIABLE, KEY_VARIABLE))
    if bool(certificate) != bool(key):
        raise ProvenanceError(
            "A signing certificate and its key belong together, and only one is given",
            where=CERTIFICATE_VARIABLE if certificate else KEY_VARIABLE,
            hint=f"Set both {CERTIFICATE_VARIABLE} and {KEY_VARIABLE}, or neither.",
        )
    layers = _parse_layers(os.environ.get(LAYERS_VARIABLE, "all"))
    if not certificate:
        return ProvenanceConfig(layers)
    return ProvenanceConfig(layers, Path(certificate).expanduser(), Path(key).expanduser())


def _parse_layers(text: str) -> frozenset[Layer]:
    names = {name.strip().lower() for name in text.split(",") if name.strip()}
    if names <= {"all"}:  # not set, or empty
        return frozenset(LAYERS)
    if names == {"off"}:
        return frozenset()
    unknown = sorted(names - set(LAYERS))
    if unknown:
        raise ProvenanceError(
            f"There is no provenance layer {unknown[0]!r}",
            where=LAYERS_VARIABLE,
            hint=f"Choose from {', '.join(LAYERS)}; or set it to all or off.",
        )
    return frozenset(layer for layer in LAYERS if layer in names)
