"""Label files of YOLO: boxes, polygons and keypoints, one object a line, as Ultralytics reads them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

Box = tuple[float, float, float, float]
"""x and y of the center, width and height, as fractions of the image."""

OVERHANG = 0.5  # fraction of the image by which a label may reach beyond it, and is clipped
_VISIBLE = 2.0
_VISIBILITIES = frozenset({0.0, 1.0, _VISIBLE})  # not labeled, hidden, visible
_VALUES_OF_BOX = 4
_SHOWN = 60  # characters of a bad line in a message


class LabelError(ValueError):
    """A line that is no label; the message quotes it."""


@dataclass(frozen=True)
class LabeledBox:
    """One object: the number of its class and its box, clipped to the image."""

    class_number: int
    box: Box


def parse_labels(
    data: bytes, classes: Collection[int], keypoint_shape: tuple[int, int] | None = None
) -> list[LabeledBox]:
    """The objects of a label file; those whose box has no width or height are left out.

    A byte order mark and any line ends are accepted. A line is a class and a box; a class and a polygon, of
    which the bounding box is taken; or a class, a box and keypoints, which are dropped.

    Args:
        data: content of the file.
        classes: numbers of the classes that the export names.
        keypoint_shape: number of keypoints and of values for each (2 or 3), if the export says so.

    Raises:
        LabelError: a line is none of these, has an unknown class or a negative width or height, or lies
            outside of the image.
    """
    objects = []
    text = data.decode("utf-8-sig", errors="replace")
    for number, line in enumerate(text.splitlines(), start=1):
        words = line.split()
        if not words:
            continue
        try:
            values = [float(word) for word in words]
            class_number = int(values[0])
        except (ValueError, OverflowError):
            raise _bad_line(number, line) from None
        box = _box_of(values[1:], keypoint_shape)
        if class_number != values[0] or class_number not in classes or box is None:
            raise _bad_line(number, line)
        if box[2] > 0 and box[3] > 0:
            objects.append(LabeledBox(class_number, box))
    return objects


def _bad_line(number: int, line: str) -> LabelError:
    return LabelError(f"line {number}, {line[:_SHOWN]!r}")


def _box_of(values: list[float], keypoint_shape: tuple[int, int] | None) -> Box | None:
    """The clipped box of a line's values after the class; None if they are neither box nor polygon."""
    if _has_keypoints(values, keypoint_shape):
        values = values[:_VALUES_OF_BOX]
    if not all(-OVERHANG <= value <= 1 + OVERHANG for value in values):  # also NaN, and pixels
        return None
    if len(values) == _VALUES_OF_BOX:
        x, y, width, height = values
        if width < 0 or height < 0:
            return None
        left, top, right, bottom = x - width / 2, y - height / 2, x + width / 2, y + height / 2
    elif len(values) >= 6 and len(values) % 2 == 0:
        xs, ys = values[0::2], values[1::2]
        left, top, right, bottom = min(xs), min(ys), max(xs), max(ys)
    else:
        return None
    if right < 0 or bottom < 0 or left > 1 or top > 1:
        return None
    left, top, right, bottom = (min(max(value, 0.0), 1.0) for value in (left, top, right, bottom))
    return ((left + right) / 2, (top + bottom) / 2, right - left, bottom - top)


def _has_keypoints(values: list[float], keypoint_shape: tuple[int, int] | None) -> bool:
    """Whether keypoints follow the box: as many as the export says, or triples that end in a visibility."""
    points = values[_VALUES_OF_BOX:]
    if keypoint_shape is not None and len(points) == keypoint_shape[0] * keypoint_shape[1]:
        return True
    if not points or len(points) % 3 or not set(points[2::3]) <= _VISIBILITIES:
        return False
    # No polygon has an odd number of values or a coordinate of 2; one along the edges has zeros and ones.
    return len(points) % 2 == 1 or _VISIBLE in points[2::3]
