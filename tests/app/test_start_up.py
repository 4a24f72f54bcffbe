"""Nothing heavy is imported before it is needed: the form is on the screen while torch is still loading."""

from __future__ import annotations

import subprocess
import sys

from app.work.source_archive import ROOT

HEAVY = {"torch", "torchvision", "scipy", "cv2", "ultralytics", "matplotlib", "dagster", "pipelines"}


def test_no_module_of_the_page_imports_anything_heavy() -> None:
    paths = [path.relative_to(ROOT).with_suffix("") for path in (ROOT / "app").rglob("*.py")]
    modules = [".".join(path.parts).removesuffix(".__init__") for path in paths]
    imports = ", ".join(sorted(set(modules) - {"app.main"}))  # that one is a script
    code = (
        f"import sys, {imports}; print(*sorted({HEAVY!r} & {{name.split('.')[0] for name in sys.modules}}))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert found.stdout.split() == []
