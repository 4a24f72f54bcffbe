"""Tags of a run, written while others write tags of the same run."""

from __future__ import annotations

from collections.abc import Mapping

import dagster as dg

ATTEMPTS = 10


def set_run_tags(instance: dg.DagsterInstance, run_id: str, tags: Mapping[str, str]) -> bool:
    """Tag a run; whether the tags hold.

    Dagster does not write tags atomically: a daemon that tags the run in the same moment may overwrite all of
    them. So they are written again until they are read back.
    """
    for _ in range(ATTEMPTS):
        if tags.items() <= run_tags(instance, run_id).items():
            return True
        instance.add_run_tags(run_id, dict(tags))
    return tags.items() <= run_tags(instance, run_id).items()


def run_tags(instance: dg.DagsterInstance, run_id: str) -> dict[str, str]:
    """The tags of a run; none if there is no such run."""
    run = instance.get_run_by_id(run_id)
    return {} if run is None else dict(run.tags)
