"""Whether a model can be run by a process that knows nothing but its folder.

What made a model may still hold what its files lack. The page and the command line start from the files, so
here they are opened by the page's own door in an interpreter of its own, whose crash is a verdict, too:
`python -m palm_assets.release.load_check HOME VERSION`.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from palm_assets.errors import PalmError
from palm_assets.release.checks import CheckResult
from palm_assets.store.artifacts import Store

CHECK = "loads_and_draws"
SECONDS = 300


def check_loading(store: Store, version: str) -> CheckResult:
    """Open a model of the store in a fresh process, draw a palm and score it."""
    command = [sys.executable, "-m", "palm_assets.release.load_check", str(store.home), version]
    try:
        run = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return CheckResult(CHECK, False, f"it did not load within {SECONDS} s")
    if run.returncode == 0:
        return CheckResult(CHECK, True, "a fresh process loaded it and drew a palm")
    said = run.stderr.strip().splitlines()
    return CheckResult(CHECK, False, said[-1] if said else f"the process ended with {run.returncode}")


def main(home: str, version: str) -> int:
    """Exit code 0, or 1 and a line on standard error."""
    from palm_assets.release.serving import open_model

    try:
        open_model(Store(Path(home)), version)
    except PalmError as error:
        sys.stderr.write(" ".join(str(error).split()) + "\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
