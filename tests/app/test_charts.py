from __future__ import annotations

from xml.etree import ElementTree

from app.i18n.words import Words
from app.ui.charts import NARROW, line_chart, reliability_chart

SVG = "{http://www.w3.org/2000/svg}"


def test_a_chart_is_well_formed_and_has_a_description() -> None:
    chart = ElementTree.fromstring(line_chart({"<a>": [(0, 1), (10, 2)], "b": [(0, 3)]}, "x & y", 'say "it"'))
    assert chart.get("role") == "img"
    assert chart.get("aria-label") == 'say "it"'
    assert [len((line.get("points") or "").split()) for line in chart.iter(f"{SVG}polyline")] == [2, 1]


def test_a_chart_leaves_out_what_is_not_finite() -> None:
    chart = ElementTree.fromstring(
        line_chart({"a": [(0, 1), (5, float("nan")), (10, float("inf"))]}, "x", "d")
    )
    (line,) = chart.iter(f"{SVG}polyline")
    assert len((line.get("points") or "").split()) == 1


def test_a_chart_for_a_phone_stays_within_its_width() -> None:
    chart = ElementTree.fromstring(line_chart({"a": [(0, 1), (10, 2)]}, "x", "d", width=NARROW))
    assert chart.get("width") == str(NARROW)
    (line,) = chart.iter(f"{SVG}polyline")
    assert max(float(point.split(",")[0]) for point in (line.get("points") or "").split()) < NARROW


def test_a_chart_has_the_decimal_mark_of_the_language() -> None:
    chart = ElementTree.fromstring(
        line_chart({"a": [(0, 1), (10, 2)]}, "x", "d", decimal=Words("ru").decimal)
    )
    assert "2,1" in [text.text for text in chart.iter(f"{SVG}text")]


def test_an_empty_chart_is_no_error() -> None:
    assert line_chart({"a": []}, "x", "d").startswith("<svg")


def test_a_reliability_chart_leaves_out_bins_that_are_not_finite() -> None:
    bins = [
        {"predicted": 0.2, "observed": 0.3, "sd": 0.1},
        {"predicted": 0.8, "observed": float("nan"), "sd": 0.1},
    ]
    chart = ElementTree.fromstring(reliability_chart(bins, "x", "y", "d"))
    assert len(list(chart.iter(f"{SVG}circle"))) == 1
