"""The geometry of a hand: fingers, palm, forearm and the palm's box, in pixels.

Hand units: the palm is 1 wide, the wrist crease lies on y = 0, the fingers point to +y and the
thumb to -x. A left hand is the mirror image. Left and right follow 11k Hands: in all of
its photographs, palmar and dorsal, a "left" hand with its fingers up has the thumb on the image's right.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt

from palm_assets.synthetic.curves import smooth_closed
from palm_assets.synthetic.people import Person
from palm_assets.synthetic.pose import Pose
from palm_assets.synthetic.types import Points, Window

# Index to little: root of the finger (middle of its root crease), length, half width, fan angle (degrees).
_ROOTS = np.array([[-0.352, 1.120], [-0.115, 1.185], [0.125, 1.135], [0.352, 0.985]])
_LENGTHS = np.array([0.86, 0.95, 0.88, 0.68])
_RADII = np.array([0.116, 0.118, 0.112, 0.099])
_FAN = np.array([-11.0, -2.0, 7.0, 19.0])
_CLOSED = np.array([2.0, 0.3, -1.8, -3.0])
_PHALANGES = np.array([0.42, 0.29, 0.29])  # shares of the visible length, from the palm on


@dataclass(frozen=True)
class Finger:
    """A finger (or the thumb) as a tapering tube along a slightly bowed axis, in pixels.

    Attributes:
        root: where the axis begins.
        along: unit vector from root to tip.
        across: unit vector at a right angle to it.
        length: from root to tip.
        radius: half width at the root, the unit of ``widths``.
        bow: how far the axis leaves the chord at its middle, signed.
        stations: positions along the axis (0 root, 1 tip) at which ``widths`` are given.
        widths: half width there, in ``radius``.
        joints: positions of the flexion creases.
        pitch: slope of each part between joints towards the camera, height over length.
        start: the tube begins here (below 0: inside the palm).
        full: from here on the tube has its full height above the palm.
    """

    root: npt.NDArray[np.float64]
    along: npt.NDArray[np.float64]
    across: npt.NDArray[np.float64]
    length: float
    radius: float
    bow: float
    stations: tuple[float, ...]
    widths: tuple[float, ...]
    joints: tuple[float, ...]
    pitch: tuple[float, ...]
    start: float
    full: float

    def at(self, u: npt.ArrayLike, v: npt.ArrayLike) -> Points:
        """Pixels of positions ``u`` along the axis and ``v`` (in local half widths) across, ``(N, 2)``."""
        u_, v_ = np.asarray(u, float), np.asarray(v, float)
        half = self.radius * np.interp(u_, self.stations, self.widths)
        off = self.bow * 4 * u_ * (1 - u_) + v_ * half
        places = self.root + u_[:, None] * self.length * self.along + off[:, None] * self.across
        return np.asarray(places)


@dataclass(frozen=True)
class Hand:
    """A posed hand in pixels.

    Attributes:
        unit: pixels a hand unit (the width of the palm).
        turn: 2 x 2 matrix from hand units to pixels.
        origin: pixel of the middle of the wrist crease.
        fingers: index, middle, ring, little.
        thumb: the thumb, from the root of its metacarpal.
        outline: polygon of palm and forearm, ``(N, 2)``.
        palm: polygon of the palm alone, wrist crease to finger roots, ``(N, 2)``.
        elbow: unit vector along the forearm, away from the hand.
    """

    unit: float
    turn: npt.NDArray[np.float64]
    origin: npt.NDArray[np.float64]
    fingers: tuple[Finger, ...]
    thumb: Finger
    outline: Points
    palm: Points
    elbow: npt.NDArray[np.float64]

    def to_pixels(self, points: npt.ArrayLike) -> Points:
        """Hand units ``(N, 2)`` to pixels ``(N, 2)``."""
        return np.asarray(points, float) @ self.turn.T + self.origin

    def window(self, size: int) -> Window:
        """The part of an image of ``size`` pixels that holds hand and forearm, with a margin for blurs."""
        canvas = np.zeros((size, size), np.uint8)
        cv2.fillPoly(canvas, [np.round(self.outline).astype(np.int32)], 1)
        x, y, wide, high = cv2.boundingRect(canvas)
        ends = np.vstack([f.at([0.0, 0.5, 1.0], [0.0, 0.0, 0.0]) for f in (*self.fingers, self.thumb)])
        corners = np.vstack([ends, [[x, y], [x + wide, y + high]]])
        margin = 0.16 * self.unit + 2
        x0, y0 = np.clip(np.floor(corners.min(axis=0) - margin), 0, size - 8).astype(int).tolist()
        x1, y1 = np.clip(np.ceil(corners.max(axis=0) + margin), 8, size).astype(int).tolist()
        return slice(y0, max(y1, y0 + 8)), slice(x0, max(x1, x0 + 8))

    def translated(self, by: npt.NDArray[np.float64]) -> Hand:
        """The same hand, shifted ``by`` pixels (x, y)."""
        fingers = tuple(replace(f, root=f.root + by) for f in self.fingers)
        thumb = replace(self.thumb, root=self.thumb.root + by)
        return replace(
            self,
            origin=self.origin + by,
            fingers=fingers,
            thumb=thumb,
            outline=self.outline + by,
            palm=self.palm + by,
        )


def build_hand(person: Person, pose: Pose, size: int) -> Hand:
    """Pose the person's hand in an image of ``size`` pixels."""
    unit = pose.scale * size
    angle = np.deg2rad(pose.tilt)
    mirror = -1.0 if pose.side == "left" else 1.0
    turn = unit * np.array(
        [[np.cos(angle) * mirror, np.sin(angle)], [np.sin(angle) * mirror, -np.cos(angle)]]
    )
    tall = person.palm_length
    origin = np.array(pose.shift) * size - turn @ np.array([0.0, 0.55 * tall])
    fingers = tuple(_finger(i, person, pose, turn, origin) for i in range(4))
    thumb, inner, knuckle = _thumb(person, pose, turn, origin)
    palm, outline = _palm_outlines(tall, inner, knuckle, np.deg2rad(pose.forearm))
    down = turn @ np.array([np.sin(np.deg2rad(pose.forearm)), -np.cos(np.deg2rad(pose.forearm))])
    return Hand(
        unit=unit,
        turn=turn,
        origin=origin,
        fingers=fingers,
        thumb=thumb,
        outline=smooth_closed(outline @ turn.T + origin),
        palm=smooth_closed(palm @ turn.T + origin),
        elbow=down / np.linalg.norm(down),
    )


