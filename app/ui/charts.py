"""Charts as SVG: Streamlit's charting library has English texts only.

They are shown as images, because Streamlit removes SVG elements from the markup of a page.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Callable, Mapping, Sequence
from html import escape

import streamlit as st

WIDTH, NARROW, HEIGHT = 800, 340, 250  # the narrow one is for a phone, where 800 would leave no legible text
LEFT, TOP, BOTTOM = 40, 8, 205
STROKES = (("#c8683a", "none"), ("#4f8a8b", "6 4"))  # also distinguishable without colors
# An image inherits nothing from the page, but follows its color scheme.
STYLE = (
    "<style>text{font:12px system-ui,sans-serif;fill:#2a211c}"
    "@media(prefers-color-scheme:dark){text{fill:#f4ebe1}}</style>"
)

Line = Sequence[tuple[float, float]]


def reliability_chart(
    bins: Sequence[Mapping[str, float]], x_label: str, y_label: str, description: str
) -> str:
    """Reliability diagram as SVG: predicted probability (x), observed share (y) ± two standard deviations.

    Args:
        bins: `predicted`, `observed` and `sd`, all from 0 to 1; a bin with a value that is not finite is left
            out.
        x_label: of the predicted probability.
        y_label: of the observed share.
        description: for screen readers.
    """

    def x_of(x: float) -> float:
        return 40 + 270 * min(max(x, 0), 1)

    def y_of(y: float) -> float:
        return 300 - 270 * min(max(y, 0), 1)

    finite = [row for row in bins if all(math.isfinite(row[key]) for key in ("predicted", "observed", "sd"))]
    parts = []
    for share in (0, 0.25, 0.5, 0.75, 1):
        parts.append(f'<path d="M{x_of(0)} {y_of(share)}H{x_of(1)}" stroke="#8884"/>')
        parts.append(f'<text x="34" y="{y_of(share) + 4}" text-anchor="end">{100 * share:.0f}</text>')
        parts.append(f'<text x="{x_of(share)}" y="318" text-anchor="middle">{100 * share:.0f}</text>')
    parts.append(f'<path d="M{x_of(0)} {y_of(0)}L{x_of(1)} {y_of(1)}" stroke="#888" stroke-dasharray="4 4"/>')
    for row in finite:
        x, low, high = (
            x_of(row["predicted"]),
            y_of(row["observed"] - 2 * row["sd"]),
            y_of(row["observed"] + 2 * row["sd"]),
        )
        parts.append(f'<path d="M{x:.1f} {low:.1f}V{high:.1f}" stroke="{STROKES[0][0]}"/>')
        parts.append(f'<circle cx="{x:.1f}" cy="{y_of(row["observed"]):.1f}" r="4" fill="{STROKES[0][0]}"/>')
    parts.append(f'<text x="{x_of(1)}" y="338" text-anchor="end">{escape(x_label)}, %</text>')
    parts.append(f'<text x="4" y="12">{escape(y_label)}, %</text>')
    return _svg(336, 346, description, parts)


def line_chart(
    lines: Mapping[str, Line],
    x_label: str,
    description: str,
    *,
    width: int = WIDTH,
    decimal: Callable[[float, int], str] = "{:.{}f}".format,
) -> str:
    """Line chart as SVG: at most two named lines, both axes from 0; points that are not finite are left out.

    Args:
        lines: name to points (x, y), x ascending.
        x_label: of the x axis.
        description: for screen readers.
        width: in CSS pixels.
        decimal: formats a number with so many decimal places.
    """
    right = width - 8
    finite = {name: [(x, y) for x, y in line if math.isfinite(y)] for name, line in lines.items()}
    points = [point for line in finite.values() for point in line]
    max_x = max((x for x, _ in points), default=0) or 1
    max_y = 1.05 * max((y for _, y in points), default=0) or 1

    def y_of(y: float) -> float:
        return BOTTOM - (BOTTOM - TOP) * max(y, 0) / max_y

    parts = []
    for share in (0, 0.25, 0.5, 0.75, 1):
        y = y_of(share * max_y)
        parts.append(f'<path d="M{LEFT} {y:.1f}H{right}" stroke="#8884"/>')
        parts.append(
            f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{decimal(share * max_y, 1)}</text>'
        )
    for number, (name, line) in enumerate(finite.items()):
        color, dash = STROKES[number]
        stroke = f'fill="none" stroke="{color}" stroke-width="2" stroke-dasharray="{dash}"'
        path = " ".join(f"{LEFT + (right - LEFT) * x / max_x:.1f},{y_of(y):.1f}" for x, y in line)
        parts.append(f'<polyline points="{path}" {stroke}/>')
        at = LEFT + 150 * number
        parts.append(f'<path d="M{at} {HEIGHT - 10}h24" {stroke}/>')
        parts.append(f'<text x="{at + 30}" y="{HEIGHT - 6}">{escape(name)}</text>')
    total = f"{max_x:,.0f}".replace(",", "\u202f")
    parts.append(f'<text x="{right}" y="{BOTTOM + 18}" text-anchor="end">{escape(x_label)}: {total}</text>')
    return _svg(width, HEIGHT, description, parts)


def show_chart(svg: str, description: str, *, narrow: str = "") -> None:
    """Show a chart of this module, at most as wide as it was drawn.

    Args:
        svg: the chart; it contains nothing that a visitor typed.
        description: for screen readers.
        narrow: the same chart for a phone; "" if the other one is narrow enough.
    """
    charts = (
        {"palm-chart palm-wide": svg, "palm-chart palm-narrow": narrow} if narrow else {"palm-chart": svg}
    )
    images = []
    for kind, chart in charts.items():
        url = f"data:image/svg+xml;base64,{base64.b64encode(chart.encode()).decode()}"
        images.append(f'<img class="{kind}" src="{url}" alt="{escape(description)}">')
    st.html("".join(images))


def _svg(width: int, height: int, description: str, parts: Sequence[str]) -> str:
    size = f'width="{width}" height="{height}" viewBox="0 0 {width} {height}"'
    head = f'xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-label="{escape(description)}"'
    return f"<svg {head}>{STYLE}{''.join(parts)}</svg>"
