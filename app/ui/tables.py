"""Tables of metrics, and bars of counts."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import streamlit as st


def show_table(
    head: Sequence[str], rows: Sequence[Sequence[str]], name: str, *, notes: Sequence[str] = ()
) -> None:
    """A small table; the first column names the row.

    Args:
        head: titles of the columns.
        rows: texts of the cells.
        name: of the table, for screen readers.
        notes: in small type below the name of each row; "" for none.
    """
    below = [f"<small>{escape(note)}</small>" if note else "" for note in notes or [""] * len(rows)]
    head_cells = "".join(f'<th scope="col">{escape(cell)}</th>' if cell else "<td></td>" for cell in head)
    body = "".join(
        f'<tr><th scope="row">{escape(first)}{note}</th>'
        f"{''.join(f'<td>{escape(cell)}</td>' for cell in rest)}</tr>"
        for (first, *rest), note in zip(rows, below, strict=True)
    )
    st.html(
        f'<table class="palm-table" aria-label="{escape(name)}"><thead><tr>{head_cells}</tr></thead>'
        f"<tbody>{body}</tbody></table>"
    )


def show_bars(rows: Sequence[tuple[str, int]]) -> None:
    """Counts as bars, each with its name and share."""
    total = sum(count for _, count in rows) or 1
    parts = [
        f'<dt>{escape(name)}</dt><dd aria-hidden="true"><i style="width:{100 * count / total:.1f}%"></i></dd>'
        f"<dd>{count} ({100 * count / total:.0f} %)</dd>"
        for name, count in rows
    ]
    st.html(f'<dl class="palm-bars">{"".join(parts)}</dl>')
