"""No workload may become slower unnoticed, whatever else runs on the machine."""

from __future__ import annotations

import pytest

from tests.costs.costs import Costs, differences, kept, measure, versions
from tests.costs.instructions import ROOT, missing
from tests.costs.workloads import INSTRUCTIONS, OPERATIONS, SLOWER

RENEW = "python -m tests.costs"


@pytest.fixture(scope="module")
def operations() -> Costs:
    return measured("operations")


@pytest.fixture(scope="module")
def instructions() -> Costs:
    why = missing()
    if why is not None:
        pytest.skip(why)
    return measured("instructions")


def measured(kind: str) -> Costs:
    installed, of = versions(), kept()[0]
    others = [f"{name} {installed[name]}" for name in of if installed[name] != of[name]]
    if others:
        pytest.skip(f"costs are kept for other versions than {', '.join(others)}")
    return measure(kind)


def test_costs_are_kept_for_the_versions_that_are_installed_by_default() -> None:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pinned = dict(line.lower().split("==") for line in lines if "==" in line and not line.startswith("#"))
    packages = {name: of for name, of in kept()[0].items() if name != "python"}
    assert packages == {name: pinned[name] for name in packages}, f"renew the costs: {RENEW}"


@pytest.mark.parametrize("workload", [workload.name for workload in OPERATIONS])
def test_operations_are_as_kept(operations: Costs, workload: str) -> None:
    assert differences(operations[workload], kept()[1][workload]) == [], f"if it is meant: {RENEW}"


@pytest.mark.parametrize("workload", [workload.name for workload in INSTRUCTIONS])
def test_instructions_are_as_kept(instructions: Costs, workload: str) -> None:
    assert differences(instructions[workload], kept()[1][workload]) == [], f"if it is meant: {RENEW}"


@pytest.mark.parametrize("workload", [workload.name for workload in OPERATIONS])
def test_a_tenth_more_operations_are_noticed(operations: Costs, workload: str) -> None:
    assert differences(operations[SLOWER + workload], kept()[1][workload])


@pytest.mark.parametrize("workload", [workload.name for workload in INSTRUCTIONS])
def test_a_tenth_more_instructions_are_noticed(instructions: Costs, workload: str) -> None:
    assert differences(instructions[SLOWER + workload], kept()[1][workload])


@pytest.mark.parametrize(
    ("now", "noticed"), [(1050, False), (1051, True), (950, False), (949, True), (0, True)]
)
def test_a_count_may_change_by_five_percent(now: int, noticed: bool) -> None:
    assert bool(differences({"calls": now}, {"calls": 1000})) == noticed


def test_a_count_that_was_not_there_before_is_noticed() -> None:
    assert differences({"flops": 7}, {}) == ["flops: 0 -> 7"]
