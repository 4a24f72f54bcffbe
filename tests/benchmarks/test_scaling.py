"""The tables of docs/scaling.md are those that `make bench-scaling` prints from the costs that are kept."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from benchmarks.scaling import COSTS_FILE, HARDWARE_FILE, hours, limits, needs, report

ROOT = Path(__file__).parent.parent.parent
COSTS: dict[str, Any] = json.loads(COSTS_FILE.read_text(encoding="utf-8"))
HARDWARE: dict[str, Any] = yaml.safe_load(HARDWARE_FILE.read_text(encoding="utf-8"))
FEW, MANY, MOST = sorted(HARDWARE["kimg"])


def test_the_document_holds_the_tables_of_the_command() -> None:
    document = (ROOT / "docs" / "scaling.md").read_text(encoding="utf-8")
    assert report(COSTS, HARDWARE) in document


def test_another_cost_makes_another_table() -> None:
    assert report({**COSTS, "crop": 2 * COSTS["crop"]}, HARDWARE) != report(COSTS, HARDWARE)


def test_work_on_photographs_grows_with_their_number_and_shrinks_with_the_cores() -> None:
    few, many = (hours(COSTS, HARDWARE, photos, 8, divided=False) for photos in (FEW, MANY))
    more = hours(COSTS, HARDWARE, MANY, 64, divided=True)
    for stage in ("index", "crop", "reference"):
        assert many[stage] / few[stage] == pytest.approx(MANY / FEW)
        assert many[stage] / more[stage] == pytest.approx(8)


def test_today_more_than_one_machine_changes_nothing() -> None:
    eight, most = (hours(COSTS, HARDWARE, MOST, gpus, divided=False) for gpus in (8, 64))
    assert eight == most


def test_the_crops_of_a_set_are_counted_as_they_are_stored() -> None:
    assert needs(COSTS, FEW, 64)["crops"] == FEW * 3 * 64 * 64


def test_eleven_thousand_photographs_break_nothing_and_a_hundred_million_do() -> None:
    assert max(limits(COSTS, HARDWARE, FEW, 1))[0] < 1
    factors = [factor for factor, _, _ in limits(COSTS, HARDWARE, MOST, 8)]
    assert factors == sorted(factors, reverse=True)
    assert factors[0] > 1
