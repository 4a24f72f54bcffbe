"""A page of static files that generates images in the visitor's browser: no server, no other host."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from importlib.resources import files
from pathlib import Path

import torch

from palm_assets.errors import ExportError, RequestError
from palm_assets.export.npm_packages import PACKAGES, package_files
from palm_assets.export.onnx_graph import onnx_bytes
from palm_assets.gan.sampler import PalmModel
from palm_assets.generation.png_metadata import SOFTWARE
from palm_assets.provenance.xmp import STATIC_PAGE_TOOL, xmp_packet
from palm_assets.store.os_errors import typed_write_errors

MODEL_FILE, DESCRIPTION_FILE = "model.onnx", "model.json"
OFFLINE_FILE = "offline.js"
_A_SEED = 1234567890123  # replaced by each image's own


def export_web(model: PalmModel, target: Path) -> dict[str, int]:
    """Write the page into a new folder, which appears once complete; return its files and their sizes.

    Args:
        model: whose images the page generates.
        target: the folder.

    Raises:
        RequestError: the folder exists.
        PackageMissingError: onnx or onnxruntime is not installed.
        SourceUnreachableError, CorruptDownloadError: the runtime of the page cannot be had.
        ExportError: the graph differs from PyTorch, or the folder cannot be written.
        DiskFullError: no space left.
    """
    if target.exists():
        raise RequestError("The folder exists already", where=target, hint="Name a new one.")
    target = Path(os.path.realpath(target))  # of a link, the folder that it leads to
    contents = page_files(model)
    with typed_write_errors(
        target, ExportError, "The page cannot be written", hint="Name another folder.", only_writes=True
    ):
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{target.name}-", dir=target.parent) as beside:
            draft = Path(beside) / "draft"
            for name, content in contents.items():
                (draft / name).parent.mkdir(parents=True, exist_ok=True)
                (draft / name).write_bytes(content)
            draft.rename(target)
    return {name: len(content) for name, content in contents.items()}


def page_files(model: PalmModel) -> dict[str, bytes]:
    """The page's files by their path."""
    contents = {
        entry.name: entry.read_bytes()
        for entry in sorted(
            files("palm_assets.export").joinpath("web").iterdir(), key=lambda entry: entry.name
        )
        if entry.is_file()
    }
    contents[MODEL_FILE] = onnx_bytes(model)
    for package in PACKAGES:
        contents.update(package_files(package))
    description = {
        "model": model.version,
        "software": SOFTWARE,
        "image_size": model.image_size,
        "latent": model.networks.latent,
        "labels": list(model.labels),
        "label_shares": _label_shares(model),
        "xmp": xmp_packet(model.version, _A_SEED, STATIC_PAGE_TOOL).replace(str(_A_SEED), "{seed}"),
        "files": {name: len(content) for name, content in contents.items()},
    }
    contents[DESCRIPTION_FILE] = json.dumps(description, indent=1).encode()
    contents[OFFLINE_FILE] = _offline_script(contents)
    return contents


def _label_shares(model: PalmModel) -> list[float]:
    """How often each combination of labels was trained on; see `palm_assets.gan.label_vectors`."""
    shares: list[float] = dict(model.generator.named_buffers()).get("label_shares", torch.ones(1)).tolist()
    return shares


def _offline_script(contents: dict[str, bytes]) -> bytes:
    """The service worker, with the files that it keeps and a version that changes with any of them."""
    kept = {name: content for name, content in contents.items() if name != OFFLINE_FILE}
    digest = hashlib.sha256()
    for name, content in kept.items():
        digest.update(f"{name}\0{hashlib.sha256(content).hexdigest()}\n".encode())
    script = contents[OFFLINE_FILE].decode()
    script = script.replace('"{version}"', json.dumps(digest.hexdigest()[:16]))
    return script.replace('"{files}"', json.dumps(["./", *sorted(kept)])).encode()
