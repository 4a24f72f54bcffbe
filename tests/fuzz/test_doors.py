"""Every door reads or refuses its kept inputs, and a few hundred changes of them."""

import resource

import pytest

from tests.fuzz.doors import DOORS, corpus, knock
from tests.fuzz.mutations import mutated

MUTATIONS = {"state_dict": 60, "safetensors": 60, "export": 30, "network_config": 40}
pytestmark = pytest.mark.filterwarnings("ignore")  # about damage made on purpose


@pytest.mark.parametrize("door", DOORS)
def test_kept_inputs_are_read_or_refused(door: str) -> None:
    outcomes = {name: knock(door, data) for name, data in corpus(door).items()}
    assert outcomes
    assert any(outcomes.values()) or door in ("network_config", "state_dict")  # whose other files are empty


@pytest.mark.parametrize("door", DOORS)
def test_changed_inputs_are_read_or_refused_in_bounded_memory(door: str) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    seeds = list(corpus(door).values())
    for number in range(MUTATIONS.get(door, 120)):
        knock(door, mutated(seeds[number % len(seeds)], number))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 1_000_000  # kB
