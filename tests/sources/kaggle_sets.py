"""Small sets, laid out as the real ones on Kaggle, and what tests say of a cache."""

from __future__ import annotations

import io
import random
import stat
import tarfile
import zipfile
from pathlib import Path

from PIL import Image

from palm_assets.errors import (
    PalmError,
)
from palm_assets.sources.kaggle import fetch_dataset
from tests.sources.kaggle_server import Faults, KaggleServer

HANDS = "shyambhu/hands-and-palm-images-dataset"
BOXES = "korff16/hands-and-palms-yolo-dataset"


def jpeg(seed: int) -> bytes:
    stream = io.BytesIO()
    Image.frombytes("RGB", (24, 18), random.Random(seed).randbytes(24 * 18 * 3)).save(stream, "JPEG")
    return stream.getvalue()


def hands(version: int = 1) -> dict[str, bytes]:
    names = [f"Hand_{i:07d}.jpg" for i in range(6 + version)]
    table = (
        "id,age,gender,skinColor,accessories,nailPolish,aspectOfHand,imageName,irregularities\n"
        + "".join(f"{i // 2},30,female,fair,0,0,palmar left,{name},0\n" for i, name in enumerate(names))
    )
    return {"HandInfo.csv": table.encode()} | {f"Hands/Hands/{name}": jpeg(i) for i, name in enumerate(names)}


def boxes() -> dict[str, bytes]:
    files = {
        "data.yaml": b"train: ../train/images\nval: ../valid/images\ntest: ../test/images\nnames: ['palm']\n"
    }
    for split in ("train", "valid", "test"):
        files[f"{split}/images/a.jpg"] = jpeg(7)
        files[f"{split}/labels/a.txt"] = b"0 0.5 0.5 0.4 0.4\n"
    return files


def zipped(files: dict[str, bytes], symlinks: dict[str, str] | None = None) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as pack:
        for name, content in files.items():
            pack.writestr(name, content)
        for name, target in (symlinks or {}).items():
            member = zipfile.ZipInfo(name)
            member.external_attr = (stat.S_IFLNK | 0o777) << 16
            pack.writestr(member, target)
    return stream.getvalue()


def tarred(files: dict[str, bytes], symlinks: dict[str, str] | None = None) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as pack:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            pack.addfile(member, io.BytesIO(content))
        for name, target in (symlinks or {}).items():
            member = tarfile.TarInfo(name)
            member.type, member.linkname = tarfile.SYMTYPE, target
            pack.addfile(member)
    return stream.getvalue()


def files_in(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if not p.is_dir()}


def left_behind(cache: Path) -> list[str]:
    """All in the cache but our lock, which is empty and stays."""
    return sorted(p.relative_to(cache).as_posix() for p in cache.rglob("*") if p.name != ".palms.lock")


def assert_nothing_is_kept_and_a_retry_is_clean(kaggle: KaggleServer, cache: Path) -> None:
    assert left_behind(cache) == []
    kaggle.faults = Faults()
    kaggle.archives[HANDS][1] = zipped(hands(1))
    fetched = fetch_dataset(HANDS, version=1, cache=cache)
    assert files_in(fetched.root) == hands(1)
    assert [p.name for p in cache.iterdir() if p.name != ".palms.lock"] == ["datasets"]


def assert_says_what_to_do(error: PalmError) -> None:
    assert len(error.hint) > 20
    assert error.where