def palm_box(hand: Hand, size: int) -> tuple[float, float, float, float]:
    """The bounding box of the palm alone, xyxy pixels, clipped to the image."""
    low = np.clip(hand.palm.min(axis=0), 0, size)
    high = np.clip(hand.palm.max(axis=0), 0, size)
    return float(low[0]), float(low[1]), float(high[0]), float(high[1])


def _finger(
    i: int, person: Person, pose: Pose, turn: npt.NDArray[np.float64], origin: npt.NDArray[np.float64]
) -> Finger:
    bend = pose.bends[i]
    # Flexion adds up from joint to joint, and every phalanx is foreshortened by its own angle.
    angles = np.array([0.8, 1.7, 2.3]) * bend
    shares = _PHALANGES * np.cos(angles)
    length = (_LENGTHS[i] * person.finger_length + (person.ring_length if i == 2 else 0.0)) * shares.sum()
    ends = np.cumsum(shares / shares.sum())
    degrees = _CLOSED[i] + (_FAN[i] - _CLOSED[i]) * pose.spread + pose.jitter[i] * (0.3 + 0.7 * pose.spread)
    theta = np.deg2rad(degrees)
    along = turn @ np.array([np.sin(theta), np.cos(theta)])
    across = turn @ np.array([np.cos(theta), -np.sin(theta)])
    unit = float(np.linalg.norm(along))
    root = np.array([_ROOTS[i, 0], _ROOTS[i, 1] * person.palm_length])
    a, b = float(ends[0]), float(ends[1])
    lean = np.tan(angles) if pose.aspect == "palmar" else -0.6 * np.tan(angles)
    return Finger(
        root=turn @ root + origin,
        along=along / unit,
        across=across / unit,
        length=length * unit,
        radius=float(_RADII[i] * person.finger_width * unit),
        bow=pose.bows[i] * length * unit,
        stations=(-0.5, 0.0, 0.5 * a, a, 0.5 * (a + b), b, 0.5 * (b + 1), 0.93, 1.0),
        widths=(1.06, 1.02, 0.965, 1.0, 0.90, 0.905, 0.86, 0.80, 0.76),
        joints=(0.0, a, b),
        pitch=(float(lean[0]), float(lean[1]), float(lean[2])),
        start=-0.30 if pose.aspect == "palmar" else -0.45,
        full=0.12,
    )


