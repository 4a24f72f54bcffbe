"""The page's image has neither Dagster nor Ultralytics: what it installs is enough for what it does."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.helpers import save_picture

ROOT = Path(__file__).parent.parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PAGE = [Requirement(text) for text in PROJECT["dependency-groups"]["page"]]
LEFT_OUT = {
    "dagster",
    "dagster-pipes",
    "dagster-webserver",
    "ultralytics",
    "torchvision",
    "kagglehub",
    "matplotlib",
}

# Run first: imports fail of every package that the page's image does not install.
ONLY_INSTALLED = f"""
import importlib.metadata, sys
from packaging.requirements import Requirement

allowed, waiting = set(), {[str(requirement) for requirement in PAGE]!r}
while waiting:
    requirement = Requirement(waiting.pop())
    name = requirement.name.lower().replace("_", "-").replace(".", "-")
    if requirement.marker is not None and not requirement.marker.evaluate() or name in allowed:
        continue
    allowed.add(name)
    try:
        waiting += importlib.metadata.requires(name) or ()
    except importlib.metadata.PackageNotFoundError:  # of CUDA, say
        pass
ours = {{"palm_assets", "app", "tests", "palms"}}
installed = importlib.metadata.packages_distributions()
refused = {{
    module
    for module, names in installed.items()
    if module not in ours
    and not {{name.lower().replace("_", "-").replace(".", "-") for name in names}} & allowed
}} - {{"packaging"}}
for module in [*sys.modules]:
    if module.split(".")[0] in refused:
        del sys.modules[module]

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in refused:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Refuse())
"""


def run(code: str, cwd: Path, expected: int = 0) -> str:
    """Both outputs of a fresh interpreter that has only the packages of the page's image."""
    command = [sys.executable, "-c", ONLY_INSTALLED + code]
    environment = {name: value for name, value in os.environ.items() if name != "PALM_STARTER"}
    environment |= {"PYTHONPATH": str(ROOT), "PALM_PROVENANCE": "all"}
    done = subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == expected, done.stderr[-3000:]
    return done.stdout + done.stderr


def palms(*commands: str) -> str:
    """Code that runs commands one after the other, in one process."""
    lines = [f"code = main({command.split()!r}, standalone_mode=False)" for command in commands]
    return "\n".join(["from palm_assets.cli.main import main", *lines, "sys.exit(code)"])


def test_the_group_names_no_package_that_the_page_does_without() -> None:
    assert {requirement.name for requirement in PAGE} & LEFT_OUT == set()


def test_the_group_has_the_versions_of_the_program() -> None:
    dependencies = {}
    for text in PROJECT["project"]["dependencies"]:
        requirement = Requirement(text)
        dependencies[requirement.name.removesuffix("-headless")] = requirement.specifier
    for requirement in PAGE:
        assert dependencies[requirement.name.removesuffix("-headless")] == requirement.specifier, requirement


def test_the_group_is_pinned() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pinned = {line.partition("==")[0].lower().replace("_", "-") for line in lines}
    assert {requirement.name for requirement in PAGE} <= pinned


@pytest.mark.parametrize("module", ["dagster", "ultralytics", "matplotlib", "torchvision"])
def test_the_check_does_refuse_them(module: str) -> None:
    """Else the tests below show nothing."""
    assert "ModuleNotFoundError" in run(f"import {module}", ROOT, expected=1)


def test_commands_that_generate_and_measure_need_no_more(tmp_path: Path) -> None:
    commands = (
        "generate --count 2 --out set.zip --home home",
        "fid set.zip --home home",
        "morph --seed 7 --frames 2 --out morph.mp4 --home home",
    )
    said = run(palms(*commands), tmp_path)
    assert "2 palms" in said
    assert "density" in said
    assert (tmp_path / "morph.mp4").stat().st_size > 0


def test_the_page_needs_no_more(tmp_path: Path) -> None:
    show = f"""
import importlib, os, pathlib
os.environ["PALM_HOME"] = {str(tmp_path)!r}
from streamlit.testing.v1 import AppTest
page = AppTest.from_file({str(ROOT / "app" / "main.py")!r}, default_timeout=120).run()
assert not page.exception, page.exception
for path in pathlib.Path("app").rglob("*.py"):
    name = ".".join(path.with_suffix("").parts).removesuffix(".__init__")
    if name != "app.main":
        importlib.import_module(name)
print("shown")
"""
    assert "shown" in run(show, ROOT)


def test_a_command_that_needs_more_says_which_package_to_install(tmp_path: Path) -> None:
    save_picture(tmp_path / "photographs" / "one.png")
    said = run(palms("crop photographs --out crops"), tmp_path, expected=1)
    assert "Ultralytics, which detects palms, is not installed" in said
    assert "Traceback" not in said
