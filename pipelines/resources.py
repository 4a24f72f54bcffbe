"""Resources: the artifact store, the retention bounds, and the IO manager that passes artifacts on."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dagster as dg
from pydantic import PrivateAttr

from palm_assets.errors import PalmError
from palm_assets.release.config import GateConfig
from palm_assets.release.retention import RetentionConfig
from palm_assets.release.run_config import CONFIGS, GATE, check_run
from palm_assets.store.artifacts import Artifact, Store
from palm_assets.store.pins import pin
from pipelines.run_inputs import RunInputs


class StoreResource(dg.ConfigurableResource[Store]):
    """The artifact store in the folder `home`."""

    home: str
    _refusal: PalmError | None = PrivateAttr(None)

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:
        """Check the config of the whole run before its first step; `open` raises what is found."""
        try:
            if context.run is not None:
                check_run(Store(Path(self.home)), *run_configs(context.run))
        except PalmError as error:
            self._refusal = error

    def open(self) -> Store:
        """The store itself.

        Raises:
            PalmError: the config of the run is not usable; see `check_run`.
        """
        if self._refusal is not None:
            raise self._refusal
        return Store(Path(self.home))


class GateResource(GateConfig, dg.ConfigurableResource[GateConfig]):
    """The bounds of the release gate's checks."""


class RetentionResource(RetentionConfig, dg.ConfigurableResource[RetentionConfig]):
    """How many artifacts are kept."""


class ArtifactIOManager(dg.ConfigurableIOManager):
    """Passes artifacts on within a run by the run's tags, and from run to run by pointers in the store.

    A run reads each artifact that it did not make from the pointer once, and keeps to it: another run that
    moves the pointer meanwhile changes nothing. A retry of the run keeps the tags.
    """

    store: dg.ResourceDependency[StoreResource]
    _pinned: list[Artifact] = PrivateAttr(default_factory=list)

    def handle_output(self, context: dg.OutputContext, obj: Artifact) -> None:
        """Point the asset at the artifact, for the rest of this run and for later runs."""
        asset, run = context.asset_key.to_user_string(), context.step_context
        with failures_without_retry():
            self._pinned.append(pin(obj))
            RunInputs(self.store.open(), run.instance, run.run_id).hand_over(asset, obj)

    def load_input(self, context: dg.InputContext) -> Artifact:
        """The verified artifact of the upstream asset that this run uses."""
        asset, run = context.asset_key.to_user_string(), context.step_context
        with failures_without_retry():
            artifact = pin(RunInputs(self.store.open(), run.instance, run.run_id).resolve(asset))
        self._pinned.append(artifact)
        return artifact

    def teardown_after_execution(self, context: dg.InitResourceContext) -> None:
        """Unpin the artifacts of the run."""
        self._pinned.clear()


def run_configs(run: dg.DagsterRun) -> tuple[dict[str, Any], dict[str, Any]]:
    """The config of each asset that a run makes, {} for the defaults; and the bounds of its gate."""
    config: dict[str, Any] = dict(run.run_config)
    ops = config.get("ops") or {}
    steps = CONFIGS if run.step_keys_to_execute is None else run.step_keys_to_execute
    configs = {name: (ops.get(name) or {}).get("config") or {} for name in CONFIGS if name in steps}
    gate = (config.get("resources") or {}).get(GATE) or {}
    return configs, gate.get("config") or {}


@contextmanager
def failures_without_retry() -> Iterator[None]:
    """Turn a `PalmError` into a Dagster failure with its one line; a retry would fail in the same way.

    The metadata `error` is the name of its type.
    """
    try:
        yield
    except PalmError as error:
        metadata = {"error": type(error).__name__}
        raise dg.Failure(description=str(error), metadata=metadata, allow_retries=False) from error
