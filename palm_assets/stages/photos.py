"""Stage "photos": the index of all photographs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from palm_assets.photos.index import (
    PhotoIndex,
    check_usable,
    folder_fingerprint,
    index_photos,
    read_index,
    write_index,
)
from palm_assets.progress import Progress, Report, no_progress, silent
from palm_assets.sources.config import LoosePhotos, PhotosConfig
from palm_assets.stages.code_versions import CODE_VERSIONS
from palm_assets.stages.source_folder import (
    SYNTHETIC_FOLDER,
    locate_source,
    remember_root,
    root_fact,
    root_of,
)
from palm_assets.store.artifacts import Artifact, Store

EXAMPLES_FILE = "examples.png"


def make_photos(
    store: Store, config: PhotosConfig, *, progress: Progress = no_progress, report: Report = silent
) -> Artifact:
    """Index all photographs of a source; synthetic ones are rendered into the artifact.

    Raises:
        SourceError: the photographs are not available.
        DatasetError: they do not make a usable set.
    """
    root, inputs = locate_source(store, config, folder_fingerprint, report=report)

    def build(folder: Path) -> Mapping[str, Any]:
        from palm_assets.photos.contact_sheet import examples

        if root is None:
            from palm_assets.synthetic import write_kaggle_hands

            write_kaggle_hands(
                folder / SYNTHETIC_FOLDER,
                photos=config.synthetic_photos,
                people=config.synthetic_people,
                seed=config.seed,
                size=config.synthetic_size,
                progress=progress,
            )
        index = index_photos(
            root or folder / SYNTHETIC_FOLDER,
            aspects=config.aspects,
            person_level=config.person_level,
            loose_photos=cast(LoosePhotos, config.loose_photos),
            max_set_aside=config.max_set_aside,
            max_megapixels=config.max_megapixels,
            progress=progress,
        )
        write_index(index, folder)
        examples(index).save(folder / EXAMPLES_FILE)
        return {**index.facts(), "source": config.source, "root": root_fact(root)}

    made = store.make("photos", build, inputs=inputs, config=config, code_version=CODE_VERSIONS["photos"])
    remember_root(store, made, root)
    if made.reused:  # by a config that may have allowed more unusable files
        check_usable(open_photos(made), config.max_set_aside)
    return made


def open_photos(artifact: Artifact) -> PhotoIndex:
    """Read the photo index of an artifact."""
    return read_index(artifact.folder, root_of(artifact))
