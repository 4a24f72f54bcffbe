"""The manifest of an artifact: its format, and the check of the files against it."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, field_validator

from palm_assets.errors import ArtifactCorruptError, ArtifactError
from palm_assets.store.atomic import sha256_of

Kind = Literal["photos", "boxes", "detector", "crops", "models", "reference", "evaluations"]
MANIFEST = "manifest.json"
ARRAY_SUFFIXES = (".safetensors", ".npz", ".npy")


class FileRecord(BaseModel):
    """Size in bytes and SHA-256 of one file of an artifact."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    bytes: int
    sha256: str


class Manifest(BaseModel):
    """`manifest.json`: what an artifact is, what it was made from, and what is known about it.

    Attributes:
        schema_version: of this format.
        kind: one of the store's kinds.
        version: 12 hex digits, see `palm_assets.store.identity.version_of`.
        inputs: role to version of each artifact, or digest of each file, that it was made from.
        config: of the stage that made it.
        code_version: of that stage.
        created: UTC.
        files: size and hash of each file, by its path below the artifact's folder.
        facts: counts and metrics that the stage recorded.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[1]
    kind: Kind
    version: str
    inputs: dict[str, str]
    config: dict[str, Any]
    code_version: str
    created: datetime
    files: dict[str, FileRecord]
    facts: dict[str, Any]

    @property
    def content(self) -> str:
        """12 hex digits that identify the weights and arrays: those of one version may differ, if made again.

        Other files, such as training metrics with their times, differ even if nothing else does.
        """
        records = sorted(
            (name, record.sha256)
            for name, record in self.files.items()
            if PurePosixPath(name).suffix in ARRAY_SUFFIXES
        )
        return hashlib.sha256(json.dumps(records).encode()).hexdigest()[:12]

    @field_validator("files")
    @classmethod
    def _files_are_inside(cls, files: dict[str, FileRecord]) -> dict[str, FileRecord]:
        """A manifest may come from elsewhere, and its files are copied by their names."""
        for name in files:
            path = PurePosixPath(name)
            if path.is_absolute() or ".." in path.parts or not path.parts:
                raise ValueError(f"{name} is outside of the folder")
        return files


def records_of(folder: Path) -> dict[str, FileRecord]:
    """Size and hash of each file in a folder."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {
        path.relative_to(folder).as_posix(): FileRecord(bytes=path.stat().st_size, sha256=sha256_of(path))
        for path in files
    }


def is_whole(path: Path, record: FileRecord) -> bool:
    """Whether a file is what its record says.

    Raises:
        ArtifactError: the system cannot read it now.
    """
    try:
        return path.is_file() and path.stat().st_size == record.bytes and sha256_of(path) == record.sha256
    except FileNotFoundError:
        return False
    except OSError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: OSError) -> ArtifactError:
    # Not damaged: a damaged artifact is made again, which may take days.
    return ArtifactError(
        f"The artifact cannot be read: {error.strerror or error}",
        where=path,
        hint="Check the disk and the permissions.",
    )


def read_manifest(folder: Path, kind: Kind, version: str | None) -> Manifest:
    """The manifest in an artifact's folder; of any version if none is given.

    Raises:
        ArtifactCorruptError: it is missing, damaged, or of another artifact.
        ArtifactError: the system cannot read it now.
    """
    path = folder / MANIFEST
    try:
        manifest = Manifest.model_validate_json(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError, ValueError) as error:
        raise ArtifactCorruptError(
            "The manifest is missing or not readable", where=folder, hint="Materialize it again."
        ) from error
    except OSError as error:
        raise _unreadable(path, error) from error
    if (manifest.kind, manifest.version) != (kind, version or manifest.version):
        raise ArtifactCorruptError(
            f"The manifest is of {manifest.kind} {manifest.version}",
            where=folder,
            hint="Materialize it again.",
        )
    return manifest
