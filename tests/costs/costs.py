"""What the workloads cost now and what is kept, and where they differ."""

from __future__ import annotations

import json
import platform
import tempfile
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

from tests.costs.instructions import ROOT, run_in_callgrind, run_python

KEPT = Path(__file__).with_name("kept.json")
BOUND = 0.05
PACKAGES = ("c2pa-python", "click", "cryptography", "numpy", "pillow", "streamlit", "torch", "ultralytics")

Costs = Mapping[str, Mapping[str, int]]
"""Counts of each workload by their names."""


def measure(kind: str) -> dict[str, dict[str, int]]:
    """Costs of all workloads of a kind and of their slower forms, counted in a process of their own.

    Args:
        kind: "operations", or "instructions", which takes Valgrind.
    """
    with tempfile.TemporaryDirectory(prefix="palms-costs-") as name:
        folder, work = Path(name), Path(name) / "work"
        work.mkdir()
        arguments = ["-m", "tests.costs.count", kind, str(work)]
        environment = {
            "PYTHONHASHSEED": "0",
            "PYTHONPATH": str(ROOT),
            "OMP_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
            "PYTHONDONTWRITEBYTECODE": "",  # what is imported was compiled before
            "PALM_STARTER": str(folder / "no-starter"),
            "PALM_PROVENANCE": "",
            "XDG_STATE_HOME": str(folder / "state"),
        }
        if kind == "instructions":
            counts = run_in_callgrind(arguments, folder, environment)
            return {name: {"instructions": count} for name, count in counts.items()}
        output = run_python(arguments, environment)
        counted: dict[str, dict[str, int]] = json.loads(output.splitlines()[-1])
        return counted


def versions() -> dict[str, str]:
    """Versions on which the costs depend."""
    python = ".".join(platform.python_version_tuple()[:2])
    return {"python": python, **{name: version(name).partition("+")[0] for name in PACKAGES}}


def kept() -> tuple[dict[str, str], dict[str, dict[str, int]]]:
    """The versions and costs that are kept."""
    content = json.loads(KEPT.read_text())
    return content["versions"], content["costs"]


def differences(now: Mapping[str, int], before: Mapping[str, int], bound: float = BOUND) -> list[str]:
    """The counts of a workload that changed by more than the bound, up or down, in words."""
    pairs = {name: (before.get(name, 0), now.get(name, 0)) for name in sorted({*now, *before})}
    return [
        f"{name}: {old:,} -> {new:,}{change(new, old)}"
        for name, (old, new) in pairs.items()
        if abs(new - old) > bound * old
    ]


def change(now: int, before: int) -> str:
    """By how much a count changed, in percent."""
    return f" ({100 * (now / before - 1):+.1f} %)" if before else ""