def _thumb(
    person: Person, pose: Pose, turn: npt.NDArray[np.float64], origin: npt.NDArray[np.float64]
) -> tuple[Finger, npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """The thumb, the inner side of its middle and the outer side of its knuckle (both in hand units)."""
    theta = np.deg2rad(pose.thumb)
    out = np.array([-np.sin(theta), np.cos(theta)])
    side = np.array([np.cos(theta), np.sin(theta)])
    root = np.array([-0.20, 0.20 * person.palm_length])
    length = 1.10 + 0.10 * (person.finger_length - 1)
    unit = float(np.linalg.norm(turn @ out))
    radius = 0.128 * person.finger_width
    bow = -0.02 + pose.bows[4]
    thumb = Finger(
        root=turn @ root + origin,
        along=turn @ out / unit,
        across=turn @ side / unit,
        length=length * unit,
        radius=radius * unit,
        bow=bow * unit,
        stations=(0.0, 0.18, 0.40, 0.55, 0.70, 0.80, 0.90, 1.0),
        widths=(1.30, 1.62 if pose.aspect == "palmar" else 1.42, 1.28, 1.0, 0.98, 0.97, 0.86, 0.72),
        joints=(0.42, 0.70),
        pitch=(0.06, 0.02, -0.04),
        start=0.0,
        full=0.14 if pose.aspect == "palmar" else 0.5,
    )
    inner = root + 0.52 * length * out + (radius * 0.92 + bow) * side
    knuckle = root + 0.36 * length * out - (radius * 1.2 - bow) * side
    return thumb, inner, knuckle


def _palm_outlines(
    tall: float, inner: npt.NDArray[np.float64], knuckle: npt.NDArray[np.float64], bent: float
) -> tuple[Points, Points]:
    """Control points of the palm alone, and of palm and forearm with the web of the thumb."""
    # The web sags between the inner side of the thumb and the side of the index finger.
    index_side = np.array([-0.462, 1.02 * tall])
    web = 0.42 * (inner + index_side) + 0.16 * np.array([-0.40, 0.62 * tall])
    top = np.array([[-0.455, 1.10], [-0.235, 1.175], [0.005, 1.185], [0.245, 1.09], [0.435, 0.99]])
    top *= [1, tall]
    ulnar = np.array([[0.485, 0.84], [0.508, 0.60], [0.490, 0.36], [0.445, 0.15], [0.385, 0.0]]) * [1, tall]
    radial = np.array([[-0.365, 0.0], [-0.425, 0.16 * tall], [-0.47, 0.36 * tall], [-0.46, 0.6 * tall]])
    palm = np.vstack([top, ulnar, radial, index_side])
    bend = np.array([np.sin(bent), -np.cos(bent)])
    side = np.array([np.cos(bent), np.sin(bent)])
    arm = np.array([0.355 * side + 0.25 * bend, 0.375 * side + 0.9 * bend, 0.42 * side + 2.6 * bend])
    other = np.array([-0.42 * side + 2.6 * bend, -0.375 * side + 0.9 * bend, -0.335 * side + 0.25 * bend])
    thenar = np.array([[-0.365, 0.02], 0.5 * knuckle + [-0.19, 0.12 * tall]])
    outline = np.vstack([top, ulnar, arm, other, thenar, knuckle, inner, web, index_side])
    return palm, outline
