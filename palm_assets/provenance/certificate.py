"""The certificate that Content Credentials are signed with: the operator's, or a self-made one.

The self-made certificate and its key are kept in one PEM file below `PALM_HOME`, else in the user's state
folder, readable by its owner alone. Whoever has the file can sign as this installation.
"""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from palm_assets.errors import ProvenanceError
from palm_assets.provenance.config import CERTIFICATE_VARIABLE, KEY_VARIABLE, ProvenanceConfig

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

log = logging.getLogger(__name__)

SELF_MADE_NAME = "Palms, self-made certificate"
SELF_MADE_ORGANIZATION = "not verified by anyone"
SELF_MADE_FILE = Path("signing") / "self-made.pem"
VALIDITY = timedelta(days=3650)
RENEWAL = timedelta(days=30)  # a certificate that ends sooner is replaced
_CURVES = {"secp256r1": "es256", "secp384r1": "es384", "secp521r1": "es512"}


@dataclass(frozen=True)
class SigningIdentity:
    """What to sign with.

    Attributes:
        chain: PEM certificates, the signing one first.
        key: PEM private key (PKCS 8).
        algorithm: in the terms of C2PA: es256, es384, es512, ed25519 or ps256.
        name: common name of the certificate.
        serial: serial number of the certificate.
        anchor: PEM certificate of the last authority in the chain, empty if it names none. Together with
            `serial` it identifies the certificate, as an authority never uses a number twice.
        self_made: whether Palms made the certificate; nobody vouches for it.
        expires: end of the certificate's validity.
    """

    chain: bytes
    key: bytes
    algorithm: str
    name: str
    serial: int
    anchor: bytes
    self_made: bool
    expires: datetime

    @property
    def is_usable(self) -> bool:
        """Whether it may sign now; a self-made one is replaced some time before it expires."""
        return self.expires > datetime.now(UTC) + (RENEWAL if self.self_made else timedelta())

    def __repr__(self) -> str:
        """Without the key, so that no log holds it."""
        return f"SigningIdentity({self.name!r}, {self.algorithm}, self_made={self.self_made})"


def signing_identity(config: ProvenanceConfig) -> SigningIdentity:
    """The operator's certificate if the config names one, else the self-made one, made on first use.

    Raises:
        ProvenanceError: the operator's files cannot be read, do not belong together, or have expired.
    """
    if config.certificate is not None and config.key is not None:
        return _operators(config.certificate, config.key)
    path = state_folder() / SELF_MADE_FILE
    return _kept(path) or _make_and_keep(path)


def state_of_files(config: ProvenanceConfig) -> tuple[object, ...]:
    """Changes when a file that `signing_identity` reads is replaced, changed or removed."""
    files = (config.certificate, config.key) if config.certificate and config.key else ()
    return tuple(_state(path) for path in files or (state_folder() / SELF_MADE_FILE,) if path is not None)


def _state(path: Path) -> tuple[object, ...]:
    try:
        status = path.stat()
    except OSError:
        return (path,)
    return path, status.st_ino, status.st_size, status.st_mtime_ns


def state_folder() -> Path:
    """`PALM_HOME`, else `palms` in the user's state folder (XDG Base Directory Specification)."""
    home = os.environ.get("PALM_HOME")
    if home:
        return Path(home).expanduser().absolute()
    state = os.environ.get("XDG_STATE_HOME", "")
    return (Path(state) if Path(state).is_absolute() else Path("~/.local/state").expanduser()) / "palms"


def _operators(certificate: Path, key: Path) -> SigningIdentity:
    hint = f"Check {CERTIFICATE_VARIABLE} and {KEY_VARIABLE}."
    contents = []
    for path in (certificate, key):
        try:
            contents.append(path.read_bytes())
        except OSError as error:
            raise ProvenanceError(
                f"The signing certificate cannot be used: {error.strerror}", where=path, hint=hint
            ) from error
    try:
        identity = _parse(*contents, self_made=False)
    except (ValueError, TypeError) as error:
        raise ProvenanceError(
            f"The signing certificate cannot be used: {error}", where=certificate, hint=hint
        ) from error
    if not identity.is_usable:
        raise ProvenanceError(
            f"The signing certificate has expired on {identity.expires:%Y-%m-%d}",
            where=certificate,
            hint=f"Renew it, or unset {CERTIFICATE_VARIABLE} and {KEY_VARIABLE}.",
        )
    return identity


def _parse(chain: bytes, key: bytes, *, self_made: bool) -> SigningIdentity:
    """The identity of PEM files.

    Raises:
        ValueError: not PEM, an unsuitable kind of key, or the key of another certificate.
        TypeError: the key is encrypted.
    """
    from cryptography.exceptions import UnsupportedAlgorithm

    try:
        return _parse_pem(chain, key, self_made=self_made)
    except UnsupportedAlgorithm as error:
        raise ValueError(str(error)) from error


