"""What the tests of the commands share."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from click.testing import CliRunner, Result

from palm_assets.cli.main import main
from palm_assets.store.artifacts import Artifact, Store

Palms = Callable[..., Result]
Publish = Callable[..., Artifact]
Release = Callable[[Artifact], None]


@pytest.fixture
def palms(store: Store, monkeypatch: pytest.MonkeyPatch) -> Palms:
    """`palms("status")` runs the command line on the test's store."""
    monkeypatch.setenv("PALM_HOME", str(store.home))
    return lambda *arguments: CliRunner().invoke(main, [str(argument) for argument in arguments])
