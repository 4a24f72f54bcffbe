"""The program's source as a ZIP, for visitors of a page on a network (AGPL-3.0, section 13).

It holds what git tracks, as it stands in the working tree. A copy without `.git` uses `SOURCE_FILES.txt`,
which every archive contains. Before copying a checkout to a place without its `.git`, write that file with
`python -m app.work.source_archive`.
"""

from __future__ import annotations

import functools
import io
import logging
import os
import stat
import subprocess
import zipfile
from pathlib import Path, PurePosixPath

log = logging.getLogger(__name__)

ROOT = Path(__file__).resolve().parents[2]
MANIFEST_NAME = "SOURCE_FILES.txt"
EXCLUDED = ("palm_assets/starter/", "palm_assets/starter_hands/")
"""Weights, left out for their size: the program runs without them, and can train its own."""

_SECRETS = frozenset({"secrets.toml", "credentials.toml", "kaggle.json", "access_token", ".netrc", ".pypirc"})
_KEY_SUFFIXES = frozenset({".pem", ".key", ".p12", ".pfx"})
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time that a ZIP can hold


class SourceUnavailableError(Exception):
    """The list of source files is neither in git nor in a manifest."""


def source_zip(root: Path = ROOT) -> bytes:
    """Everything needed to build and run this version, in a folder `palms`; equal files give equal bytes.

    Bytes of a file's name that are not UTF-8 become escapes, for other programs would not agree on them.

    Raises:
        SourceUnavailableError: see `source_files`.
    """
    names = source_files(root)
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            executable = bool((root / name).stat().st_mode & stat.S_IXUSR)
            archive.writestr(_entry(_as_text(name), executable), (root / name).read_bytes())
        listed = "".join(f"{_as_text(name)}\n" for name in names)
        archive.writestr(_entry(MANIFEST_NAME, False), listed.encode("utf-8"))
    return stream.getvalue()


@functools.cache
def offered_source() -> bytes | None:
    """What the page offers, made once; None, and an entry in the log, if nothing lists the files.

    All visitors share these bytes: `st.cache_data` would give each run of the page a copy of 3 MB.
    """
    try:
        return source_zip()
    except SourceUnavailableError as error:
        log.error("the page cannot offer its source", extra={"reason": str(error)})
        return None


def source_files(root: Path = ROOT) -> list[str]:
    """Paths of all source files below `root`, sorted: those that git tracks, else those in the manifest.

    Raises:
        SourceUnavailableError: there is neither.
    """
    names = _tracked(root)
    if names is None:
        try:
            names = _names((root / MANIFEST_NAME).read_bytes(), b"\n")
        except OSError as error:
            raise SourceUnavailableError(f"Neither git nor {MANIFEST_NAME} lists the source") from error
    return sorted(name for name in names if not _is_left_out(name) and (root / name).is_file())


def _is_left_out(name: str) -> bool:
    """Whether a file stays here: weights, and whatever may hold a password, even if git tracks it."""
    path = PurePosixPath(name.lower())
    secret = path.name in _SECRETS or (path.name.startswith(".env") and path.name != ".env.example")
    return name.startswith(EXCLUDED) or secret or path.suffix in _KEY_SUFFIXES or path.is_absolute()


def write_manifest(root: Path = ROOT) -> Path:
    """Write the manifest into a checkout, for a copy of it without git.

    Raises:
        SourceUnavailableError: it is no checkout.
    """
    path = root / MANIFEST_NAME
    path.write_bytes(b"".join(os.fsencode(name) + b"\n" for name in source_files(root)))
    return path


def _tracked(root: Path) -> list[str] | None:
    """What git tracks below `root`; None if `root` is not the top of a checkout, or git cannot read it."""
    if not (root / ".git").exists():  # a folder, or a file in a worktree; never a repository further up
        return None
    # The page may run as another user than the owner of the checkout, which git refuses by default.
    command = ["git", "-c", f"safe.directory={root}", "-C", str(root), "ls-files", "-z"]
    try:
        listed = subprocess.run(command, capture_output=True, check=True, timeout=60).stdout
    except (OSError, subprocess.SubprocessError) as error:
        log.warning("git does not list the source", extra={"reason": str(error)})
        return None
    return _names(listed, b"\0")


def _names(listed: bytes, separator: bytes) -> list[str]:
    """Names of files, which need not be UTF-8."""
    return [os.fsdecode(name) for name in listed.split(separator) if name]


def _as_text(name: str) -> str:
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def _entry(name: str, executable: bool) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(f"palms/{name}", _EPOCH)
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.create_system = 3  # Unix, wherever it is written
    entry.external_attr = (stat.S_IFREG | (0o755 if executable else 0o644)) << 16
    return entry


if __name__ == "__main__":
    print(write_manifest())
