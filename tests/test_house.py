"""The "never imports" column of the house, proved in fresh interpreters."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
IMPORT_SECONDS = 1.5


def modules_below(package: str) -> list[str]:
    paths = sorted((ROOT / package).rglob("*.py"))
    names = [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in paths]
    return [name.removesuffix(".__init__") for name in names if not name.endswith("__main__")]


def loaded_by(statements: str, roots: set[str]) -> set[str]:
    """Which of these top-level packages are loaded in a fresh interpreter after some statements."""
    tell = f"import sys\nprint('LOADED', *sorted({roots!r} & {{name.split('.')[0] for name in sys.modules}}))"
    command = [sys.executable, "-c", f"{statements}\n{tell}"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert run.returncode == 0, run.stderr[-3000:]
    return set(run.stdout.split("LOADED")[-1].split())


def imports_of(module: str) -> set[str]:
    """Top-level packages that a module names in an import statement anywhere, inside functions too."""
    path = ROOT.joinpath(*module.split("."))
    source = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    found = set()
    for node in ast.walk(ast.parse(source.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.split(".")[0])
    return found


def test_the_rooms_are_not_empty() -> None:
    assert "palm_assets.store.artifacts" in modules_below("palm_assets")
    assert "pipelines.definitions" in modules_below("pipelines")
    assert modules_below("app")


def test_importing_the_whole_library_never_imports_dagster_or_streamlit() -> None:
    statements = "\n".join(f"import {module}" for module in modules_below("palm_assets"))
    foreign = {"dagster", "dagster_pipes", "streamlit", "pipelines", "app"}
    assert loaded_by(statements, foreign) <= {"dagster_pipes"}


@pytest.mark.parametrize("module", modules_below("palm_assets"))
def test_no_module_of_the_library_names_another_room(module: str) -> None:
    allowed = {"dagster_pipes"} if module == "palm_assets.stages.worker" else set()
    assert imports_of(module) & {"dagster", "dagster_pipes", "streamlit", "pipelines", "app"} <= allowed


@pytest.mark.parametrize("module", modules_below("pipelines"))
def test_no_module_of_the_pipelines_names_streamlit_or_the_app(module: str) -> None:
    assert not imports_of(module) & {"streamlit", "app"}


def test_the_definitions_import_neither_numpy_nor_torch_nor_ultralytics_nor_streamlit() -> None:
    heavy = {"numpy", "torch", "torchvision", "ultralytics", "streamlit", "cv2", "app"}
    assert loaded_by("import pipelines.definitions", heavy) == set()


def test_the_definitions_are_imported_in_under_a_second_and_a_half() -> None:
    """In a warm interpreter; the best of up to five, for other work shares the machine."""
    measure = (
        "import time; t = time.perf_counter(); import pipelines.definitions; print(time.perf_counter() - t)"
    )
    times: list[float] = []
    while len(times) < 5 and not (len(times) >= 3 and min(times) < IMPORT_SECONDS):
        run = subprocess.run(
            [sys.executable, "-c", measure], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
        )
        times.append(float(run.stdout.split()[-1]))
    assert min(times) < IMPORT_SECONDS, times


@pytest.mark.parametrize("module", modules_below("app"))
def test_no_module_of_the_page_names_dagster_or_the_pipelines(module: str) -> None:
    assert not imports_of(module) & {"dagster", "dagster_pipes", "pipelines"}


def test_importing_the_page_never_imports_dagster_or_the_pipelines() -> None:
    entry_points = {"app.main", *(name for name in modules_below("app") if name.endswith("_page"))}  # scripts
    statements = "\n".join(f"import {name}" for name in modules_below("app") if name not in entry_points)
    assert loaded_by(statements, {"dagster", "dagster_pipes", "pipelines"}) == set()


def test_the_form_of_the_page_is_shown_before_torch_is_imported() -> None:
    heavy = {"torch", "torchvision", "scipy", "cv2", "ultralytics"}
    assert loaded_by("import app.palms_page", heavy) == set()
