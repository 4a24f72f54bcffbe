"""Text files name their encoding: under `LC_ALL=C` with `PYTHONUTF8=0` they would be in ASCII."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = sorted(path for room in ("palm_assets", "pipelines", "app") for path in (ROOT / room).rglob("*.py"))
TEXT_ALWAYS = {"read_text": 0, "write_text": 1}
"""Methods of a path, and the position of the encoding among their arguments."""
OPENS = ("open", "fdopen", "NamedTemporaryFile", "TemporaryFile")


def without_encoding(source: str) -> Iterator[int]:
    """Lines of calls that open or pass on text without naming its encoding."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        named = {keyword.arg: keyword.value for keyword in node.keywords}
        if "encoding" in named or (None in named):
            continue
        always = name in TEXT_ALWAYS and len(node.args) <= TEXT_ALWAYS[name]
        if always or (name in OPENS and _opens_text(node, named)) or "text" in named:
            yield node.lineno


def _opens_text(node: ast.Call, named: dict[str | None, ast.expr]) -> bool:
    of = ast.unparse(node.func)
    if of.endswith(("os.open", "Image.open", "zipfile.open", "tarfile.open", "store.open")):
        return False
    method = isinstance(node.func, ast.Attribute) and of not in ("io.open", "os.fdopen")
    modes = [named["mode"]] if "mode" in named else node.args[0 if method else 1 :][:1]
    if not modes:
        if of.endswith("TemporaryFile"):
            return False  # binary by default
        # A path's or the built-in `open` reads text; archives open by name.
        return not node.args if method else True
    mode = modes[0]
    if not isinstance(mode, ast.Constant) or not isinstance(mode.value, str):
        return False
    return "b" not in mode.value and set(mode.value) <= set("rwax+t")


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_text_files_name_their_encoding(path: Path) -> None:
    lines = list(without_encoding(path.read_text(encoding="utf-8")))
    assert lines == [], f"{path}: lines {lines}"


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("p.read_text()", True),
        ("p.read_text('utf-8')", False),
        ("p.write_text('x')", True),
        ("p.write_text('x', encoding='utf-8')", False),
        ("p.open()", True),
        ("p.open('w', newline='')", True),
        ("p.open('rb')", False),
        ("open(p)", True),
        ("open(p, 'rb')", False),
        ("os.fdopen(handle, 'w')", True),
        ("os.open(p, os.O_RDONLY)", False),
        ("store.open('crops', version)", False),
        ("archive.open(name)", False),
        ("Image.open(p)", False),
        ("subprocess.run(c, text=True)", True),
    ],
)
def test_calls_without_an_encoding_are_found(source: str, found: bool) -> None:
    assert bool(list(without_encoding(source))) == found
