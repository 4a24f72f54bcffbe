"""Resources: the artifact store, the bounds of gate and retention, and the IO manager between assets."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import dagster as dg
from pydantic import BaseModel, PrivateAttr

from palm_assets.errors import PalmError
from palm_assets.release.config import GateConfig
from palm_assets.release.gate import check_artifact
from palm_assets.release.run_config import CONFIGS, GATE, check_run
from palm_assets.store.artifacts import Artifact, Store
from palm_assets.store.pins import pin
from pipelines.failures import refusal_failure, refuse_run
from pipelines.launchpad import config_schema
from pipelines.run_inputs import RunInputs

Config = TypeVar("Config", bound=BaseModel)


class StoreResource(dg.ConfigurableResource[Store]):
    """The artifact store in the folder `home`."""

    home: str
    defaults: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    _refusal: PalmError | None = PrivateAttr(None)

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:
        """Check the config of the whole run before its first step; `open` raises what is found."""
        try:
            if context.run is not None:
                check_run(Store(Path(self.home)), *run_configs(context.run, self.defaults))
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


def store_resource(home: Path, preset: Mapping[str, Mapping[str, Any]]) -> StoreResource:
    """The store, for runs whose configs have the defaults of a preset, by asset and resource."""

    class PresetStore(StoreResource):
        __doc__ = StoreResource.__doc__
        defaults: ClassVar[Mapping[str, Mapping[str, Any]]] = preset

    return PresetStore(home=str(home))


def run_configs(
    run: dg.DagsterRun, defaults: Mapping[str, Mapping[str, Any]]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The config of each asset that a run makes, and the bounds of its gate, over these defaults."""
    config: dict[str, Any] = dict(run.run_config)
    ops, resources = config.get("ops") or {}, config.get("resources") or {}
    steps = CONFIGS if run.step_keys_to_execute is None else run.step_keys_to_execute

    def values(name: str, section: Mapping[str, Any]) -> dict[str, Any]:
        return {**defaults.get(name, {}), **((section.get(name) or {}).get("config") or {})}

    return {name: values(name, ops) for name in CONFIGS if name in steps}, values(GATE, resources)


def config_resource(
    name: str, config_type: type[Config], defaults: Mapping[str, Any]
) -> dg.ResourceDefinition:
    """A config of the library as a resource; `defaults` replace those of its type."""

    def resource(context: dg.InitResourceContext) -> Config:
        return config_type(**context.resource_config)

    schema = config_schema(name, config_type, defaults)
    return dg.ResourceDefinition(resource, schema, description=config_type.__doc__)


class ArtifactIOManager(dg.IOManager):
    """Passes artifacts on within a run by the run's tags, and from run to run by pointers in the store.

    A run reads each artifact that it did not make from the pointer once, and keeps to it: another run that
    moves the pointer meanwhile changes nothing. A retry of the run keeps the tags.

    Data that fails its check is not used by a later run either: the current bounds are applied again.
    """

    def __init__(self, store: StoreResource, gate: GateConfig) -> None:
        self.store, self.gate = store, gate
        self._pinned: list[Artifact] = []

    def handle_output(self, context: dg.OutputContext, obj: Artifact) -> None:
        """Point the asset at the artifact, for the rest of this run and for later runs."""
        asset, run = context.asset_key.to_user_string(), context.step_context
        with failures_in_one_line():
            self._pinned.append(pin(obj))
            RunInputs(self.store.open(), run.instance, run.run_id).hand_over(asset, obj)

    def load_input(self, context: dg.InputContext) -> Artifact:
        """The verified artifact of the upstream asset that this run uses.

        Raises:
            dg.Failure: it cannot be used, or it is data that failed its check.
        """
        asset, run = context.asset_key.to_user_string(), context.step_context
        with failures_in_one_line():
            store = self.store.open()
            artifact = pin(RunInputs(store, run.instance, run.run_id).resolve(asset))
            self._pinned.append(artifact)
            result = None if _is_check(context) else check_artifact(store, artifact, self.gate)
        if result is not None and not result.passed:
            reason = f"{asset} {artifact.version} failed {result.name}: {result.reason}"
            refuse_run(run.instance, run.run_id, reason)
            raise refusal_failure(reason)
        return artifact

    def unpin(self) -> None:
        """Unpin the artifacts of the run."""
        self._pinned.clear()


# A nested resource would not get the bounds that a run is launched with.
@dg.io_manager(required_resource_keys={"store", "gate"})  # type: ignore[arg-type]  # a generator may be
def artifact_io_manager(context: dg.InitResourceContext) -> Iterator[ArtifactIOManager]:
    """Passes artifacts on; they are pinned until the run ends."""
    manager = ArtifactIOManager(context.resources.store, context.resources.gate)
    try:
        yield manager
    finally:
        manager.unpin()


@contextmanager
def failures_in_one_line() -> Iterator[None]:
    """Turn an error into a Dagster failure whose first line says what is wrong.

    A `PalmError` is not retried: it would fail in the same way. The metadata `error` is its type.
    """
    try:
        yield
    except (dg.Failure, dg.RetryRequested):
        raise
    except PalmError as error:
        metadata = {"error": type(error).__name__}
        raise dg.Failure(description=str(error), metadata=metadata, allow_retries=False) from error
    except Exception as error:
        name = type(error).__name__
        raise dg.Failure(description=f"{name}: {error}", metadata={"error": name}) from error


def _is_check(context: dg.InputContext) -> bool:
    """Whether a step runs checks: they must see what they are to refuse."""
    outputs = context.step_context.step.step_outputs
    return any(output.properties.asset_check_key is not None for output in outputs)
