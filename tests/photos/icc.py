"""ICC profiles of RGB and gray devices, built byte by byte, and what they say a color is in sRGB."""

from __future__ import annotations

import struct

import numpy as np

Columns = tuple[tuple[float, float, float], tuple[float, float, float], tuple[float, float, float]]

# XYZ of the primaries under D50, as the profiles of these names hold them.
SRGB: Columns = ((0.43607, 0.22249, 0.01392), (0.38515, 0.71687, 0.09708), (0.14307, 0.06061, 0.71410))
ADOBE_RGB: Columns = ((0.60974, 0.31111, 0.01947), (0.20528, 0.62567, 0.06087), (0.14919, 0.06322, 0.74457))
DISPLAY_P3: Columns = (
    (0.51512, 0.24120, -0.00105),
    (0.29198, 0.69225, 0.04189),
    (0.15710, 0.06657, 0.78407),
)
D50 = (0.96420, 1.0, 0.82491)


def _fixed(*values: float) -> bytes:
    return b"".join(struct.pack(">i", round(value * 65536)) for value in values)


def _profile(space: bytes, description: str, tags: dict[bytes, bytes]) -> bytes:
    text = description.encode() + b"\0"
    tags = {
        b"desc": b"desc\0\0\0\0" + struct.pack(">I", len(text)) + text + bytes(78),
        b"cprt": b"text\0\0\0\0none\0",
        b"wtpt": b"XYZ \0\0\0\0" + _fixed(*D50),
        **tags,
    }
    offset = 128 + 4 + 12 * len(tags)
    table, data = struct.pack(">I", len(tags)), b""
    for name, content in tags.items():
        content += bytes(-len(content) % 4)
        table += name + struct.pack(">II", offset + len(data), len(content))
        data += content
    head = bytearray(128)
    head[0:4] = struct.pack(">I", offset + len(data))
    head[8:12] = b"\x02\x40\0\0"
    head[12:24] = b"mntr" + space + b"XYZ "
    head[36:40] = b"acsp"
    head[68:80] = _fixed(*D50)
    return bytes(head) + table + data


def _gamma(gamma: float) -> bytes:
    return b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256)) + b"\0\0"


def rgb_profile(columns: Columns, gamma: float, description: str = "made for a test") -> bytes:
    """A matrix profile with one gamma for all channels."""
    tags = {
        name: b"XYZ \0\0\0\0" + _fixed(*column)
        for name, column in zip((b"rXYZ", b"gXYZ", b"bXYZ"), columns, strict=True)
    }
    return _profile(
        b"RGB ", description, {**tags, **dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), _gamma(gamma))}
    )


def gray_profile(gamma: float) -> bytes:
    return _profile(b"GRAY", "made for a test", {b"kTRC": _gamma(gamma)})


def to_srgb(rgb: tuple[int, int, int], columns: Columns, gamma: float) -> np.ndarray:
    """The color in sRGB, 0 to 255, by the definition of the profile."""
    light = (np.array(rgb) / 255) ** gamma
    linear = np.clip(np.linalg.solve(np.array(SRGB).T, np.array(columns).T @ light), 0, 1)
    encoded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.asarray(encoded * 255)
