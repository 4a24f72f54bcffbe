"""C2PA Content Credentials (https://c2pa.org): a signed manifest in an image file, written and read here.

It says that a trained model created the image, and with which version; a hash binds it to the file, so one
changed pixel is noticed. Signatures are not reproducible: the same image is signed differently each time.
"""

from __future__ import annotations

import functools
import io
import json
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Literal

from palm_assets import __version__
from palm_assets.errors import ProvenanceError
from palm_assets.provenance.certificate import SigningIdentity, signing_identity, state_of_files
from palm_assets.provenance.config import DIGITAL_SOURCE_TYPE, ProvenanceConfig

if TYPE_CHECKING:
    import c2pa

log = logging.getLogger(__name__)

GENERATOR = "Palms"
_CREATED = (
    "c2pa.created",
    "c2pa.opened",
    "c2pa.edited",
)  # the first of these that names a source type counts
_MAX_VALUE = 200
# A thumbnail is larger than all the rest, and reading what was just written takes longer than writing it.
# "Created" assertions are those that the signer answers for; others are only passed on ("gathered").
_SIGNING = {
    "builder": {"thumbnail": {"enabled": False}, "created_assertion_labels": ["c2pa.actions"]},
    "verify": {"verify_after_sign": False},
}
_OFFLINE = {"remote_manifest_fetch": False, "ocsp_fetch": False}  # a file must not make us call anybody


@dataclass(frozen=True)
class Credentials:
    """The active manifest of a file.

    Attributes:
        state: "own": valid, and signed with this installation's certificate; "valid": valid, by a certificate
            that this installation does not know; "invalid": the signature or the hash does not fit.
        signer: common name of the certificate, in its own words.
        issuer: organization of the certificate, in its own words.
        generator: program that made the manifest.
        source_type: IPTC DigitalSourceType, an address; "" if there is none.
        model: version of the model, if Palms made it.
        problems: C2PA's codes of what does not fit.
    """

    state: Literal["own", "valid", "invalid"]
    signer: str = ""
    issuer: str = ""
    generator: str = ""
    source_type: str = ""
    model: str = ""
    problems: tuple[str, ...] = ()


def signed(file: bytes, media_type: str, model: str, config: ProvenanceConfig) -> bytes:
    """A file with a signed manifest.

    Args:
        file: its content, for example a PNG.
        media_type: for example image/png, image/webp or video/mp4.
        model: version of the model that made it.
        config: names the certificate.

    Raises:
        ProvenanceError: the certificate cannot be used, or the file cannot hold a manifest.
    """
    import c2pa

    context, signer = _signer(_identity(config), config.certificate)
    out = io.BytesIO()
    try:
        with c2pa.Builder(_manifest(model), context) as builder:
            builder.sign(signer, media_type, io.BytesIO(file), out)
    except c2pa.C2paError as error:
        raise ProvenanceError(
            f"The Content Credentials cannot be signed: {error}",
            where=config.certificate,
            hint="Use a certificate with the key usage digitalSignature, and its whole chain.",
        ) from error
    return out.getvalue()


def read_credentials(stream: BinaryIO, media_type: str, config: ProvenanceConfig) -> Credentials | None:
    """The credentials of a file; None if it has none. The file may be hostile.

    Args:
        stream: the file, whose pixels are hashed.
        media_type: its media type.
        config: names this installation's certificate.
    """
    import c2pa

    identity = _identity(config)
    try:
        context = c2pa.Context.from_dict(_reading(identity))
        with context, c2pa.Reader(media_type, stream, context=context) as reader:
            content = json.loads(reader.json())
    except c2pa.C2paError.ManifestNotFound:
        return None
    except (c2pa.C2paError, ValueError, OSError) as error:
        if "not supported" in str(error).lower():
            return None
        return Credentials("invalid", problems=(_clean(type(error).__name__.strip("_")),))
    return _credentials(content, identity)


@functools.lru_cache(maxsize=16)
def _manifest(model: str) -> str:
    """The definition of a manifest, as JSON."""
    action = {
        "action": "c2pa.created",
        "digitalSourceType": DIGITAL_SOURCE_TYPE,
        "softwareAgent": {"name": GENERATOR, "version": model},
    }
    return json.dumps(
        {
            "claim_generator_info": [{"name": GENERATOR, "version": __version__}],
            "assertions": [{"label": "c2pa.actions.v2", "data": {"actions": [action]}}],
        }
    )


