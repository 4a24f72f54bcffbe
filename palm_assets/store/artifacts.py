"""The artifact store: one folder that holds everything the pipeline makes.

An artifact is a folder `<home>/<kind>/<version>/` with a `manifest.json`. Its version is a hash of its
inputs, config and code version, so the same inputs give the same version and are never made twice.
Publishing is atomic: a reader sees a whole artifact or none, whichever process is killed at whatever moment.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import logging
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, TextIO, get_args

from pydantic import BaseModel

from palm_assets.errors import ArtifactCorruptError, ArtifactError, ArtifactMissingError, PalmError
from palm_assets.store.atomic import FILE_MODE, FOLDER_MODE, make_folder, sync, write_atomically
from palm_assets.store.identity import version_of
from palm_assets.store.manifests import MANIFEST as MANIFEST
from palm_assets.store.manifests import Kind as Kind
from palm_assets.store.manifests import Manifest as Manifest
from palm_assets.store.manifests import is_whole, read_manifest, records_of
from palm_assets.store.origins import Origin
from palm_assets.store.os_errors import typed_write_errors
from palm_assets.store.pins import pin
from palm_assets.store.releases import (
    Release,
    ReleasedBy,
    find_same,
    new_release,
    read_released,
    replace_release,
)

log = logging.getLogger(__name__)

REMOVED = "removed-"  # prefix of folders in work/ that hold nothing of use


@dataclass(frozen=True)
class Artifact:
    """A published artifact, whose files were verified; `reused` if it was found and not made now."""

    kind: Kind
    version: str
    folder: Path
    manifest: Manifest
    reused: bool = False

    @property
    def facts(self) -> dict[str, Any]:
        """Counts and metrics that the stage recorded."""
        return self.manifest.facts

    @property
    def manifest_file(self) -> Path:
        """The manifest, which a pin locks."""
        return self.folder / MANIFEST


class Store:
    """All artifacts under one folder: by default the one that `PALM_HOME` names, else `./palm_home`."""

    def __init__(self, home: Path | str | None = None) -> None:
        if home is None:
            home = os.environ.get("PALM_HOME") or "palm_home"
        self.home = Path(home).expanduser().absolute()

    def find(self, kind: Kind, version: str) -> Artifact | None:
        """The artifact, verified; None if it was never published.

        Raises:
            ArtifactCorruptError: it is there, but is not what its manifest says.
        """
        folder = self.home / kind / version
        if not folder.exists():
            return None
        return open_folder(folder, kind, version)

    def open(self, kind: Kind, version: str) -> Artifact:
        """The artifact, verified.

        Raises:
            ArtifactMissingError: never published here.
            ArtifactCorruptError: damaged since.
        """
        found = self.find(kind, version)
        if found is None:
            raise ArtifactMissingError(
                f"There is no {kind} {version}", where=self.home, hint="Materialize the asset that makes it."
            )
        return found

    def manifest(self, kind: Kind, version: str) -> Manifest:
        """An artifact's manifest; its files are not verified.

        Raises:
            ArtifactCorruptError: it is missing or not readable.
        """
        return read_manifest(self.home / kind / version, kind, version)

    def manifests(self, kind: Kind) -> list[Manifest]:
        """Readable manifests of a kind, oldest first."""
        found = []
        for path in (self.home / kind).glob(f"*/{MANIFEST}"):
            with contextlib.suppress(ArtifactError):
                found.append(self.manifest(kind, path.parent.name))
        return sorted(found, key=lambda manifest: (manifest.created, manifest.version))

    def versions(self, kind: Kind) -> list[str]:
        """Versions of a kind with a readable manifest, oldest first."""
        return [manifest.version for manifest in self.manifests(kind)]

    def make(
        self,
        kind: Kind,
        build: Callable[[Path], Mapping[str, Any]],
        *,
        inputs: Mapping[str, str],
        config: BaseModel,
        code_version: str,
    ) -> Artifact:
        """The artifact of these inputs, config and code version, pinned: found, or built and published.

        `build(folder)` writes files into an empty folder and returns the facts for the manifest. If it raises
        or the process dies, nothing is published. A damaged artifact is moved aside and made again. A second
        process that makes the same artifact waits for the first one and reuses its result.

        Raises:
            DiskFullError: no space left.
            ArtifactError: the store cannot be written.
        """
        version = version_of(kind, inputs, config, code_version)
        # A damaged one is moved aside below, under the lock; one that is being removed is made again.
        with contextlib.suppress(ArtifactCorruptError, ArtifactMissingError):
            found = self.find(kind, version)
            if found is not None:
                return pin(found)
        folder = self.home / kind / version
        with self.writing(), self.lock(f"{kind}-{version}"):
            found = self._find_or_discard(kind, version)  # another process may have made it meanwhile
            if found is not None:
                return pin(found)
            draft = self._draft(kind, version)
            try:
                with self.writing():  # looks at the space left while the draft still takes its share
                    facts = dict(build(draft))
                    manifest = Manifest(
                        schema_version=1,
                        kind=kind,
                        version=version,
                        inputs=dict(inputs),
                        config=config.model_dump(mode="json"),
                        code_version=code_version,
                        created=datetime.now(UTC),
                        files=records_of(draft),
                        facts=facts,
                    )
                    with self.writing(only_writes=True):
                        _publish(draft, folder, manifest)
            finally:
                shutil.rmtree(draft, ignore_errors=True)
            # Under the lock, so that it cannot be removed before it is pinned.
            return pin(Artifact(kind, version, folder, read_manifest(folder, kind, version)))

    def work_folder(self, kind: Kind, version: str) -> Path:
        """A folder for the resumable state of a training, until `remove_work_folder`."""
        folder = self.home / "work" / f"{kind}-{version}"
        with self.writing():
            folder.mkdir(parents=True, exist_ok=True)
        return folder

    def remove_work_folder(self, kind: Kind, version: str) -> None:
        """Remove the state of a training whose artifact is published; if that fails, it is done later."""
        folder = self.home / "work" / f"{kind}-{version}"
        if not folder.exists():
            return
        with contextlib.suppress(OSError, PalmError), self.lock(f"{kind}-{version}"):
            if (self.home / kind / version).exists():
                remove_folder(folder, self.home / "work")

    def current(self, asset: str) -> Artifact:
        """The artifact that an asset points to: its last materialization.

        Raises:
            ArtifactMissingError: the asset was never materialized in this home.
            ArtifactCorruptError: the artifact or the pointer is damaged.
        """
        path = self._pointer(asset)
        try:
            kind, version = _read_pointer(path)
        except FileNotFoundError:
            raise ArtifactMissingError(
                f"The asset {asset} was never materialized",
                where=self.home,
                hint=f"Materialize {asset} first.",
            ) from None
        except (ValueError, KeyError, TypeError) as error:
            raise ArtifactCorruptError(
                "The pointer is not readable", where=path, hint=f"Materialize {asset} again."
            ) from error
        return self.open(kind, version)

    def current_versions(self, *, strict: bool = False) -> set[tuple[Kind, str]]:
        """Kind and version of all artifacts that assets point to; unreadable pointers are left out.

        Raises:
            OSError: if `strict`, and the system cannot read a pointer.
        """
        skipped = FileNotFoundError if strict else OSError
        found = set()
        for path in (self.home / "current").glob("*.json"):
            with contextlib.suppress(skipped, ValueError, KeyError, TypeError):
                found.add(_read_pointer(path))
        return found

    def set_current(self, asset: str, artifact: Artifact) -> None:
        """Point an asset at an artifact; writes nothing if it points there already."""
        content = json.dumps({"kind": artifact.kind, "version": artifact.version}).encode() + b"\n"
        path = self._pointer(asset)
        if not (path.is_file() and path.read_bytes() == content):
            with self.writing(only_writes=True):
                write_atomically(path, content)

    def released(self, origin: Origin = "photographs") -> Release | None:
        """The current release of an origin; None before the first. The page serves that of photographs.

        Raises:
            ArtifactCorruptError: `released.json` is not readable.
        """
        return read_released(self.home).of(origin)

    def release(
        self,
        model: Artifact,
        reference: Artifact,
        *,
        by: ReleasedBy = "gate",
        origin: Origin = "photographs",
        champion: str | None = None,
        replaces: Release | Literal["any"] | None = "any",
    ) -> Release:
        """Release a model; writes nothing if it is released already.

        An unreadable pointer or history is replaced, unless the release to replace is named.

        Args:
            model: to release.
            reference: that it was compared with.
            by: who decided.
            origin: of what it was trained on.
            champion: version of the best model so far; by default this model.
            replaces: the release that the decision was made against; "any" if it was not.

        Raises:
            ReleaseChangedError: another model is released now than the one to replace.
            DiskFullError, ArtifactError: the store cannot be written.
        """
        files = model.manifest.content
        release = new_release(model.version, reference.version, origin, by, champion, files)
        current = find_same(self.home, release)
        if current is not None:  # also in a store that cannot be written
            return current
        with self.writing(only_writes=True), self.lock("release"):
            return replace_release(self.home, release, replaces)

    def _find_or_discard(self, kind: Kind, version: str) -> Artifact | None:
        try:
            return self.find(kind, version)
        except ArtifactCorruptError as error:
            log.warning("%s It is moved aside and made again.", error)
            aside = tempfile.mkdtemp(prefix=f"damaged-{kind}-{version}-", dir=self.home / "work")
            (self.home / kind / version).rename(Path(aside) / version)
            return None

    def _draft(self, kind: Kind, version: str) -> Path:
        """An empty folder to build in. Drafts that a killed process left are removed: we hold the lock."""
        work = self.home / "work"
        for stale in work.glob(f"draft-{kind}-{version}-*"):
            shutil.rmtree(stale, ignore_errors=True)
        draft = Path(tempfile.mkdtemp(prefix=f"draft-{kind}-{version}-", dir=work))
        draft.chmod(FOLDER_MODE)
        return draft

    def _pointer(self, asset: str) -> Path:
        return self.home / "current" / f"{asset}.json"

    @contextlib.contextmanager
    def writing(self, *, only_writes: bool = False) -> Iterator[None]:
        """Write below the store's folder, which is made if it is missing, with typed errors.

        Args:
            only_writes: the block reads nothing from elsewhere, so every error of the system is the store's.

        Raises:
            DiskFullError: no space left.
            ArtifactError: the store cannot be written.
        """
        with typed_write_errors(
            self.home,
            ArtifactError,
            "The artifact store cannot be written",
            hint="Make it writable or set PALM_HOME.",
            full_hint="Free some space or move PALM_HOME; nothing was published.",
            only_writes=only_writes,
        ):
            make_folder(self.home)
            yield

    @contextlib.contextmanager
    def lock(self, name: str) -> Iterator[None]:
        """Hold a lock against other processes. The kernel releases it if the process dies: none is stale."""
        with self._lock_file(name) as handle:
            with self.writing(only_writes=True):
                try:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    log.info("Waiting for another process that holds %s.lock", name)
                    fcntl.flock(handle, fcntl.LOCK_EX)
            yield

    @contextlib.contextmanager
    def lock_if_free(self, name: str) -> Iterator[bool]:
        """Hold a lock if nobody holds it; yields whether it is held now."""
        with self._lock_file(name) as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                yield False
            else:
                yield True

    def _lock_file(self, name: str) -> TextIO:
        path = self.home / "work" / f"{name}.lock"
        with self.writing(only_writes=True):
            path.parent.mkdir(parents=True, exist_ok=True)
            return path.open("a", encoding="utf-8")  # does not change the file


def remove_folder(folder: Path, work: Path) -> None:
    """Remove a folder in one moment: moved aside into `work`, then deleted there, now or by retention."""
    aside = Path(tempfile.mkdtemp(prefix=REMOVED, dir=work))
    folder.rename(aside / folder.name)
    shutil.rmtree(aside, ignore_errors=True)


def open_folder(folder: Path, kind: Kind, version: str | None = None) -> Artifact:
    """A published artifact in any folder, verified; of any version if none is given.

    Raises:
        ArtifactCorruptError: it is not what its manifest says.
        ArtifactError: the system cannot read it now, so it is not known to be damaged.
    """
    manifest = read_manifest(folder, kind, version)
    for name, record in manifest.files.items():
        path = folder / name
        if not is_whole(path, record):
            raise ArtifactCorruptError(
                f"{name} is missing or damaged", where=folder, hint="Materialize it again."
            )
    return Artifact(kind, manifest.version, folder, manifest, reused=True)


def _read_pointer(path: Path) -> tuple[Kind, str]:
    """Kind and version; raises ValueError, KeyError or TypeError if the pointer is damaged."""
    pointer = json.loads(path.read_bytes())
    kind, version = pointer["kind"], pointer["version"]
    if kind not in get_args(Kind) or not isinstance(version, str):
        raise ValueError(f"there is no {kind} {version}")
    return kind, version


def _publish(draft: Path, target: Path, manifest: Manifest) -> None:
    (draft / MANIFEST).write_text(manifest.model_dump_json(indent=2) + "\n", encoding="utf-8")
    for path in draft.rglob("*"):
        if path.is_file():
            path.chmod(FILE_MODE)  # safetensors lets nobody but the owner read
        sync(path)
    sync(draft)
    make_folder(target.parent)
    draft.rename(target)
    sync(target.parent)
