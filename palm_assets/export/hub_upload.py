"""Publishing a model on the Hugging Face Hub: one commit, so a repository has all of it or nothing."""

from __future__ import annotations

import tempfile
from pathlib import Path

from palm_assets.errors import RequestError
from palm_assets.export.hub_folder import SAMPLES_FOLDER, export_hub
from palm_assets.gan.sampler import PalmModel
from palm_assets.sources.hugging_face import REPOSITORY, endpoint, hub_errors
from palm_assets.store.artifacts import Store
from palm_assets.store.starter import REFERENCE_FOLDER

STALE = (f"{SAMPLES_FOLDER}/*", f"{REFERENCE_FOLDER}/*", "*.json", "*.safetensors", "*.png")
"""Files of an earlier model in the repository, removed by the same commit."""


def push(
    model: PalmModel,
    name: str,
    *,
    store: Store | None = None,
    revision: str | None = None,
    private: bool = False,
) -> str:
    """Publish a model in a repository, created if missing; return the address of the commit.

    Args:
        model: loaded from an artifact; see `palm_assets.export.hub_folder.export_hub`.
        name: owner/name of the repository.
        store: where its evaluation and reference are looked up.
        revision: branch, created if missing; by default the main one.
        private: whether a new repository is private.

    Raises:
        RequestError: this is no name of a repository, or the model has no manifest.
        AccessRefusedError: there is no token, or it may not write there.
        SourceError: the Hub cannot be reached or refuses; see `palm_assets.sources.hugging_face.hub_errors`.
    """
    if not REPOSITORY.fullmatch(name):
        raise RequestError(f"{name!r} is no name of a repository", hint="Name it OWNER/NAME.")
    with tempfile.TemporaryDirectory(prefix="palms-hub-") as folder:
        export_hub(model, Path(folder) / "model", store=store, name=name)
        with hub_errors(name, revision, publishing=True):
            from huggingface_hub import HfApi

            api = HfApi(endpoint=endpoint(), library_name="palms")
            api.create_repo(name, exist_ok=True, private=private or None)
            if revision is not None:
                api.create_branch(name, branch=revision, exist_ok=True)
            commit = api.upload_folder(
                repo_id=name,
                folder_path=Path(folder) / "model",
                revision=revision,
                commit_message=f"Model {model.version}",
                delete_patterns=list(STALE),
            )
    return str(commit.commit_url)
