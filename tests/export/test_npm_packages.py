"""Pinned packages: only the archive with the known hash is used, and it is downloaded once."""

from __future__ import annotations

import base64
import dataclasses
import functools
import hashlib
import io
import tarfile
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from palm_assets.errors import CorruptDownloadError, SourceUnreachableError
from palm_assets.export.npm_packages import PACKAGES, NpmPackage, package_files

FILES = {"package/index.js": "vendor/index.js"}


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Folder of a registry on this machine."""
    folder = tmp_path / "registry"
    (folder / "small" / "-").mkdir(parents=True)
    handler = functools.partial(SimpleHTTPRequestHandler, directory=str(folder))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("NPM_CONFIG_REGISTRY", f"http://127.0.0.1:{server.server_port}/")
    yield folder
    server.shutdown()
    server.server_close()


@pytest.fixture
def package(registry: Path) -> NpmPackage:
    """A package that the registry has."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        content = b"export const one = 1;\n"
        member = tarfile.TarInfo("package/index.js")
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    integrity = base64.b64encode(hashlib.sha512(stream.getvalue()).digest()).decode()
    made = NpmPackage("small", "1.0.0", integrity, FILES)
    (registry / "small" / "-" / made.archive).write_bytes(stream.getvalue())
    return made


def test_the_files_are_named_as_the_page_names_them(package: NpmPackage, tmp_path: Path) -> None:
    assert package_files(package, tmp_path / "cache") == {"vendor/index.js": b"export const one = 1;\n"}


def test_an_archive_is_downloaded_once(package: NpmPackage, registry: Path, tmp_path: Path) -> None:
    first = package_files(package, tmp_path / "cache")
    (registry / "small" / "-" / package.archive).unlink()
    assert package_files(package, tmp_path / "cache") == first


def test_a_damaged_copy_is_downloaded_again(package: NpmPackage, tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / package.archive).write_bytes(b"half")
    assert package_files(package, tmp_path / "cache")
    assert (tmp_path / "cache" / package.archive).stat().st_size > 4


def test_without_a_place_to_keep_it_the_package_is_used_all_the_same(
    package: NpmPackage, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "cache").write_text("no folder can be made here")
    assert package_files(package, tmp_path / "cache") == {"vendor/index.js": b"export const one = 1;\n"}
    assert "small-1.0.0.tgz is not kept" in caplog.text


def test_another_archive_is_refused_and_not_kept(package: NpmPackage, tmp_path: Path) -> None:
    other = dataclasses.replace(package, integrity=PACKAGES[0].integrity)
    with pytest.raises(CorruptDownloadError, match=r"small-1\.0\.0\.tgz is not the one"):
        package_files(other, tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


def test_a_registry_that_does_not_answer_is_a_typed_error(
    package: NpmPackage, registry: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing = dataclasses.replace(package, version="9.0.0")
    with pytest.raises(SourceUnreachableError):
        package_files(missing, tmp_path / "cache")
    monkeypatch.setenv("NPM_CONFIG_REGISTRY", "http://127.0.0.1:9")
    with pytest.raises(SourceUnreachableError, match="put the archive into"):
        package_files(package, tmp_path / "cache")