def _parse_pem(chain: bytes, key: bytes, *, self_made: bool) -> SigningIdentity:
    from cryptography import x509
    from cryptography.hazmat.primitives import serialization
    from cryptography.x509.oid import NameOID

    certificates = x509.load_pem_x509_certificates(chain)
    private = serialization.load_pem_private_key(key, None)
    encoding, form = serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    if certificates[0].public_key().public_bytes(encoding, form) != private.public_key().public_bytes(
        encoding, form
    ):
        raise ValueError("the key is not the one of the first certificate")
    names = certificates[0].subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    pem = [one.public_bytes(serialization.Encoding.PEM) for one in certificates]
    return SigningIdentity(
        # The root that was made along with it tells nobody anything: 500 bytes less in each image.
        pem[0] if self_made else b"".join(pem),
        private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ),
        _algorithm(private),
        str(names[0].value) if names else "",
        certificates[0].serial_number,
        pem[-1] if len(pem) > 1 else b"",
        self_made,
        certificates[0].not_valid_after_utc,
    )


def _algorithm(key: PrivateKeyTypes) -> str:
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

    if isinstance(key, ed25519.Ed25519PrivateKey):
        return "ed25519"
    if isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.name in _CURVES:
        return _CURVES[key.curve.name]
    if isinstance(key, rsa.RSAPrivateKey):
        return "ps256"
    raise ValueError("C2PA takes Ed25519, ECDSA (P-256, P-384, P-521) and RSA keys only")


def _kept(path: Path) -> SigningIdentity | None:
    """The self-made identity of an earlier run; None if there is none, or it cannot be read or used."""
    try:
        return _usable(path.read_bytes())
    except OSError:
        return None


def _usable(content: bytes) -> SigningIdentity | None:
    """The self-made identity in a file; None if that is damaged, or ends soon."""
    try:
        identity = _parse(content, content, self_made=True)
    except (ValueError, TypeError):
        return None
    return identity if identity.is_usable else None


def _make_and_keep(path: Path) -> SigningIdentity:
    chain, key = make_certificate()
    identity = _parse(chain, key, self_made=True)
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle, beside = tempfile.mkstemp(prefix=".self-made-", dir=path.parent)  # 0600
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(key + chain)
                stream.flush()
                os.fsync(stream.fileno())
            # One that cannot be read now may be whole: its key must not be lost.
            if path.exists() and _usable(path.read_bytes()) is None:
                Path(beside).replace(path)  # damaged, or about to expire
            else:
                with contextlib.suppress(FileExistsError):
                    os.link(beside, path)  # only one of several processes succeeds
        finally:
            Path(beside).unlink(missing_ok=True)
    except OSError as error:
        # Images must come out on a read-only disk too; they are then signed with another key in each process.
        log.warning("the self-made certificate is not kept", extra={"path": str(path), "reason": str(error)})
        return identity
    return _kept(path) or identity


def make_certificate(
    name: str = SELF_MADE_NAME, organization: str = SELF_MADE_ORGANIZATION
) -> tuple[bytes, bytes]:
    """A new certificate with its root, and its Ed25519 key, both PEM.

    C2PA refuses certificates that sign themselves, so a root is made too. Its key is thrown away, so nobody
    can make another certificate of the same root.
    """
    from cryptography import x509
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ed25519
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    root_key, key = ed25519.Ed25519PrivateKey.generate(), ed25519.Ed25519PrivateKey.generate()
    now = datetime.now(UTC)

    # The certificate is in every image, so it holds no more than C2PA asks for. Its issuer has a short name,
    # and the serial number has 64 random bits, as much as the CA/Browser Forum asks for.
    root_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "root")])
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization),
            x509.NameAttribute(NameOID.COMMON_NAME, name),
        ]
    )

    def draft(
        subject: x509.Name, public: ed25519.Ed25519PublicKey, *, authority: bool
    ) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(root_name)
            .public_key(public)
            .serial_number(secrets.randbits(63) + (1 << 63))
            .not_valid_before(now - timedelta(days=1))  # the clocks of other machines may be behind
            .not_valid_after(now + VALIDITY)
            .add_extension(x509.BasicConstraints(authority, 0 if authority else None), critical=True)
            .add_extension(_key_usage(authority=authority), critical=True)
        )

    root = (
        draft(root_name, root_key.public_key(), authority=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(root_key.public_key()), critical=False)
        .sign(root_key, None)
    )
    certificate = (
        draft(subject, key.public_key(), authority=False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(root_key.public_key()), critical=False
        )
        .sign(root_key, None)
    )
    pem = serialization.Encoding.PEM
    return certificate.public_bytes(pem) + root.public_bytes(pem), key.private_bytes(
        pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _key_usage(*, authority: bool) -> x509.KeyUsage:
    from cryptography import x509

    return x509.KeyUsage(
        digital_signature=not authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=authority,
        crl_sign=authority,
        encipher_only=False,
        decipher_only=False,
    )
