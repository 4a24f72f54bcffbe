"""Files of pinned npm packages, downloaded once and verified.

ONNX Runtime's WebAssembly alone is 11 MB, so it is fetched when a page is exported instead of being shipped.
"""

from __future__ import annotations

import base64
import hashlib
import io
import logging
import os
import tarfile
from dataclasses import dataclass
from pathlib import Path

from palm_assets.errors import CorruptDownloadError, SourceUnreachableError
from palm_assets.store.atomic import write_atomically

log = logging.getLogger(__name__)

TIMEOUT = (10, 60)  # seconds to connect, and between bytes
REGISTRY = "https://registry.npmjs.org"


@dataclass(frozen=True)
class NpmPackage:
    """A version of a package.

    Attributes:
        name: of the package.
        version: of the package.
        integrity: SHA-512 of its archive, in base64, as the registry and lock files name it.
        files: path in the archive to the path where a page has it.
    """

    name: str
    version: str
    integrity: str
    files: dict[str, str]

    @property
    def archive(self) -> str:
        """File name of the archive."""
        return f"{self.name}-{self.version}.tgz"


ONNX_RUNTIME_WEB = NpmPackage(
    "onnxruntime-web",
    "1.22.0",
    "Ud/+EBo6mhuaQWt/OjaOk0iNWjXqJoeeMFr6xQEERZdIZH2OWpGzuujz7lfuOBjUa6TEE/sc4nb7Da5dNL34fg==",
    {
        "package/dist/ort.wasm.min.mjs": "vendor/ort.wasm.min.js",
        "package/dist/ort-wasm-simd-threaded.mjs": "vendor/ort-wasm-simd-threaded.js",
        "package/dist/ort-wasm-simd-threaded.wasm": "vendor/ort-wasm-simd-threaded.wasm",
    },
)
FFLATE = NpmPackage(
    "fflate",
    "0.8.3",
    "tbZNuJrLwGUp3zshBtdy4W+ORxZuIh8a5ilyIEQDC5rY1f3U20JMry0Ll3WBzU58EZKsEuJFXhb5gwv8CsPvgA==",
    {"package/esm/browser.js": "vendor/fflate.js"},
)
PACKAGES = (ONNX_RUNTIME_WEB, FFLATE)


def package_files(package: NpmPackage, cache: Path | None = None) -> dict[str, bytes]:
    """The files of a package by the path where a page has them.

    Args:
        package: which one.
        cache: folder of archives; one that is there is not downloaded. By default `cache_folder()`.

    Raises:
        SourceUnreachableError: the registry does not answer.
        CorruptDownloadError: the archive is not the pinned one.
    """
    archive = (cache or cache_folder()) / package.archive
    try:
        content = archive.read_bytes()
    except OSError:
        content = b""
    if not _is_pinned(content, package):
        content = _download(package)
        try:
            write_atomically(archive, content)
        except OSError as error:  # a home that is read-only, say: it is downloaded again next time
            log.warning("%s is not kept in %s: %s", package.archive, archive.parent, error.strerror or error)
    with tarfile.open(fileobj=io.BytesIO(content)) as members:
        found = {}
        for path, target in package.files.items():
            member = members.extractfile(path)
            assert member is not None, path  # the archive is the pinned one
            found[target] = member.read()
    return found


def cache_folder() -> Path:
    """Folder of downloaded archives, below `XDG_CACHE_HOME`."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "palms" / "npm"


def _download(package: NpmPackage) -> bytes:
    import requests

    registry = os.environ.get("NPM_CONFIG_REGISTRY") or REGISTRY
    address = f"{registry.rstrip('/')}/{package.name}/-/{package.archive}"
    try:
        response = requests.get(address, timeout=TIMEOUT)
        response.raise_for_status()
    except requests.RequestException as error:
        raise SourceUnreachableError(
            f"{package.name} cannot be downloaded: {type(error).__name__}",
            where=address,
            hint=f"Check the network, or put the archive into {cache_folder()}.",
        ) from error
    if not _is_pinned(response.content, package):
        raise CorruptDownloadError(
            f"{package.archive} is not the one that this program was tested with",
            where=address,
            hint="Try again; if that does not help, the registry serves something else.",
        )
    return response.content


def _is_pinned(content: bytes, package: NpmPackage) -> bool:
    return base64.b64encode(hashlib.sha512(content).digest()).decode() == package.integrity
