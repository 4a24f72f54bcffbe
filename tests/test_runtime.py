"""Process-wide settings: memory."""

from __future__ import annotations

import subprocess
import sys

import pytest

FAULTS = """
import resource, sys
import numpy as np
from palm_assets.runtime import keep_freed_memory
if sys.argv[1] == "kept":
    keep_freed_memory()
def compute():
    return [np.ones(size // 8) for size in (3 * 2**20, 100 * 2**20)]
compute()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    compute()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def page_faults(mode: str) -> int:
    done = subprocess.run([sys.executable, "-c", FAULTS, mode], capture_output=True, text=True, check=True)
    return int(done.stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="glibc only")
def test_kept_memory_is_reused_without_page_faults() -> None:
    assert page_faults("kept") < page_faults("returned") / 20
