"""Generate hands from an ONNX file with NumPy and ONNX Runtime alone: neither Palms nor PyTorch is needed.

palms export onnx palms.onnx
python examples/onnx_without_palms.py palms.onnx --count 4 --seed 7 --out hands
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import onnxruntime
from PIL import Image


def latent(seed: int, size: int) -> np.ndarray:
    """The latent vector of a seed, float32 (size,), size at least 16; docs/export.md describes the rule."""
    raw = np.random.RandomState(seed % 2**32).bytes(4 * (size + 16))
    uniforms = (np.frombuffer(raw, "<u4") & 0xFFFFFF).astype(np.float32) / 2**24
    values = uniforms[:size].copy()
    for start in range(0, size - 15, 16):
        values[start : start + 16] = normals(values[start : start + 16])
    if size % 16:
        values[-16:] = normals(uniforms[size:])
    return values


def normals(uniforms: np.ndarray) -> np.ndarray:
    """Normal numbers of 16 uniform ones (Box and Muller 1958)."""
    radius = np.sqrt(-2 * np.log(1 - uniforms[:8]))
    angle = 2 * np.pi * uniforms[8:]
    return np.concatenate([radius * np.cos(angle), radius * np.sin(angle)])


def main() -> None:
    """Write the images of the set."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("model", type=Path, help="ONNX file of a model without labels")
    parser.add_argument("--count", type=int, default=4)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--out", type=Path, default=Path("hands"))
    arguments = parser.parse_args()

    session = onnxruntime.InferenceSession(arguments.model)
    size = session.get_inputs()[0].shape[1]
    latents = [latent(arguments.seed + index, size) for index in range(arguments.count)]
    (images,) = session.run(None, {"latents": np.stack(latents).astype(np.float32)})
    arguments.out.mkdir(exist_ok=True)
    for number, image in enumerate(images, start=1):
        Image.fromarray(image.transpose(1, 2, 0)).save(arguments.out / f"hand_{number}.png")
    print(f"{len(images)} hands in {arguments.out}")


if __name__ == "__main__":
    main()
