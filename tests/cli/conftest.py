"""What the tests of the commands share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from palm_assets.cli.main import main
from palm_assets.quality.config import ReferenceConfig
from palm_assets.quality.reference_builder import build_reference
from palm_assets.quality.reference_files import save_reference
from palm_assets.store.artifacts import Artifact, Store

Palms = Callable[..., Result]
Publish = Callable[..., Artifact]
Release = Callable[[Artifact], None]


@pytest.fixture
def palms(store: Store, monkeypatch: pytest.MonkeyPatch) -> Palms:
    """`palms("status")` runs the command line on the test's store."""
    monkeypatch.setenv("PALM_HOME", str(store.home))
    return lambda *arguments: CliRunner().invoke(main, [str(argument) for argument in arguments])


def publish_reference_of_noise(store: Store) -> Artifact:
    """Publish a reference of 32 images of noise, with a floor of 16."""
    noise = np.random.default_rng(0).integers(0, 256, (48, 3, 16, 16), np.uint8)

    def build(folder: Path) -> dict[str, object]:
        config = ReferenceConfig(extractor="efficientnet-lite0", floor_counts=[4, 8], floor_repeats=2)
        save_reference(build_reference(noise[:32], noise[32:], config), folder)
        return {}

    return store.make("reference", build, inputs={}, config=ReferenceConfig(), code_version="1")
