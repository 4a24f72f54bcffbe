"""Label lines: boxes, polygons and keypoints, compared with Ultralytics' own parser."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from palm_assets.detector.boxes import read_export
from palm_assets.detector.labels import LabelError, parse_labels
from palm_assets.errors import DatasetError
from tests.detector.exports import COUNTS, write_export
from tests.helpers import save_picture

KEYPOINTS = "0.4 0.4 2 0.5 0.5 1 0.6 0.6 0"


def boxes_of(
    text: str | bytes, classes: int = 1, shape: tuple[int, int] | None = None
) -> list[tuple[float, ...]]:
    data = text.encode() if isinstance(text, str) else text
    return [entry.box for entry in parse_labels(data, range(classes), shape)]


# Encodings and line ends


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r", "\n\n"])
@pytest.mark.parametrize("head", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("blank", [" ", "\t", "   "])
def test_byte_order_marks_line_ends_and_blanks_make_no_difference(
    line_end: str, head: bytes, blank: str
) -> None:
    lines = ["0 0.5 0.5 0.4 0.6 ", " 0 0.25 0.5 0.1 0.2", ""]
    data = head + line_end.join(lines).replace(" ", blank).encode()
    assert boxes_of(data) == [pytest.approx((0.5, 0.5, 0.4, 0.6)), pytest.approx((0.25, 0.5, 0.1, 0.2))]


def test_labels_of_windows_notepad_are_read(tmp_path: Path) -> None:
    root = write_export(tmp_path)
    for path in root.rglob("labels/*.txt"):
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes() + b"\r\n")
    assert read_export(root, max_set_aside=0).facts()["palms"] == COUNTS


# Shapes


def test_of_keypoints_the_first_four_numbers_are_the_box() -> None:
    box = pytest.approx((0.5, 0.5, 0.4, 0.6))
    assert boxes_of(f"0 0.5 0.5 0.4 0.6 {KEYPOINTS}") == [box]
    assert boxes_of(f"0 0.5 0.5 0.4 0.6 {KEYPOINTS}", shape=(3, 3)) == [box]
    assert boxes_of("0 0.5 0.5 0.4 0.6 0.4 0.4 0.6 0.6", shape=(2, 2)) == [box]
    assert boxes_of("0 0.5 0.5 0.4 0.6", shape=(3, 3)) == [box]
    assert boxes_of(f"0 0.5 0.5 0.4 0.6 {KEYPOINTS} 0.1 0.2 2") == [box]  # an even number of values


def test_a_polygon_along_the_edges_of_the_image_is_not_mistaken_for_keypoints() -> None:
    assert boxes_of("0 0.1 0.1 0.9 0.1 0.9 0.9 0 0.9 0.1 1") == [pytest.approx((0.45, 0.55, 0.9, 0.9))]


def test_without_visibilities_or_a_keypoint_shape_an_even_row_is_a_polygon_as_for_ultralytics() -> None:
    assert boxes_of("0 0.2 0.3 0.6 0.1 0.4 0.9 0.3 0.4") == [pytest.approx((0.4, 0.5, 0.4, 0.8))]


def test_an_export_of_poses_is_read_as_boxes(tmp_path: Path) -> None:
    label = f"0 0.5 0.5 0.4 0.6 {KEYPOINTS}\n"
    says = {"train": "train/images", "val": "valid/images", "test": "test/images", "names": ["palm"]}
    for name, description in (("a", {**says, "kpt_shape": [3, 3]}), ("b", says)):
        root = write_export(tmp_path / name, description, label=label)
        boxes = read_export(root, max_set_aside=0)
        assert len(boxes.images) == sum(COUNTS.values())
        assert all(image.boxes == (pytest.approx((0.5, 0.5, 0.4, 0.6)),) for image in boxes.images)


_FRACTIONS = st.floats(0, 1, allow_subnormal=False).map(lambda value: round(value, 4))
_BOX_LINES = st.builds(
    lambda c, x, y, w, h: (c, [x, y, w, h]), st.integers(0, 2), _FRACTIONS, _FRACTIONS, _FRACTIONS, _FRACTIONS
)
_POLYGONS = st.builds(
    lambda c, points: (c, [value for point in points for value in point]),
    st.integers(0, 2),
    st.lists(st.tuples(_FRACTIONS, _FRACTIONS), min_size=4, max_size=7),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.one_of(st.lists(_BOX_LINES, max_size=4), st.lists(_POLYGONS, max_size=4)), st.booleans())
def test_boxes_are_those_that_ultralytics_reads(
    tmp_path: Path, lines: list[tuple[int, list[float]]], bom: bool
) -> None:
    from ultralytics.data.utils import verify_image_label

    image, label = save_picture(tmp_path / "x.jpg"), tmp_path / "x.txt"
    text = "\n".join(" ".join(map(str, (number, *values))) for number, values in lines)
    label.write_text(text, encoding="utf-8-sig" if bom else "utf-8")
    _, found, _, _, _, _, _, _, corrupt, message = verify_image_label(
        (str(image), str(label), "", False, 3, 0, 0, False)
    )
    assert not corrupt, message
    theirs = [tuple(row[1:]) for row in found.tolist()]
    ours = [entry.box for entry in parse_labels(label.read_bytes(), range(3))]

    def corners(box: tuple[float, ...]) -> tuple[float, ...]:
        x, y, width, height = box
        sides = (x - width / 2, y - height / 2, x + width / 2, y + height / 2)
        return tuple(min(max(side, 0.0), 1.0) for side in sides)

    def same(a: tuple[float, ...], b: tuple[float, ...]) -> bool:
        return max(abs(m - n) for m, n in zip(corners(a), corners(b), strict=True)) < 1e-5

    assert all(any(same(box, other) for other in theirs) for box in ours)
    for box in theirs:
        left, top, right, bottom = corners(box)
        if right - left > 1e-5 and bottom - top > 1e-5:  # ours leaves out what has no area
            assert any(same(box, other) for other in ours)


# Lines that are none


@pytest.mark.parametrize(
    "line",
    ["palm 0.5 0.5 0.2 0.2", "0 0.5 0.5 0.2", "0 0.5 0.5 0.2 0.2 0.9", "0 nan 0.5 0.2 0.2", "0 120 80 60 40",
     "1 0.5 0.5 0.2 0.2", "-1 0.5 0.5 0.2 0.2", "0.5 0.5 0.5 0.2 0.2", "0", "1e999 0.5 0.5 0.2 0.2",
     "0 0.5 0.5 1.7 0.2", "0 0,5 0,5 0,2 0,2", "\x00\x01", "0,0.5,0.5,0.2,0.2", "0;0.5;0.5;0.2;0.2",
     "0 0.5 0.5 -0.2 0.2", "0 0.5 0.5 0.2 -0.2", "0 -0.3 0.5 0.2 0.2", "0 0.5 1.4 0.2 0.2",
     "0 1.1 0.2 1.4 0.2 1.4 0.4 1.1 0.4", "# made by hand"],
)  # fmt: skip
def test_a_line_that_is_no_label_is_quoted_with_its_number(line: str) -> None:
    with pytest.raises(LabelError, match="line 2, ") as refused:
        boxes_of(f"0 0.5 0.5 0.2 0.2\n{line}\n")
    assert line[:20].strip("\x00\x01") in str(refused.value)


@settings(deadline=None)
@given(st.binary(max_size=200), st.sampled_from([None, (3, 3), (5, 2)]))
def test_any_bytes_are_boxes_inside_the_image_or_a_label_error(
    data: bytes, shape: tuple[int, int] | None
) -> None:
    try:
        found = parse_labels(data, range(5), shape)
    except LabelError:
        return
    for entry in found:
        x, y, width, height = entry.box
        assert x - width / 2 + 1e-9 >= 0
        assert x + width / 2 <= 1 + 1e-9
        assert y - height / 2 + 1e-9 >= 0
        assert y + height / 2 <= 1 + 1e-9


def test_one_bad_label_among_ten_is_set_aside_and_two_are_too_many(tmp_path: Path) -> None:
    root = write_export(tmp_path)
    (root / "train/labels/5.txt").write_text("0 0.5 0.5 1.7 0.2\n")
    boxes = read_export(root)
    assert boxes.facts()["palms"] == {"train": 5, "valid": 2, "test": 2}
    assert boxes.facts()["set_aside_reasons"] == {"a label line is not YOLO's": 1}
    (entry,) = boxes.set_aside
    assert entry.path == "train/images/5.jpg"
    assert "train/labels/5.txt, line 1, '0 0.5 0.5 1.7 0.2'" in entry.reason
    (root / "train/labels/4.txt").write_text("7 0.5 0.5 0.2 0.2\n")
    with pytest.raises(DatasetError, match="2 of 10 files are unusable") as refused:
        read_export(root)
    assert "max_set_aside" in refused.value.hint
