"""The program's own source as a ZIP: who uses the page over a network may have it (AGPL-3.0, section 13)."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("app", "palm_assets", "pipelines", "deploy", "docs", "benchmarks", "tests", ".streamlit")
WITHOUT = ROOT / "palm_assets" / "starter"  # weights: the program runs without them, and makes its own
FILES = (
    "LICENSE",
    "README.md",
    "Makefile",
    "pyproject.toml",
    "constraints.txt",
    "workspace.yaml",
    "dagster.yaml",
)
ENDINGS = {".py", ".toml", ".yaml", ".md", ".txt", ".conf", ".json", ".sh"}


def source_zip() -> bytes:
    """Everything needed to build and run this very version; the same files give the same bytes."""
    paths = [ROOT / name for name in FILES if (ROOT / name).is_file()]
    for folder in FOLDERS:
        found = (ROOT / folder).rglob("*")
        paths += sorted(path for path in found if _belongs(path))
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in paths:
            entry = zipfile.ZipInfo(f"palms/{path.relative_to(ROOT)}", (1980, 1, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, path.read_bytes())
    return stream.getvalue()


def _belongs(path: Path) -> bool:
    return path.is_file() and path.suffix in ENDINGS and WITHOUT not in path.parents
