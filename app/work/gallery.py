"""Sorting and paging of a set's gallery."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

from app.work.palm_sets import Entry

Order = Literal["number", "score"]
ORDERS: tuple[Order, ...] = get_args(Order)
PAGE_SIZE = 24


def sort_entries(entries: Sequence[Entry], order: Order) -> list[Entry]:
    """Sort by number, or by score with the best first."""
    return sorted(
        entries, key=lambda entry: (-entry.score, entry.number) if order == "score" else entry.number
    )


def page_count(entry_count: int, page_size: int) -> int:
    """Number of pages of a gallery; at least one."""
    return max(1, -(-entry_count // page_size))


def page_entries(entries: Sequence[Entry], page: int, page_size: int) -> Sequence[Entry]:
    """Entries of a page, counted from 1; a page out of range becomes the nearest one."""
    page = min(max(page, 1), page_count(len(entries), page_size))
    return entries[(page - 1) * page_size : page * page_size]
