"""Pose of a hand in front of the camera."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from palm_assets.synthetic.types import Aspect, Side


@dataclass(frozen=True)
class Pose:
    """One pose.

    Attributes:
        aspect: ``palmar`` or ``dorsal``.
        side: ``left`` or ``right``.
        tilt: rotation in the image plane, degrees, 0 = fingers up, positive = clockwise.
        scale: width of the palm over the side of the image.
        shift: where the middle of the palm is, as (x, y) fractions of the image.
        spread: 0 = fingers together, 1 = wide apart.
        thumb: angle of the thumb away from the palm's axis, degrees.
        bends: flexion of each finger (index to little), radians at the first joint, 0 to about 0.35.
        jitter: deviation of each finger's direction, degrees (index to little).
        bows: sideways curvature of each finger and the thumb, fraction of the length.
        forearm: angle of the forearm against the hand, degrees.
    """

    aspect: Aspect
    side: Side
    tilt: float
    scale: float
    shift: tuple[float, float]
    spread: float
    thumb: float
    bends: tuple[float, float, float, float]
    jitter: tuple[float, float, float, float]
    bows: tuple[float, float, float, float, float]
    forearm: float


def sample_pose(rng: np.random.Generator, aspect: Aspect, side: Side, max_tilt: float) -> Pose:
    """Sample a pose: the palm is nearly always inside the image, the whole hand mostly."""
    spread = float(rng.choice([0.08, 0.55, 0.95]) + rng.uniform(-0.08, 0.08))
    curl = abs(rng.normal(0, 0.14)) if aspect == "palmar" else abs(rng.normal(0, 0.07))
    bends = np.clip(curl + rng.normal(0, 0.04, 4), 0, 0.36)
    tilt = float(rng.uniform(-1, 1) * max_tilt)
    scale = float(rng.uniform(0.32, 0.49))
    # The fingers reach 1.5 palm widths beyond the palm: aim the palm opposite to where they point.
    reach = np.deg2rad(tilt)
    center = np.array([0.5 - 0.2 * np.sin(reach), 0.5 + 0.2 * np.cos(reach)])
    center += rng.normal(0, 0.035, 2)
    jitter = rng.normal(0, 1.2 + 1.3 * spread, 4)
    bows = rng.normal(0, 0.012, 5)
    return Pose(
        aspect=aspect,
        side=side,
        tilt=tilt,
        scale=scale,
        shift=(float(center[0]), float(center[1])),
        spread=spread,
        thumb=float(np.clip(rng.normal(28 + 14 * spread, 8), 17, 58)),
        bends=(float(bends[0]), float(bends[1]), float(bends[2]), float(bends[3])),
        jitter=(float(jitter[0]), float(jitter[1]), float(jitter[2]), float(jitter[3])),
        bows=(float(bows[0]), float(bows[1]), float(bows[2]), float(bows[3]), float(bows[4])),
        forearm=float(rng.normal(0, 6)),
    )
