"""The exported ONNX file against PyTorch: the largest difference of a pixel over 1,000 seeds, and the time.

    python benchmarks/onnx_export.py [MODEL] [--seeds 1000]

Writes nothing. MODEL is what `palm_assets.load_model` takes; by default the starter. `hands` takes labels.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

import palm_assets
from palm_assets.export.onnx_graph import CHUNK, largest_difference, onnx_bytes, open_session


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("model", nargs="?", default="starter")
    parser.add_argument("--seeds", type=int, default=1000)
    arguments = parser.parse_args()
    model = palm_assets.load_model(arguments.model)
    content = onnx_bytes(model)
    difference = largest_difference(model, content, range(arguments.seeds))
    print(f"model {model.version}, {model.image_size} px, file {len(content) / 1e6:.1f} MB")
    print(f"{arguments.seeds} seeds: largest difference from PyTorch (float32) {difference} of 255 levels")
    session = open_session(content)
    feed = {"latents": model.latents(0, range(CHUNK)).numpy()}
    for other in session.get_inputs()[1:]:  # labels: their values do not matter for the time
        feed[other.name] = np.zeros((CHUNK, other.shape[1]), np.float32)
    session.run(None, feed)
    started = time.perf_counter()
    for _ in range(4):
        session.run(None, feed)
    print(f"ONNX Runtime: {250 * (time.perf_counter() - started) / CHUNK:.1f} ms an image")


if __name__ == "__main__":
    main()
