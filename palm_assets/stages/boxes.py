"""Stage "boxes": images with labeled palms, which the detector is trained on."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from palm_assets.detector.boxes import BoxSet, check_box_set, read_box_set, read_export, write_box_set
from palm_assets.detector.export_files import export_fingerprint, find_export
from palm_assets.errors import DatasetError
from palm_assets.progress import Progress, Report, no_progress, silent
from palm_assets.sources.config import BoxesConfig
from palm_assets.stages.code_versions import CODE_VERSIONS
from palm_assets.stages.source_folder import (
    SYNTHETIC_FOLDER,
    locate_source,
    remember_root,
    root_fact,
    root_of,
)
from palm_assets.store.artifacts import Artifact, Store


def make_boxes(
    store: Store, config: BoxesConfig, *, progress: Progress = no_progress, report: Report = silent
) -> Artifact:
    """Index the labeled images of a YOLO export; synthetic ones are rendered into the artifact.

    Raises:
        SourceError: the export is not available.
        DatasetError: it is not a usable export.
    """
    if config.source == "none":
        return store.make("boxes", _no_boxes, inputs={}, config=config, code_version=CODE_VERSIONS["boxes"])
    root, inputs = locate_source(store, config, export_fingerprint, report=report)

    def build(folder: Path) -> Mapping[str, Any]:
        if root is None:
            from palm_assets.synthetic import write_yolo_export

            write_yolo_export(
                folder / SYNTHETIC_FOLDER,
                train=config.synthetic_train,
                valid=config.synthetic_valid,
                test=config.synthetic_test,
                seed=config.seed,
                size=config.synthetic_size,
                progress=progress,
            )
        boxes = read_export(
            root or folder / SYNTHETIC_FOLDER,
            palm_classes=config.palm_classes,
            seed=config.seed,
            max_set_aside=config.max_set_aside,
            max_megapixels=config.max_megapixels,
            progress=progress,
        )
        write_box_set(boxes, folder)
        # The export may lie in a subfolder of `root`.
        found = None if root is None else boxes.root
        return {**boxes.facts(), "source": config.source, "root": root_fact(found)}

    made = store.make("boxes", build, inputs=inputs, config=config, code_version=CODE_VERSIONS["boxes"])
    remember_root(store, made, None if root is None else find_export(root).base)
    if made.reused:  # by a config that may have allowed more unusable files
        check_box_set(open_boxes(made), config.max_set_aside)
    return made


def _no_boxes(folder: Path) -> Mapping[str, Any]:
    """Write a set without an image, for a detector that is not trained."""
    (folder / SYNTHETIC_FOLDER).mkdir()
    boxes = BoxSet(folder / SYNTHETIC_FOLDER, (), ())
    write_box_set(boxes, folder)
    return {**boxes.facts(), "source": "none", "root": root_fact(None)}


def open_boxes(artifact: Artifact) -> BoxSet:
    """Read the labeled images of an artifact."""
    return read_box_set(artifact.folder, root_of(artifact))


def open_unchanged_boxes(artifact: Artifact) -> BoxSet:
    """The same, for a training: no file of the export may have changed since.

    Raises:
        DatasetError: a file of the export has changed, or is gone.
    """
    boxes, files = open_boxes(artifact), artifact.manifest.inputs.get("files")
    if files is not None and export_fingerprint(boxes.root) != files:
        raise DatasetError(
            "The labeled images changed after they were read",
            where=boxes.root,
            hint="Materialize raw_palm_boxes again, which reads them as they are now.",
        )
    return boxes
