"""Helpers that the tests of several packages share."""

from __future__ import annotations

import contextlib
import io
import os
import struct
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

RGB = tuple[int, int, int]


def noise(width: int = 40, height: int = 30, seed: int = 0) -> np.ndarray:
    """An image of noise, uint8 RGB (height, width, 3), different for each seed."""
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def save_picture(path: Path, pixels: np.ndarray | None = None, *, seed: int = 0) -> Path:
    """Write an image (noise by default), creating its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(noise(seed=seed) if pixels is None else pixels).save(path)
    return path


def below(folder: Path) -> dict[str, tuple[int, int, int]]:
    """Inode, size and modification time of everything below a folder; if equal, nothing was written."""
    states = {path.relative_to(folder).as_posix(): path.lstat() for path in sorted(folder.rglob("*"))}
    return {name: (s.st_ino, s.st_size, s.st_mtime_ns) for name, s in states.items()}


@contextlib.contextmanager
def mounted_tmpfs(folder: Path, options: str) -> Iterator[None]:
    """A small file system in memory; skips the test if this user may not mount one."""
    folder.mkdir(parents=True, exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True).returncode != 0:
        pytest.skip("mounting a tmpfs needs root with CAP_SYS_ADMIN")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def remount(folder: Path, options: str) -> None:
    """Change the options of a mounted tmpfs."""
    subprocess.run(["mount", "-o", f"remount,{options}", str(folder)], check=True)


def unsigned(png: bytes) -> bytes:
    """A PNG without its Content Credentials, whose signature is new each time."""
    at, kept = 8, [png[:8]]
    while at < len(png):
        length, kind = struct.unpack_from(">I4s", png, at)
        if kind != b"caBX":
            kept.append(png[at : at + 12 + length])
        at += 12 + length
    return b"".join(kept)


def unsigned_zip(content: bytes) -> list[tuple[str, tuple[int, ...], bytes]]:
    """Name, time and content of each entry of a ZIP in order, of PNGs without their Content Credentials."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return [
            (entry.filename, entry.date_time, _unsigned_entry(entry.filename, archive.read(entry)))
            for entry in archive.infolist()
        ]


def _unsigned_entry(name: str, content: bytes) -> bytes:
    return unsigned(content) if name.endswith(".png") else content
