"""The lines of the hand: a person's palm creases, and the folds over the joints."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
import numpy.typing as npt

from palm_assets.synthetic.anatomy import Finger, Hand
from palm_assets.synthetic.curves import smooth_open
from palm_assets.synthetic.people import Person
from palm_assets.synthetic.types import Plane, Points, Shape, Side

# Control points in hand units (thumb to -x).
_LIFE = ((-0.445, 0.80), (-0.30, 0.775), (-0.12, 0.63), (-0.015, 0.42), (-0.035, 0.20), (-0.10, 0.06))
_HEAD = ((-0.440, 0.81), (-0.26, 0.775), (-0.02, 0.69), (0.20, 0.56), (0.34, 0.43))
_HEART = ((0.485, 0.775), (0.31, 0.775), (0.10, 0.83), (-0.08, 0.925), (-0.19, 1.03))
_FATE = ((0.02, 0.12), (-0.005, 0.38), (-0.02, 0.62), (-0.09, 0.92))
_MOUNT = ((0.30, 0.93), (0.16, 0.965), (0.02, 0.985), (-0.05, 1.03))


@dataclass(frozen=True)
class Crease:
    """One line of the skin.

    Attributes:
        path: points along it, hand units or pixels, ``(N, 2)``.
        depth: 0 to 1 at its deepest.
        width: at its widest, hand units.
        taper: share of the length over which either end fades out, (start, end).
    """

    path: Points
    depth: float
    width: float
    taper: tuple[float, float]


@lru_cache(maxsize=512)
def palm_creases(person: Person, side: Side) -> tuple[Crease, ...]:
    """The creases of one palm, paths in hand units: fixed for a person, alike but not equal on both hands."""
    shared = np.random.default_rng(person.crease_seeds[0] ^ person.crease_seeds[1])
    own = np.random.default_rng(person.crease_seed(side))
    deep = person.crease_depth
    joined = bool(shared.random() < 0.7)  # life and head line usually spring from one point
    life = _perturbed(_LIFE, shared, own, 0.022)
    head = _perturbed(_HEAD, shared, own, 0.026)
    if joined:
        head[0] = life[0]
    else:
        head[0] += (0.0, 0.05)
    heart = _perturbed(_HEART, shared, own, 0.026)
    lines = []
    for points, depth, taper in (
        (life, 0.85, (0.06, 0.40)),
        (head, 0.75, (0.06, 0.50)),
        (heart, 0.8, (0.1, 0.4)),
    ):
        path, depth = _jittered_curve(points, own), depth * deep * own.uniform(0.75, 1.1)
        lines += [Crease(path, depth, 0.0112, taper), *_strands(path, own, depth)]
    if person.fate_line:
        path = _jittered_curve(_perturbed(_FATE, shared, own, 0.03), own)
        lines.append(Crease(path, 0.4 * deep, 0.009, (0.4, 0.5)))
    if own.random() < 0.5:
        path = _jittered_curve(_perturbed(_MOUNT, shared, own, 0.02), own)
        lines.append(Crease(path, 0.3 * deep, 0.008, (0.4, 0.4)))
    return (*lines, *_folds_of_thumb(own, deep), *_fine_lines(own, deep), *_wrist(own, deep))


def finger_creases(finger: Finger, rng: np.random.Generator, deep: float) -> tuple[Crease, ...]:
    """Flexion creases of one finger seen from the palm, in pixels."""
    joint, sag, depth = [], [], []
    for k, place in enumerate(finger.joints):
        # Two folds at a joint, one at the last; the outer one of two is fainter.
        for m in range(2 if k < len(finger.joints) - 1 else 1):
            joint.append(place + (0.0, 1.0)[m] * rng.uniform(0.02, 0.045) - 0.012)
            sag.append(rng.uniform(0.002, 0.020) * (1 if k else -1))
            depth.append(deep * rng.uniform(*((0.5, 0.85), (0.15, 0.55))[m]))
    n, v = len(joint), np.linspace(-0.97, 0.97, 9)
    u = np.array(joint)[:, None] + np.array(sag)[:, None] * (1 - v**2) + rng.normal(0, 0.0022, (n, 9))
    paths = finger.at(u.ravel(), np.tile(v, n)).reshape(n, 9, 2)
    tapers = [(0.15, 0.15), (0.35, 0.2), (0.2, 0.35)]
    return tuple(Crease(p, d, 0.009, tapers[int(rng.integers(3))]) for p, d in zip(paths, depth, strict=True))


def knuckle_wrinkles(finger: Finger, rng: np.random.Generator, deep: float) -> tuple[Crease, ...]:
    """Wrinkles over the joints of one finger seen from the back, in pixels."""
    first, last = finger.joints[-2:]
    joint = np.array([first] * 5 + [last] * 2)
    place = np.array([-1.0, -0.5, 0.0, 0.5, 1.0, -1.0, 1.0])
    reach = np.array([0.045] * 5 + [0.015] * 2)
    wide = rng.uniform(0.45, 0.8, 7)[:, None]
    v = wide * np.linspace(-1, 1, 7) + rng.normal(0, 0.08, (7, 1))
    # The wrinkles bulge away from the joint's middle, like brackets around it.
    u = joint[:, None] + place[:, None] * (reach[:, None] + 0.018 * (1 - v**2)) + rng.normal(0, 0.002, (7, 7))
    paths = finger.at(u.ravel(), v.ravel()).reshape(7, 7, 2)
    depths = deep * rng.uniform(0.3, 0.7, 7)
    return tuple(Crease(p, float(d), 0.010, (0.4, 0.4)) for p, d in zip(paths, depths, strict=True))


def rasterize_creases(hand: Hand, creases: tuple[Crease, ...], shape: Shape) -> Plane:
    """Depth of the creases (paths in pixels) as a plane of this shape, 0 to 1, rasterized at 2x."""
    canvas = np.zeros((2 * shape[0], 2 * shape[1]), np.uint8)
    ordered = sorted(creases, key=lambda c: c.depth)
    pieces = [_Pieces.of(c) for c in ordered]
    ends = np.round(np.concatenate([p.ends for p in pieces]) * 32).astype(np.int32).tolist()
    depth, width = (np.concatenate(part) for part in zip(*((p.depth, p.width) for p in pieces), strict=True))
    width = width * (2 * hand.unit)
    # A line thinner than a pixel becomes fainter instead.
    gray = (255 * np.clip(depth, 0, 1) * np.minimum(width, 1)).astype(int).tolist()
    wide = np.maximum(1, np.round(width)).astype(int).tolist()
    for (x0, y0, x1, y1), level, thick in zip(ends, gray, wide, strict=True):
        if level > 2:
            cv2.line(canvas, (x0, y0), (x1, y1), level, thick, cv2.LINE_AA, 4)
    small = cv2.resize(canvas, shape[::-1], interpolation=cv2.INTER_AREA)
    return np.asarray(small * np.float32(1 / 255), np.float32)


@dataclass(frozen=True)
class _Pieces:
    """A crease cut into straight pieces: ends ``(N, 4)``, depth and width of each."""

    ends: npt.NDArray[np.float64]
    depth: npt.NDArray[np.float64]
    width: npt.NDArray[np.float64]

    @classmethod
    def of(cls, crease: Crease) -> _Pieces:
        fade = _fade(len(crease.path) - 1, crease.taper)
        ends = np.hstack([crease.path[:-1], crease.path[1:]])
        return cls(ends, crease.depth * fade, crease.width * (0.45 + 0.55 * fade))


@lru_cache(maxsize=64)
def _fade(pieces: int, taper: tuple[float, float]) -> npt.NDArray[np.float64]:
    s = (np.arange(pieces) + 0.5) / pieces
    ends = np.minimum(s / max(taper[0], 1e-3), (1 - s) / max(taper[1], 1e-3))
    return np.asarray(np.clip(ends, 0, 1) ** 0.8)


def _perturbed(
    points: npt.ArrayLike, shared: np.random.Generator, own: np.random.Generator, by: float
) -> npt.NDArray[np.float64]:
    p = np.array(points, float)
    return p + shared.normal(0, by, p.shape) + own.normal(0, 0.5 * by, p.shape)


def _jittered_curve(points: npt.ArrayLike, rng: np.random.Generator, count: int = 20) -> Points:
    """A smooth curve through the points with a slight random walk."""
    path = smooth_open(points, count)
    walk = np.cumsum(rng.normal(0, 0.0022, path.shape), axis=0)
    return np.asarray(path + walk - np.linspace(0, 1, count)[:, None] * walk[-1])


def _strands(path: Points, rng: np.random.Generator, depth: float) -> list[Crease]:
    """Finer lines beside a main line and forks off its end, without which it would look synthetic."""
    lines = []
    n = len(path)
    for _ in range(int(rng.integers(1, 4))):
        first = int(rng.integers(0, n - 8))
        part = path[first : first + int(rng.integers(6, 9))]
        aside = rng.normal(0, 0.010, 2) + np.linspace(0, 1, len(part))[:, None] * rng.normal(0, 0.018, 2)
        lines.append(Crease(part + aside, depth * rng.uniform(0.3, 0.7), 0.008, (0.4, 0.4)))
    for _ in range(int(rng.integers(0, 3))):
        start = int(rng.integers(n // 2, n - 3))
        ahead = path[start + 2] - path[start]
        turn = rng.normal(0, 0.5)
        way = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]) @ ahead
        end = path[start] + way / np.linalg.norm(way) * rng.uniform(0.07, 0.2)
        lines.append(
            Crease(
                _jittered_curve((path[start], end), rng, 6), depth * rng.uniform(0.3, 0.6), 0.008, (0.1, 0.8)
            )
        )
    return lines


def _folds_of_thumb(rng: np.random.Generator, deep: float) -> list[Crease]:
    """Short folds in the web of the thumb and fine wrinkles over the thenar mound."""
    lines = []
    for _ in range(int(rng.integers(2, 4))):
        start = np.array([-0.46, 0.66]) + rng.normal(0, 0.035, 2)
        end = start + rng.uniform((0.10, -0.24), (0.22, -0.06))
        path = _jittered_curve((start, 0.5 * (start + end) + 0.03, end), rng, 12)
        lines.append(Crease(path, rng.uniform(0.3, 0.6) * deep, 0.010, (0.2, 0.7)))
    for _ in range(int(rng.integers(3, 8))):
        start = np.array([rng.uniform(-0.40, -0.15), rng.uniform(0.30, 0.66)])
        end = start + rng.uniform((0.05, 0.0), (0.14, 0.10))
        lines.append(
            Crease(_jittered_curve((start, end), rng, 5), rng.uniform(0.1, 0.3) * deep, 0.008, (0.5, 0.5))
        )
    return lines


def _fine_lines(rng: np.random.Generator, deep: float) -> list[Crease]:
    """Faint secondary lines: steep ones in the middle of the palm, flat ones at its outer edge."""
    lines = []
    for _ in range(int(rng.integers(22, 40))):
        start = np.array([rng.uniform(-0.28, 0.36), rng.uniform(0.30, 1.02)])
        angle = np.deg2rad(rng.normal(70, 28)) * (1 if start[0] < 0.1 else -1)
        end = start + rng.uniform(0.08, 0.28) * np.array([np.cos(angle), np.sin(angle)])
        end[1] = min(end[1], 1.08)
        path = _jittered_curve((start, 0.5 * (start + end) + rng.normal(0, 0.012, 2), end), rng, 5)
        lines.append(Crease(path, rng.uniform(0.08, 0.36) * deep, 0.007, (0.5, 0.5)))
    for _ in range(int(rng.integers(2, 6))):
        start = np.array([0.49, rng.uniform(0.45, 0.74)])
        end = start + rng.normal((-0.14, 0.0), (0.03, 0.03))
        lines.append(
            Crease(_jittered_curve((start, end), rng, 5), rng.uniform(0.15, 0.35) * deep, 0.008, (0.1, 0.7))
        )
    return lines


def _wrist(rng: np.random.Generator, deep: float) -> list[Crease]:
    lines = []
    for y, depth in ((0.0, 0.45), (-0.07, 0.3), (-0.03, 0.25)):
        wave = rng.normal(0, 0.012, 3)
        left, right = rng.uniform(-0.32, -0.1), rng.uniform(0.1, 0.32)
        points = ((left, y + wave[0]), (0.5 * (left + right), y + 0.03 + wave[1]), (right, y + wave[2]))
        lines.append(
            Crease(_jittered_curve(points, rng, 10), depth * deep * rng.uniform(0.4, 1), 0.008, (0.4, 0.4))
        )
    return lines
