"""Read an artifact's manifest: what made it, what is known about it, and whether its files are intact.

    python examples/read_manifest.py palm_home/models/0123456789ab

Without a folder it reads the bundled starter model's.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import palm_assets
from palm_assets.store.artifacts import Manifest, open_folder

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("folder", nargs="?", type=Path, default=Path(palm_assets.__file__).parent / "starter")
arguments = parser.parse_args()

manifest = Manifest.model_validate_json((arguments.folder / "manifest.json").read_text())
print(f"{manifest.kind} {manifest.version}, made {manifest.created:%Y-%m-%d} by code {manifest.code_version}")
for name, version in manifest.inputs.items():
    print(f"  from {name} {version}")
for name, value in sorted(manifest.facts.items()):
    print(f"  {name}: {value}")

artifact = open_folder(arguments.folder, manifest.kind)  # hashes every file; raises if one is damaged
print(f"all {len(artifact.manifest.files)} files are intact")
