"""The doors by which foreign bytes enter, each as a function of bytes.

Bytes are read, or refused by a typed error. Whatever else a door raises is a fault.
`python -m tests.fuzz.hunt DOOR SECONDS` looks for such bytes.
"""

from __future__ import annotations

import io
import tempfile
import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image

from palm_assets.detector.boxes import read_export
from palm_assets.errors import PalmError
from palm_assets.gan.checkpoint import (
    CONFIG_FILE,
    DISCRIMINATOR_FILE,
    GENERATOR_FILE,
    load_networks,
    save_networks,
)
from palm_assets.gan.config import NetworkConfig
from palm_assets.gan.networks import Discriminator, Generator
from palm_assets.gan.published_weights import import_published
from palm_assets.generation.png_metadata import read_png_metadata, read_png_xmp
from palm_assets.generation.verification import verify
from palm_assets.photos.hand_info import join_table
from palm_assets.photos.reader import decode_photo
from palm_assets.quality.image_sets import open_images

CORPUS = Path(__file__).parent / "corpus"
MAX_MEGAPIXELS = 4.0
NETWORKS = NetworkConfig(image_size=16, latent=2, generator_width=4, discriminator_width=4, max_width=8)
_FILES = b"\n====\n"  # between the files of one input


@cache
def _room() -> Path:
    """A folder for the files of a process; it is removed when the process ends."""
    room = tempfile.TemporaryDirectory(prefix="palms-fuzz-")
    _rooms.append(room)
    return Path(room.name)


_rooms: list[tempfile.TemporaryDirectory[str]] = []


def photo(data: bytes) -> None:
    """An image file."""
    decode_photo(data, "photo", max_megapixels=MAX_MEGAPIXELS)


def export(data: bytes) -> None:
    """A YOLO export: its description, a label file, and a list of images."""
    parts = [*data.split(_FILES), b"", b""]
    root = _room() / "export"
    if not root.is_dir():
        for split in ("train", "valid", "test"):
            (root / split / "labels").mkdir(parents=True)
            (root / split / "images").mkdir()
            for number in range(3):
                pixels = np.full((12, 16, 3), 60 * number + len(split), np.uint8)
                Image.fromarray(pixels).save(root / split / "images" / f"{number}.png")
                (root / split / "labels" / f"{number}.txt").write_text("0 0.5 0.5 0.2 0.2\n")
    (root / "data.yaml").write_bytes(parts[0])
    (root / "train" / "labels" / "0.txt").write_bytes(parts[1])
    (root / "train.txt").write_bytes(parts[2])
    read_export(root, seed=0, max_set_aside=1)


def hand_info(data: bytes) -> None:
    """A HandInfo.csv."""
    table = _room() / "HandInfo.csv"
    table.write_bytes(data)
    join_table(table, ["Hand_0000002.jpg", "left/Hand_1.JPG", "a.png"])


def zip_file(data: bytes) -> None:
    """A ZIP of images."""
    path = _room() / "images.zip"
    path.write_bytes(data)
    found = open_images(path)
    for _ in found:
        pass
    list(found.png_heads(4096))


def png_origin(data: bytes) -> None:
    """The head of a PNG that a visitor drops."""
    read_png_metadata(data)
    read_png_xmp(data)


def verification(data: bytes) -> None:
    """A file whose signature and watermark a visitor wants to have checked."""
    verify(io.BytesIO(data), "file", max_megapixels=1)


def safetensors(data: bytes) -> None:
    """The generator's weights of a model."""
    folder = _room() / "model"
    if not folder.is_dir():
        folder.mkdir()
        save_networks(Generator(NETWORKS), Discriminator(NETWORKS), NETWORKS, folder)
    (folder / GENERATOR_FILE).write_bytes(data)
    load_networks(folder)


def network_config(data: bytes) -> None:
    """The architecture of a model; only a small one is built."""
    folder = _room() / "config"
    folder.mkdir(exist_ok=True)
    (folder / CONFIG_FILE).write_bytes(data)
    for name in (GENERATOR_FILE, DISCRIMINATOR_FILE):
        (folder / name).write_bytes(b"")
    if b"16" in data:
        load_networks(folder)


def state_dict(data: bytes) -> None:
    """Published weights, as torch saves them."""
    path = _room() / "generator.pt"
    path.write_bytes(data)
    import_published(path, path)


DOORS: dict[str, Callable[[bytes], None]] = {
    "photo": photo,
    "export": export,
    "hand_info": hand_info,
    "zip_file": zip_file,
    "png_origin": png_origin,
    "verification": verification,
    "safetensors": safetensors,
    "network_config": network_config,
    "state_dict": state_dict,
}


def knock(door: str, data: bytes) -> bool:
    """Whether a door reads these bytes; False if it refuses them by a typed error. Any other error passes."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            DOORS[door](data)
        except PalmError:
            return False
    return True


def corpus(door: str) -> dict[str, bytes]:
    """The kept inputs of a door by name."""
    return {path.name: path.read_bytes() for path in sorted((CORPUS / door).iterdir())}
