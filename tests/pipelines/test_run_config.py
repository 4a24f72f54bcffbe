"""The config of a whole run is checked before its first step; sets of few people can be released."""

from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from tests.helpers import save_picture
from tests.pipelines.conftest import Graph, failures


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"dcgan_checkpoint": {"image_size": 32}}, "`cropped_palms.image_size` is 16"),
        ({"raw_hands": {"source": "folder", "folder": "/nowhere"}}, "/nowhere"),
    ],
)
def test_nothing_is_made_before_the_whole_config_is_usable(
    tmp_path: Path, changes: dict[str, dict[str, Any]], named: str
) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        graph = Graph(tmp_path / "home", instance)
        result = graph.materialize(**changes)
        assert not result.success
        assert not graph.home.exists()
    for failure in failures(result):
        first = failure.splitlines()[0]
        assert named in first
        assert "validation error" not in first


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"palm_evaluation": {"count": 1}}, "`palm_evaluation.count` cannot be 1"),
        ({"dcgan_checkpoint": {"image_size": 48}}, "image_size must be a power of two, not 48"),
    ],
)
def test_a_wrong_value_is_refused_before_there_is_a_run(
    tmp_path: Path, changes: dict[str, dict[str, Any]], named: str
) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        graph = Graph(tmp_path / "home", instance)
        with pytest.raises(dg.DagsterInvalidConfigError) as refused:
            graph.materialize(**changes)
        assert named in str(refused.value)
        assert instance.get_runs_count() == 0
        assert not graph.home.exists()


def test_a_run_of_some_assets_is_not_held_to_the_config_of_others(made: Graph) -> None:
    result = made.materialize("raw_hands", dcgan_checkpoint={"image_size": 48})
    assert result.success


def test_four_people_are_enough_for_a_release(tmp_path: Path) -> None:
    for number in range(48):
        save_picture(tmp_path / "hands" / f"person{number % 4}" / f"{number}.jpg", seed=number)
    with dg.DagsterInstance.ephemeral() as instance:
        graph = Graph(tmp_path / "home", instance)
        graph.gate |= {"applies_to": "all", "min_people": 4, "min_people_held_out": 2}
        result = graph.materialize(raw_hands={"source": "folder", "folder": str(tmp_path / "hands")})
        assert result.success, failures(result)
        assert graph.store.released("photographs") is not None