def _identity(config: ProvenanceConfig) -> SigningIdentity:
    """What to sign with; the files are read again when they have changed, or the certificate has expired.

    While a new certificate and its key are copied into their places they do not belong together: until they
    do, the former certificate signs on.
    """
    state = state_of_files(config)
    known = _known.get(config)
    if known is not None and known.state == state and known.identity.is_usable:
        return known.identity
    try:
        identity = signing_identity(config)
    except ProvenanceError as error:
        if known is None or not known.identity.is_usable:
            raise
        log.warning("the former signing certificate is used", extra={"reason": str(error)})
        identity = known.identity
    if identity.self_made:
        state = state_of_files(config)  # it may just have been made
    _known[config] = _Known(state, identity)
    return identity


@dataclass(frozen=True)
class _Known:
    """An identity, and the state of the files that it is from."""

    state: tuple[object, ...]
    identity: SigningIdentity


_known: dict[ProvenanceConfig, _Known] = {}


@functools.lru_cache(maxsize=4)
def _signer(identity: SigningIdentity, certificate: Path | None) -> tuple[c2pa.Context, c2pa.Signer]:
    import c2pa

    algorithm = c2pa.C2paSigningAlg[identity.algorithm.upper()]
    try:
        info = c2pa.C2paSignerInfo(algorithm, identity.chain, identity.key, None)
        return c2pa.Context.from_dict(_SIGNING), c2pa.Signer.from_info(info)
    except c2pa.C2paError as error:
        raise ProvenanceError(
            f"The signing certificate cannot be used: {error}",
            where=certificate,
            hint="Use a certificate for digital signatures with its whole chain.",
        ) from error


def _reading(identity: SigningIdentity) -> dict[str, Any]:
    """Settings by which certificates of the same authority as this installation's are trusted."""
    trust = {"user_anchors": identity.anchor.decode()} if identity.anchor else {}
    return {"verify": {"verify_trust": True, **_OFFLINE}, "trust": trust}


def _credentials(content: dict[str, Any], identity: SigningIdentity) -> Credentials:
    manifest = content.get("manifests", {}).get(content.get("active_manifest"), {})
    signature = manifest.get("signature_info", {})
    generators = manifest.get("claim_generator_info") or [{}]
    source_type, agent = _source(manifest)
    validity, own_serial = content.get("validation_state"), str(identity.serial)
    state: Literal["own", "valid", "invalid"] = "invalid"
    if validity in ("Valid", "Trusted"):
        is_own = validity == "Trusted" and signature.get("cert_serial_number") == own_serial
        state = "own" if is_own else "valid"
    generator = _clean(generators[0].get("name", "") or manifest.get("claim_generator", ""))
    return Credentials(
        state,
        _clean(signature.get("common_name", "")),
        _clean(signature.get("issuer", "")),
        generator,
        source_type,
        _clean(agent.get("version", "")) if generator == GENERATOR else "",
        tuple(sorted({_clean(entry.get("code", "")) for entry in content.get("validation_status", [])})),
    )


def _source(manifest: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Source type and software agent of the action that created the image."""
    actions = []
    for assertion in manifest.get("assertions", []):
        data = assertion.get("data")
        # What stands in an assertion is up to whoever made the file.
        if str(assertion.get("label", "")).startswith("c2pa.actions") and isinstance(data, dict):
            found = data.get("actions")
            actions += [
                action for action in (found if isinstance(found, list) else []) if isinstance(action, dict)
            ]
    for kind in _CREATED:
        for action in actions:
            if action.get("action") == kind and action.get("digitalSourceType"):
                agent = action.get("softwareAgent")
                return _clean(action["digitalSourceType"]), agent if isinstance(agent, dict) else {}
    return "", {}


def _clean(text: object) -> str:
    """A value from a file, as one printable line of bounded length."""
    return "".join(letter for letter in str(text) if letter.isprintable())[:_MAX_VALUE]
