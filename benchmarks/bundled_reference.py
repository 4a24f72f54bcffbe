"""Packs what a bundled model was evaluated against into its folder, in place of what is there.

It takes the newest evaluation of the model in the store. Features are written in half precision. It refuses a
reference whose held-out people the model was trained on, by the record of people in the folder.

Example:
    python -m benchmarks.bundled_reference 0123456789ab palm_assets/starter_hands --home palm_home
"""

from __future__ import annotations

import argparse
from pathlib import Path

from palm_assets.release.starter_kit import pack_reference_of
from palm_assets.store.artifacts import Store


def main() -> None:
    """Pack it, and print its folder and size."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", help="version of the model in the store")
    parser.add_argument("folder", type=Path, help="of the packed copy of the model")
    parser.add_argument("--home", type=Path, default=Path("palm_home"), help="the artifact store")
    options = parser.parse_args()
    packed = pack_reference_of(Store(options.home), options.model, options.folder)
    size = sum(path.stat().st_size for path in packed.folder.iterdir())
    print(f"{packed.folder}: reference {packed.version}, {size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
