"""Sheet for a blind test: crops of held-out people and generated images, shuffled and numbered.

Half of the 48 tiles are real, from as many different hands as there are; the others are consecutive uncurated
samples of a model. With `--size`, all are reduced in the same way.

`sheet.png` is for the raters. `key.json` says which tiles are real; do not show it to them.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from palm_assets.crops.extraction import Crops
from palm_assets.gan.config import MAX_SEED
from palm_assets.release.serving import open_model
from palm_assets.stages.crops import open_crops
from palm_assets.store.artifacts import Store

TILES, COLUMNS, SIDE, LABEL = 48, 8, 256, 14


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", metavar="VERSION", help="default: the released model, else the newest")
    parser.add_argument("--seed", type=int, default=0, help="of the samples and the order (default: 0)")
    parser.add_argument("--size", type=int, help="reduce all tiles to this many pixels, by averaging squares")
    parser.add_argument("--out", type=Path, default=Path("runs/blind-sheet"))
    args = parser.parse_args()
    store = Store()
    release = store.released()
    version = args.model or (release.model if release else store.current("dcgan_checkpoint").version)
    model, artifact = open_model(store, version)
    crops = open_crops(store.open("crops", artifact.manifest.inputs["crops"]))

    rng = np.random.default_rng(args.seed)
    real = np.asarray(crops.images)[_of_many_hands(crops, TILES // 2, rng)]
    # Seeds that are close to each other share samples, and sheets may be shown to the same raters.
    generated = model.sample(TILES - len(real), seed=int(rng.integers(MAX_SEED)))
    tiles, is_real = np.concatenate([real, generated]), [True] * len(real) + [False] * len(generated)
    if args.size:
        tiles = _reduced(tiles, args.size)
    order = rng.permutation(TILES)
    args.out.mkdir(parents=True, exist_ok=True)
    _sheet(tiles[order]).save(args.out / "sheet.png")
    key = {str(number): "real" if is_real[tile] else "generated" for number, tile in enumerate(order, 1)}
    (args.out / "key.json").write_text(
        json.dumps({"model": version, "tiles": key}, indent=1) + "\n", encoding="utf-8"
    )
    print(f"{args.out / 'sheet.png'}: {len(real)} real crops and {len(generated)} samples of model {version}")


def _of_many_hands(crops: Crops, count: int, rng: np.random.Generator) -> list[int]:
    """Rows of held-out crops; a second one of a hand only after all hands, as two of a hand look real."""
    held_out = [row for row, crop in enumerate(crops.index) if crop.split != "train"]
    round_of: dict[int, int] = {}
    occurrences: Counter[tuple[str, str]] = Counter()
    for row in rng.permutation(held_out).tolist():
        hand = crops.index[row].person, crops.index[row].side
        round_of[row] = occurrences[hand]
        occurrences[hand] += 1
    return sorted(round_of, key=lambda row: round_of[row])[:count]


def _reduced(tiles: np.ndarray, size: int) -> np.ndarray:
    count, colors, side, _ = tiles.shape
    if side % size:
        raise SystemExit(f"--size must divide the {side} px of the crops, as {side // 2} does")
    step = side // size
    squares = tiles.reshape(count, colors, size, step, size, step)
    return np.round(squares.mean((3, 5))).astype(np.uint8)


def _sheet(tiles: np.ndarray) -> Image.Image:
    """Numbered tiles, enlarged by an integer factor; interpolation could reveal which are real."""
    side = max(SIDE // tiles.shape[-1], 1) * tiles.shape[-1]
    rows = -(-len(tiles) // COLUMNS)
    sheet = Image.new("RGB", (COLUMNS * (side + 4), rows * (side + LABEL + 4)), "white")
    draw = ImageDraw.Draw(sheet)
    for place, tile in enumerate(tiles):
        left, top = place % COLUMNS * (side + 4), place // COLUMNS * (side + LABEL + 4)
        draw.text((left + 2, top), str(place + 1), fill="black")
        image = Image.fromarray(tile.transpose(1, 2, 0))
        sheet.paste(image.resize((side, side), Image.Resampling.NEAREST), (left, top + LABEL))
    return sheet


if __name__ == "__main__":
    main()
