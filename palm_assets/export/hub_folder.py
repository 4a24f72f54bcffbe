"""A model as a folder in the conventions of the Hugging Face Hub.

The weights are those of the model, so the images are the same. `manifest.json` lists every file that loading
needs with its SHA-256; README.md and the pictures are not in it, so that they may be edited on the Hub.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from palm_assets.errors import ArtifactMissingError, ExportError, RequestError
from palm_assets.evaluation.evaluation_files import (
    EVALUATION_FILE,
    PER_IMAGE_KEYS,
    read_evaluation,
    write_evaluation,
)
from palm_assets.export.hub_card import hub_card
from palm_assets.gan.checkpoint import CARD_FILE
from palm_assets.gan.sampler import PalmModel
from palm_assets.generation.generate import GenerationRequest, generate
from palm_assets.generation.png_metadata import png_bytes
from palm_assets.quality.reference_files import DESCRIPTION_FILE, STATISTICS_FILE
from palm_assets.sources.hugging_face import UNUSED, hub_errors
from palm_assets.stages.evaluation import newest_evaluation
from palm_assets.store.artifacts import MANIFEST, Store, open_folder
from palm_assets.store.manifests import records_of
from palm_assets.store.os_errors import typed_write_errors
from palm_assets.store.starter import REFERENCE_FOLDER

SAMPLES_FOLDER = "samples"
SAMPLE_COUNT = 16
PLACEHOLDER = "OWNER/NAME"


def export_hub(
    model: PalmModel, target: Path, *, store: Store | None = None, name: str = PLACEHOLDER
) -> list[str]:
    """Write a model's repository into a new folder, which appears once complete; return its files.

    Args:
        model: loaded from an artifact: a store's, the starter, or one that was exported before.
        target: the folder.
        store: where its evaluation and its reference are looked up if they do not lie beside it.
        name: owner/name of the repository, for the card.

    Raises:
        RequestError: the folder exists, or the model has no manifest.
        PackageMissingError: huggingface_hub is not installed.
        ArtifactCorruptError: the model is damaged.
        ExportError: the folder cannot be written.
        DiskFullError: no space left.
    """
    if target.exists():
        raise RequestError("The folder exists already", where=target, hint="Name a new one.")
    target = Path(os.path.realpath(target))  # of a link, the folder that it leads to
    if not (model.folder / MANIFEST).is_file():
        raise RequestError(
            "The model has no manifest", where=model.folder, hint="Export a released model or the starter."
        )
    with (
        hub_errors(name, publishing=True),
        typed_write_errors(target, ExportError, "The folder cannot be written", hint="Name another folder."),
    ):
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{target.name}-", dir=target.parent) as beside:
            draft = Path(beside) / "draft"
            draft.mkdir()
            _fill(draft, model, store, name)
            draft.rename(target)
    return sorted(path.relative_to(target).as_posix() for path in target.rglob("*") if path.is_file())


def _fill(draft: Path, model: PalmModel, store: Store | None, name: str) -> None:
    artifact = open_folder(model.folder, "models")
    text = f"# A DCGAN of human palms, {model.image_size} px"
    for file in artifact.manifest.files:
        if file == CARD_FILE:
            text = (model.folder / file).read_text(encoding="utf-8")
        elif not file.startswith((f"{REFERENCE_FOLDER}/", f"{SAMPLES_FOLDER}/")):
            (draft / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(model.folder / file, draft / file)
    evaluation = _evaluation(model, store, artifact.version)
    if evaluation is not None:
        write_evaluation(evaluation, draft)
    has_reference = _copy_reference(model, store, evaluation, draft)
    found = records_of(draft).items()  # a download of the model leaves the unused files out
    records = {file: record for file, record in found if not any(fnmatch(file, form) for form in UNUSED)}
    manifest = artifact.manifest.model_copy(update={"files": records})
    (draft / MANIFEST).write_text(manifest.model_dump_json(indent=2) + "\n", encoding="utf-8")
    card = hub_card(
        artifact.version,
        _own_text(text),
        evaluation,
        image_size=model.image_size,
        name=name,
        has_reference=has_reference,
        labels=model.labels,
    )
    (draft / CARD_FILE).write_text(card, encoding="utf-8")
    (draft / SAMPLES_FOLDER).mkdir()
    for image in generate(model, GenerationRequest(SAMPLE_COUNT, 0)):
        (draft / SAMPLES_FOLDER / image.file_name).write_bytes(png_bytes(image, model.version))


def _own_text(text: str) -> str:
    """The card without the YAML, use and evaluation of an earlier export."""
    if text.startswith("---\n"):
        text = text.split("\n---\n", 1)[-1]
    return text.split("\n## Use\n", 1)[0]


def _evaluation(model: PalmModel, store: Store | None, version: str) -> Mapping[str, Any] | None:
    """Metrics of the model: beside it, else the newest of the store."""
    folder = model.folder
    if not (folder / EVALUATION_FILE).is_file():
        found = newest_evaluation(store, version) if store is not None else None
        if found is None:
            return None
        folder = found.folder
    return {key: value for key, value in read_evaluation(folder).items() if key not in PER_IMAGE_KEYS}


def _copy_reference(
    model: PalmModel, store: Store | None, evaluation: Mapping[str, Any] | None, draft: Path
) -> bool:
    """Copy the reference statistics beside the model, if they are known; whether they were."""
    folder = _reference_folder(model, store, evaluation)
    if folder is None:
        return False
    (draft / REFERENCE_FOLDER).mkdir()
    for file in (STATISTICS_FILE, DESCRIPTION_FILE, MANIFEST):
        if (folder / file).is_file():
            shutil.copyfile(folder / file, draft / REFERENCE_FOLDER / file)
    return True


def _reference_folder(
    model: PalmModel, store: Store | None, evaluation: Mapping[str, Any] | None
) -> Path | None:
    """Beside the model; else the one of the store that the evaluation was made with."""
    beside = model.folder / REFERENCE_FOLDER
    if (beside / STATISTICS_FILE).is_file():
        return beside
    found = newest_evaluation(store, model.version) if store is not None and evaluation is not None else None
    reference = "" if found is None else found.manifest.inputs.get("reference", "")
    if store is None or not reference:
        return None
    try:
        return store.open("reference", reference).folder
    except ArtifactMissingError:
        return None
