"""A blind sheet: real held-out palms and generated ones, shuffled, for fresh eyes.

    python benchmarks/blind_sheet.py [--model VERSION] [--seed 0] [--size 64] [--out runs/blind-sheet]

Half of the 48 tiles are palms of people whom training never saw, of as many hands as there are. The
others are the model's (the released one's unless told otherwise), of consecutive seeds, none left out.
With `--size` all are reduced alike before.
`sheet.png` is for whoever judges; `key.json` tells which tile is which, and is not to be looked at
before.
"""

from __future__ import annotations

import argparse
import json
import os
from collections import Counter
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from palm_assets.crops.extraction import Crops
from palm_assets.release.serving import open_model
from palm_assets.stages.crops import open_crops
from palm_assets.store.artifacts import Store

TILES, COLUMNS, SIDE, FRAME = 48, 8, 256, 14


def main() -> None:
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--model", metavar="VERSION")
    ask.add_argument("--seed", type=int, default=0)
    ask.add_argument("--size", type=int, help="reduce all palms to this many pixels, as means of squares")
    ask.add_argument("--out", type=Path, default=Path("runs/blind-sheet"))
    asked = ask.parse_args()
    store = Store(Path(os.environ.get("PALM_HOME", "palm_home")))
    release = store.released()
    version = asked.model or (release.model if release else store.current("dcgan_checkpoint").version)
    model, artifact = open_model(store, version)
    palms = open_crops(store.open("crops", artifact.manifest.inputs["crops"]))

    rng = np.random.default_rng(asked.seed)
    real = np.asarray(palms.images)[_of_many_hands(palms, TILES // 2, rng)]
    ours = model.generate(model.latents(asked.seed, range(TILES - len(real))))
    tiles, is_real = np.concatenate([real, ours]), [True] * len(real) + [False] * len(ours)
    if asked.size:
        tiles = _reduced(tiles, asked.size)
    order = rng.permutation(TILES)
    asked.out.mkdir(parents=True, exist_ok=True)
    _sheet(tiles[order]).save(asked.out / "sheet.png")
    key = {str(place + 1): "real" if is_real[tile] else "generated" for place, tile in enumerate(order)}
    (asked.out / "key.json").write_text(json.dumps({"model": version, "tiles": key}, indent=1) + "\n")
    print(f"{asked.out / 'sheet.png'}: {len(real)} real palms and {len(ours)} of model {version}, numbered")


def _of_many_hands(palms: Crops, count: int, rng: np.random.Generator) -> list[int]:
    """Rows of held-out palms, a second one of a hand only when all are there: a hand seen twice is real."""
    held_out = [row for row, crop in enumerate(palms.index) if crop.split == "holdout"]
    turns: dict[int, int] = {}
    times_seen: Counter[tuple[str, str]] = Counter()
    for row in rng.permutation(held_out).tolist():
        hand = palms.index[row].person, palms.index[row].side
        turns[row] = times_seen[hand]
        times_seen[hand] += 1
    return sorted(turns, key=lambda row: turns[row])[:count]


def _reduced(tiles: np.ndarray, size: int) -> np.ndarray:
    count, colors, side, _ = tiles.shape
    if side % size:
        raise SystemExit(f"--size must divide the palms' {side} px, as {side // 2} does")
    step = side // size
    squares = tiles.reshape(count, colors, size, step, size, step)
    return np.round(squares.mean((3, 5))).astype(np.uint8)


def _sheet(tiles: np.ndarray) -> Image.Image:
    """Numbered tiles, enlarged by whole pixels: no resampling may tell anything."""
    side = max(SIDE // tiles.shape[-1], 1) * tiles.shape[-1]
    rows = -(-len(tiles) // COLUMNS)
    sheet = Image.new("RGB", (COLUMNS * (side + 4), rows * (side + FRAME + 4)), "white")
    pen = ImageDraw.Draw(sheet)
    for place, tile in enumerate(tiles):
        left, top = place % COLUMNS * (side + 4), place // COLUMNS * (side + FRAME + 4)
        pen.text((left + 2, top), str(place + 1), fill="black")
        picture = Image.fromarray(tile.transpose(1, 2, 0))
        sheet.paste(picture.resize((side, side), Image.Resampling.NEAREST), (left, top + FRAME))
    return sheet


if __name__ == "__main__":
    main()
