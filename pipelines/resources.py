"""Resources: the artifact store, the retention bounds, and the IO manager that passes artifacts on."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg

from palm_assets.errors import PalmError
from palm_assets.release.config import GateConfig
from palm_assets.release.retention import RetentionConfig
from palm_assets.store.artifacts import Artifact, Store
from palm_assets.store.pins import pin


class StoreResource(dg.ConfigurableResource[Store]):
    """The artifact store in the folder `home`."""

    home: str

    def open(self) -> Store:
        """The store itself."""
        return Store(Path(self.home))


class GateResource(GateConfig, dg.ConfigurableResource[GateConfig]):
    """The bounds of the release gate's checks."""


class RetentionResource(RetentionConfig, dg.ConfigurableResource[RetentionConfig]):
    """How many artifacts are kept."""


class ArtifactIOManager(dg.ConfigurableIOManager):
    """Passes artifacts on by a pointer in the store, so that each asset can be materialized alone."""

    store: dg.ResourceDependency[StoreResource]

    def handle_output(self, context: dg.OutputContext, obj: Artifact) -> None:
        """Point the asset at the artifact."""
        self.store.open().set_current(context.asset_key.to_user_string(), obj)

    def load_input(self, context: dg.InputContext) -> Artifact:
        """The verified artifact that the upstream asset points to."""
        with failures_without_retry():
            return pin(self.store.open().current(context.asset_key.to_user_string()))


@contextmanager
def failures_without_retry() -> Iterator[None]:
    """Turn a `PalmError` into a Dagster failure with its one line; a retry would fail in the same way."""
    try:
        yield
    except PalmError as error:
        raise dg.Failure(description=str(error), allow_retries=False) from error
