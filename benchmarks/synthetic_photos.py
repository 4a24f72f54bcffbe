"""Drawn photographs a second at 256 px, written to disk as JPEG, on all cores.

python benchmarks/drawing.py
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from palm_assets.synthetic import write_kaggle_hands

PHOTOS = 1000


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        write_kaggle_hands(Path(folder) / "set", photos=PHOTOS, people=100, seed=0)
        seconds = time.perf_counter() - start
    print(f"{PHOTOS} drawn photographs of 256 px written in {seconds:.1f} s: {PHOTOS / seconds:.0f} a second")


if __name__ == "__main__":
    main()
