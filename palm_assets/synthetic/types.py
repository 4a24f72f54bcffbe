"""Array and literal types that the modules of this package share."""

from __future__ import annotations

from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

Aspect: TypeAlias = Literal["palmar", "dorsal"]
Side: TypeAlias = Literal["left", "right"]

Plane: TypeAlias = npt.NDArray[np.float32]
"""One value a pixel, ``(H, W)``."""

Colors: TypeAlias = npt.NDArray[np.float32]
"""Linear light RGB, one plane a color: ``(3, H, W)``; or one color, ``(3,)``; 0 to 1."""

Shape: TypeAlias = tuple[int, int]
"""Rows and columns of a plane."""

Window: TypeAlias = tuple[slice, slice]
"""A rectangle of an image: rows and columns."""

Points: TypeAlias = npt.NDArray[np.float64]
"""Positions ``(N, 2)``, x to the right, in hand units (y up) or pixels (y down)."""

Image: TypeAlias = npt.NDArray[np.uint8]
"""An image, RGB, ``(H, W, 3)``."""
