"""Speed of rendering synthetic photographs of 256 px and writing them as JPEG files, on all cores."""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

from palm_assets.synthetic import write_kaggle_hands


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=int, default=1000, help="number of photographs (default: 1000)")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        write_kaggle_hands(Path(folder) / "set", photos=args.photos, people=min(100, args.photos), seed=0)
        seconds = time.perf_counter() - start
    rate = args.photos / seconds
    print(f"{args.photos} synthetic photographs of 256 px in {seconds:.1f} s: {rate:.0f} photos/s")


if __name__ == "__main__":
    main()
