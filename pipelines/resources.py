"""What assets need besides their inputs: the artifact store, and a process to train in."""

import json
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dagster as dg

import palm_assets.errors
from palm_assets.errors import PalmError
from palm_assets.stages import Runner
from palm_assets.store import Artifact, Store
from palm_assets.training_jobs import Job


class PalmStore(dg.ConfigurableResource):  # type: ignore[type-arg]
    """The artifact store under `home`, a folder (by default PALM_HOME, or ./palm_home)."""

    home: str

    def store(self) -> Store:
        """The store itself."""
        return Store(Path(self.home))


class ArtifactIOManager(dg.ConfigurableIOManager):
    """Hands artifacts on by a pointer in the store, so that any asset can be materialized alone."""

    palms: dg.ResourceDependency[PalmStore]

    def handle_output(self, context: dg.OutputContext, obj: Artifact) -> None:
        """Remember which artifact the asset is now."""
        self.palms.store().set_current(context.asset_key.to_user_string(), obj)

    def load_input(self, context: dg.InputContext) -> Artifact:
        """The verified artifact that the upstream asset is now."""
        with clear_failures():
            return self.palms.store().current(context.asset_key.to_user_string())


@contextmanager
def clear_failures() -> Iterator[None]:
    """Let a run fail with the one line that says what to do; a retry would fail the same way."""
    try:
        yield
    except PalmError as error:
        raise dg.Failure(description=str(error), allow_retries=False) from error


def in_another_process(context: dg.AssetExecutionContext, pipes: dg.PipesSubprocessClient) -> Runner:
    """A runner that trains in a process of its own, streams what it says, and survives its crash."""

    def run(job: Job) -> dict[str, Any]:
        with tempfile.TemporaryDirectory() as folder:
            answer = Path(folder) / "answer.json"
            command = [sys.executable, "-m", "palm_assets.worker"]
            try:
                pipes.run(context=context, command=command, extras={"job": {**job, "answer": str(answer)}})
            except Exception:
                # A refusal is told by its own error; anything else is the crash that Pipes reports.
                if answer.is_file():
                    raise _refusal(json.loads(answer.read_text())) from None
                raise
            facts: dict[str, Any] = json.loads(answer.read_text())["facts"]
            return facts

    return run


def _refusal(answer: dict[str, Any]) -> PalmError:
    told = answer["error"]
    kind: type[PalmError] = getattr(palm_assets.errors, answer["type"], PalmError)
    return kind(told["what"], where=told["where"], hint=told["hint"])
