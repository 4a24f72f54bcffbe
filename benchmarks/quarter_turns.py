"""Accuracy of `quarter_turns`: of photographs that are turned, how many come out upright.

    python benchmarks/quarter_turns.py PHOTOGRAPHS [--count 200]

PHOTOGRAPHS is a folder that `palms check` reads, all with fingers up. Several sets are made of the same
photographs: all one way up, two ways, and at random. The first column is the most confident detection of
each photograph alone, the second the choice for the whole set.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from palm_assets.crops.turns import TURNS, TurnedDetections, choose_turns, detect_in_turns
from palm_assets.detector.detection import load_detector
from palm_assets.photos.index import index_photos
from palm_assets.stages.detector import open_starter_detector

SETS = {
    "all with fingers down": (0, 0, 1, 0),
    "two thirds up, one third down": (2 / 3, 0, 1 / 3, 0),
    "nine tenths up, others at random": (0.9, 0.03, 0.04, 0.03),
    "at random": (0.25, 0.25, 0.25, 0.25),
}
MIN_CONFIDENCE = 0.25
BATCH = 32


def main() -> None:
    """Detect once, and turn what was detected."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photographs", type=Path)
    parser.add_argument("--count", type=int, default=200)
    arguments = parser.parse_args()
    index = index_photos(arguments.photographs, loose_photos="each_a_person")
    rng = np.random.default_rng(0)
    rows = rng.permutation(len(index.photos))[: arguments.count]
    detector = load_detector(open_starter_detector().folder)
    upright: list[TurnedDetections] = []
    for start in range(0, len(rows), BATCH):
        pixels = [index.read(index.photos[row]) for row in rows[start : start + BATCH]]
        upright += detect_in_turns(detector, pixels, MIN_CONFIDENCE)
    print(f"{len(upright)} photographs, {sum(one.found for one in upright)} with a palm in any turn")
    print("| set | each photograph alone | the whole set |\n|---|---|---|")
    for name, shares in SETS.items():
        turns = rng.choice(len(TURNS), len(upright), p=shares)
        photos = [_turned(one, turn) for one, turn in zip(upright, turns, strict=True)]
        alone = [choose_turns([photo])[0] for photo in photos]
        together = choose_turns(photos)
        print(f"| {name} | {np.mean(alone == turns):.1%} | {np.mean(together == turns):.1%} |", flush=True)


def _turned(upright: TurnedDetections, turn: int) -> TurnedDetections:
    """What would be found if the photograph needed `turn` quarter turns; boxes are not changed."""
    order = [(place - turn) % len(TURNS) for place in TURNS]
    return TurnedDetections(
        tuple(upright.detections[place] for place in order), tuple(upright.log_odds[place] for place in order)
    )


if __name__ == "__main__":
    main()
