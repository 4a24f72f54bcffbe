"""The published weights as a model of the store."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from palm_assets.errors import SourceNotFoundError
from palm_assets.gan.checkpoint import CARD_FILE, save_networks
from palm_assets.gan.config import PUBLISHED_NETWORKS
from palm_assets.gan.plot_files import SAMPLES_FILE
from palm_assets.gan.plots import sample_grid
from palm_assets.gan.published_weights import import_published
from palm_assets.gan.sampler import load_model
from palm_assets.store.artifacts import Artifact, Store
from palm_assets.store.atomic import sha256_of

CODE_VERSION = "import-published-1"
SAMPLES = 16
CARD = """# Imported model

The weights published at Kaggle as `korff16/generator-palms`, or files of the same architecture, converted
exactly. Who trained them, on which people and with what result is not known here.
"""
PUBLISHED_SETS = (
    ("korff16/generator-palms", "generator.pt"),
    ("korff16/discriminator-palms", "discriminator.pt"),
)


def fetch_published() -> tuple[Path, Path]:
    """Download the two published files from Kaggle, unless they were downloaded before.

    Raises:
        SourceError: see `palm_assets.sources.kaggle.fetch_dataset`; or a set does not hold its file.
    """
    from palm_assets.sources.kaggle import fetch_dataset

    found = []
    for handle, name in PUBLISHED_SETS:
        files = sorted(fetch_dataset(handle).root.rglob(name))
        if not files:
            raise SourceNotFoundError(
                f"The set holds no {name}", where=handle, hint="Give the paths of both files."
            )
        found.append(files[0])
    return found[0], found[1]


def import_into(store: Store, generator: Path, discriminator: Path) -> Artifact:
    """Publish two state dicts of the published architecture as a model; the same files are imported once.

    Raises:
        CheckpointError: a file is not a plain dict of tensors, or is of another architecture.
        DiskFullError, ArtifactError: the store cannot be written.
    """
    inputs = {"generator.pt": sha256_of(generator)[:12], "discriminator.pt": sha256_of(discriminator)[:12]}

    def build(folder: Path) -> Mapping[str, Any]:
        networks = import_published(generator, discriminator)
        save_networks(*networks, PUBLISHED_NETWORKS, folder)
        model = load_model(folder, "")  # refuses weights that are not finite
        sample_grid(model, SAMPLES).save(folder / SAMPLES_FILE)
        (folder / CARD_FILE).write_text(CARD, encoding="utf-8")
        return {"imported": True, "image_size": PUBLISHED_NETWORKS.image_size, "from": generator.name}

    return store.make("models", build, inputs=inputs, config=PUBLISHED_NETWORKS, code_version=CODE_VERSION)
