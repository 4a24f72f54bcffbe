"""What assets need besides their inputs: the artifact store, and failures told in one line."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg

from palm_assets.errors import PalmError
from palm_assets.release.retention import RetentionConfig
from palm_assets.store.artifacts import Artifact, Store
from palm_assets.store.pins import hold


class PalmStore(dg.ConfigurableResource):  # type: ignore[type-arg]
    """The artifact store under `home`, a folder (by default PALM_HOME, or ./palm_home)."""

    home: str

    def store(self) -> Store:
        """The store itself."""
        return Store(Path(self.home))


class Retention(RetentionConfig, dg.ConfigurableResource):  # type: ignore[type-arg]
    """How much is kept beside what is in use."""


class ArtifactIOManager(dg.ConfigurableIOManager):
    """Hands artifacts on by a pointer in the store, so that any asset can be materialized alone."""

    palms: dg.ResourceDependency[PalmStore]

    def handle_output(self, context: dg.OutputContext, obj: Artifact) -> None:
        """Remember which artifact the asset is now."""
        self.palms.store().set_current(context.asset_key.to_user_string(), obj)

    def load_input(self, context: dg.InputContext) -> Artifact:
        """The verified artifact that the upstream asset is now."""
        with clear_failures():
            return hold(self.palms.store().current(context.asset_key.to_user_string()))


@contextmanager
def clear_failures() -> Iterator[None]:
    """Let a run fail with the one line that says what to do; a retry would fail the same way."""
    try:
        yield
    except PalmError as error:
        raise dg.Failure(description=str(error), allow_retries=False) from error
