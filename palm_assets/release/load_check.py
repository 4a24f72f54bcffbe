"""The load check: a fresh process opens a model from its files, as the page does, and generates an image.

The process that trained a model may hold in memory what its files lack. A crash of the fresh process is a
failed check. It runs `python -m palm_assets.release.load_check HOME VERSION`.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from palm_assets.errors import PalmError
from palm_assets.release.checks import LOAD_CHECK, CheckResult
from palm_assets.release.serving import open_model
from palm_assets.store.artifacts import Store

TIMEOUT_SECONDS = 300


def check_loading(store: Store, version: str) -> CheckResult:
    """Open a model of the store in a fresh process, generate an image and score it."""
    command = [sys.executable, "-m", "palm_assets.release.load_check", str(store.home), version]
    try:
        run = subprocess.run(
            command,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=TIMEOUT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return CheckResult(LOAD_CHECK, False, f"it did not load within {TIMEOUT_SECONDS} s")
    if run.returncode == 0:
        return CheckResult(LOAD_CHECK, True, "a fresh process loaded it and generated an image")
    lines = run.stderr.strip().splitlines()
    return CheckResult(LOAD_CHECK, False, lines[-1] if lines else f"the process exited with {run.returncode}")


def main(home: str, version: str) -> int:
    """Exit code 0 if the model works, else 1 and one line on standard error."""
    try:
        open_model(Store(Path(home)), version)
    except PalmError as error:
        sys.stderr.write(" ".join(str(error).split()) + "\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
