"""A line chart as SVG: a few lines of ours instead of a charting library that speaks English only."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

WIDTH, HEIGHT = 800, 250
LEFT, RIGHT, TOP, BOTTOM = 40, 792, 8, 205
STROKES = (("#c8683a", "none"), ("#4f8a8b", "6 4"))  # told apart without colors too

Line = Sequence[tuple[float, float]]


def reliability_chart(
    bins: Sequence[Mapping[str, float]], x_label: str, y_label: str, description: str
) -> str:
    """An SVG of what a score promises (across) and what came true (up), with two deviations of each.

    Args:
        bins: `predicted`, `observed` and `sd`, all from 0 to 1.
        x_label: what is promised.
        y_label: what came true.
        description: what a screen reader says instead.
    """

    def across(x: float) -> float:
        return 40 + 270 * min(max(x, 0), 1)

    def up(y: float) -> float:
        return 290 - 270 * min(max(y, 0), 1)

    sound = [row for row in bins if all(math.isfinite(row[key]) for key in ("predicted", "observed", "sd"))]
    parts = []
    for share in (0, 0.25, 0.5, 0.75, 1):
        parts.append(f'<path d="M{across(0)} {up(share)}H{across(1)}" stroke="#8884"/>')
        parts.append(f'<text x="34" y="{up(share) + 4}" text-anchor="end">{100 * share:.0f}</text>')
        parts.append(f'<text x="{across(share)}" y="308" text-anchor="middle">{100 * share:.0f}</text>')
    parts.append(f'<path d="M{across(0)} {up(0)}L{across(1)} {up(1)}" stroke="#888" stroke-dasharray="4 4"/>')
    for row in sound:
        x, low, high = (
            across(row["predicted"]),
            up(row["observed"] - 2 * row["sd"]),
            up(row["observed"] + 2 * row["sd"]),
        )
        parts.append(f'<path d="M{x:.1f} {low:.1f}V{high:.1f}" stroke="{STROKES[0][0]}"/>')
        parts.append(f'<circle cx="{x:.1f}" cy="{up(row["observed"]):.1f}" r="4" fill="{STROKES[0][0]}"/>')
    parts.append(f'<text x="{across(1)}" y="328" text-anchor="end">{escape(x_label)}, %</text>')
    parts.append(f'<text x="4" y="12">{escape(y_label)}, %</text>')
    head = f'class="palm-reliability" viewBox="0 0 320 336" role="img" aria-label="{escape(description)}"'
    return f"<svg {head}>{''.join(parts)}</svg>"


def line_chart(lines: Mapping[str, Line], x_label: str, description: str) -> str:
    """An SVG of at most two named lines of points (x, y), both from 0; what is not finite is left out.

    Args:
        lines: name to points, x ascending.
        x_label: what x counts.
        description: what a screen reader says instead.
    """
    sound = {name: [(x, y) for x, y in line if math.isfinite(y)] for name, line in lines.items()}
    points = [point for line in sound.values() for point in line]
    most_x = max((x for x, _ in points), default=0) or 1
    most_y = 1.05 * max((y for _, y in points), default=0) or 1

    def down(y: float) -> float:
        return BOTTOM - (BOTTOM - TOP) * max(y, 0) / most_y

    parts = []
    for share in (0, 0.25, 0.5, 0.75, 1):
        y = down(share * most_y)
        parts.append(f'<path d="M{LEFT} {y:.1f}H{RIGHT}" stroke="#8884"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{share * most_y:.1f}</text>')
    for number, (name, line) in enumerate(sound.items()):
        color, dash = STROKES[number]
        stroke = f'fill="none" stroke="{color}" stroke-width="2" stroke-dasharray="{dash}"'
        path = " ".join(f"{LEFT + (RIGHT - LEFT) * x / most_x:.1f},{down(y):.1f}" for x, y in line)
        parts.append(f'<polyline points="{path}" {stroke}/>')
        at = LEFT + 170 * number
        parts.append(f'<path d="M{at} {HEIGHT - 10}h24" {stroke}/>')
        parts.append(f'<text x="{at + 30}" y="{HEIGHT - 6}">{escape(name)}</text>')
    total = f"{most_x:,.0f}".replace(",", "\u202f")
    parts.append(f'<text x="{RIGHT}" y="{BOTTOM + 18}" text-anchor="end">{escape(x_label)}: {total}</text>')
    head = f'class="palm-curves" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(description)}"'
    return f"<svg {head}>{''.join(parts)}</svg>"
