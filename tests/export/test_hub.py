"""Models on a Hub: published, loaded by name in another process, and what goes wrong on the way."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from huggingface_hub import ModelCard, constants

from palm_assets import load_model
from palm_assets.errors import (
    AccessRefusedError,
    CorruptDownloadError,
    PackageMissingError,
    RequestError,
    SourceError,
    SourceNotFoundError,
    SourceUnreachableError,
)
from palm_assets.evaluation.evaluation_files import write_evaluation
from palm_assets.export.hub_folder import export_hub
from palm_assets.export.hub_upload import push
from palm_assets.gan.sampler import PalmModel
from palm_assets.store.artifacts import Artifact, Store
from palm_assets.store.identity import StageConfig
from palm_assets.store.starter import STARTER
from tests.export.hub_server import TOKEN, Hub, run_hub
from tests.models import SMALL

NAME = "me/palms"
EVALUATION = {
    "n": 174,
    "extractor": "efficientnet-lite0",
    "digest": "921814406d07",
    "label": "Fréchet distance (efficientnet-lite0)",
    "frechet": 83.7557,
    "reference_n": 1323,
    "kid_label": "kernel distance (efficientnet-lite0)",
    "kid": 0.0398,
    "kid_sd": 0.0089,
    "density": 0.377,
    "coverage": 0.1708,
    "nearest": [1, 2],
    "floor": {"n": 174, "frechet": 78.57, "frechet_sd": 5.1, "kid": 0.0185, "kid_sd": 0.0097},
}
LOAD = """
import sys, palm_assets
model = palm_assets.load_model(sys.argv[1])
sys.stdout.buffer.write(model.sample(3, seed=7).tobytes())
"""


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """An empty Hub, and no downloads yet."""
    with run_hub() as server:
        monkeypatch.setenv("HF_ENDPOINT", server.address)
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        monkeypatch.setenv("HF_HUB_DISABLE_XET", "1")  # the protocol of its own storage is not spoken here
        monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "downloads"))
        monkeypatch.setenv("HF_HUB_DISABLE_PROGRESS_BARS", "1")
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "downloads"))
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        yield server


@pytest.fixture
def published(hub: Hub, model: PalmModel) -> Hub:
    """The Hub with the model in the repository `NAME`."""
    push(model, NAME)
    return hub


def evaluated(store: Store, model: PalmModel) -> Artifact:
    def build(folder: Path) -> dict[str, object]:
        write_evaluation(EVALUATION, folder)
        return {}

    inputs = {"model": model.version, "reference": "0123456789ab"}
    return store.make("evaluations", build, inputs=inputs, config=StageConfig(), code_version="1")


# Publishing and loading


def test_a_published_model_generates_the_same_pixels_in_a_fresh_process(
    published: Hub, model: PalmModel, tmp_path: Path
) -> None:
    command = [sys.executable, "-c", LOAD, NAME]
    run = subprocess.run(command, capture_output=True, cwd=tmp_path, env=dict(os.environ), check=True)
    loaded = np.frombuffer(run.stdout, np.uint8).reshape(3, 3, 16, 16)
    np.testing.assert_array_equal(loaded, model.sample(3, seed=7))


def test_a_published_model_has_its_version_and_its_pictures_are_not_downloaded(
    published: Hub, model: PalmModel, tmp_path: Path
) -> None:
    loaded = load_model(NAME)
    assert loaded.version == model.version
    assert "samples/palm_000016.png" in published.files(NAME)
    assert not list((tmp_path / "downloads").rglob("*.png"))


def test_a_model_with_pictures_of_its_training_is_loaded(hub: Hub) -> None:
    starter = load_model(STARTER)
    push(starter, NAME)
    assert "curves.png" in hub.files(NAME)
    loaded = load_model(NAME)
    np.testing.assert_array_equal(loaded.sample(1, seed=7), starter.sample(1, seed=7))


def test_a_second_load_needs_no_network(published: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    version = load_model(NAME).version
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    assert load_model(NAME).version == version


def test_a_branch_is_published_and_loaded_by_its_name(
    published: Hub, publish_model: Callable[..., Artifact]
) -> None:
    other = load_model(publish_model(5).folder)
    push(other, NAME, revision="trial")
    assert load_model(NAME, revision="trial").version == other.version
    assert load_model(NAME).version != other.version
    commit = published.repositories[NAME].branches["trial"]
    assert load_model(NAME, revision=commit).version == other.version


def test_a_newer_model_leaves_nothing_of_the_earlier_one(
    hub: Hub, store: Store, model: PalmModel, publish_model: Callable[..., Artifact]
) -> None:
    evaluated(store, model)
    push(model, NAME, store=store)
    assert "evaluation.json" in hub.files(NAME)
    push(load_model(publish_model(5).folder), NAME, store=store)
    assert "evaluation.json" not in hub.files(NAME)
    assert ".gitattributes" in hub.files(NAME)


def test_a_private_repository_is_loaded_with_a_token_only(
    hub: Hub, model: PalmModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    push(model, NAME, private=True)
    monkeypatch.delenv("HF_TOKEN")
    with pytest.raises(SourceNotFoundError, match="or it is private"):
        load_model(NAME)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    assert load_model(NAME).version == model.version


def test_a_repository_with_weights_and_config_alone_is_loaded(published: Hub, model: PalmModel) -> None:
    repository = published.repositories[NAME]
    names = ("config.json", "generator.safetensors", "discriminator.safetensors")
    commit = repository.commit("main", {name: published.files(NAME)[name] for name in names})
    loaded = load_model(NAME)
    assert loaded.version == commit[:12]
    np.testing.assert_array_equal(loaded.sample(2), model.sample(2))


# What goes wrong


def test_a_revision_that_does_not_exist_is_named(published: Hub) -> None:
    with pytest.raises(SourceNotFoundError, match="no revision 'v9'"):
        load_model(NAME, revision="v9")


def test_an_unknown_repository_is_not_found(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SourceNotFoundError, match="no such model repository"):
        load_model("me/nothing")
    monkeypatch.delenv("HF_TOKEN")  # to strangers the Hub answers 401
    with pytest.raises(SourceNotFoundError, match="no such model repository"):
        load_model("me/nothing")


@pytest.mark.parametrize("lost", ["generator.safetensors", "config.json"])
def test_a_missing_file_is_named(hub: Hub, publish_model: Callable[..., Artifact], lost: str) -> None:
    push(load_model(publish_model(2).folder), NAME)
    files = dict(hub.files(NAME))
    del files[lost]
    hub.repositories[NAME].commit("main", files)
    with pytest.raises(SourceNotFoundError, match=f"lacks {lost}"):
        load_model(NAME)


def test_a_repository_without_a_model_is_refused(published: Hub) -> None:
    published.repositories[NAME].commit("main", {"README.md": b"# Something else"})
    with pytest.raises(SourceNotFoundError, match=r"lacks config\.json"):
        load_model(NAME)


@pytest.mark.parametrize("config", [{}, {"config.json": b'{"architectures": ["Other"]}'}])
def test_files_of_something_else_are_not_downloaded(published: Hub, config: dict[str, bytes]) -> None:
    others = dict.fromkeys(("model.safetensors", "pytorch_model.bin", "data/train.zip", "x[1].bin"), b"x")
    published.repositories[NAME].commit("main", {**others, **config})
    published.requests.clear()
    with pytest.raises(SourceNotFoundError, match="lacks"):
        load_model(NAME)
    asked = {path.rpartition("/resolve/")[2].partition("/")[2] for path in published.requests}
    assert not asked & set(others)


def test_beside_a_model_other_files_are_left_on_the_hub(published: Hub, model: PalmModel) -> None:
    files = {**published.files(NAME), "dump.bin": b"x" * 999}
    published.repositories[NAME].commit("main", files)
    assert load_model(NAME).version == model.version
    assert not [path for path in published.requests if path.endswith("dump.bin")]


def test_a_changed_file_is_found_out(published: Hub) -> None:
    files = dict(published.files(NAME))
    weights = bytearray(files["generator.safetensors"])
    weights[-1] ^= 1
    published.repositories[NAME].commit("main", {**files, "generator.safetensors": bytes(weights)})
    with pytest.raises(CorruptDownloadError, match=r"generator\.safetensors is missing or damaged"):
        load_model(NAME)


def test_a_manifest_with_an_impossible_version_is_refused(published: Hub) -> None:
    files = dict(published.files(NAME))
    manifest = {**json.loads(files["manifest.json"]), "version": "../../x"}
    published.repositories[NAME].commit("main", {**files, "manifest.json": json.dumps(manifest).encode()})
    with pytest.raises(CorruptDownloadError, match="impossible version"):
        load_model(NAME)


@pytest.mark.parametrize("name", ["../../refs/main", "/etc/hostname", "."])
def test_a_manifest_with_a_file_outside_of_its_folder_is_refused(published: Hub, name: str) -> None:
    files = dict(published.files(NAME))
    manifest = json.loads(files["manifest.json"])
    manifest["files"][name] = {"bytes": 40, "sha256": "0" * 64}
    published.repositories[NAME].commit("main", {**files, "manifest.json": json.dumps(manifest).encode()})
    with pytest.raises(CorruptDownloadError, match="manifest is missing or not readable"):
        load_model(NAME)


def test_a_refused_token_is_reported(
    published: Hub, monkeypatch: pytest.MonkeyPatch, model: PalmModel
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    with pytest.raises(AccessRefusedError, match="refuses this token"):
        load_model(NAME)
    with pytest.raises(AccessRefusedError, match="may write"):
        push(model, "me/other")
    assert set(published.repositories) == {NAME}


def test_without_a_token_or_in_a_foreign_namespace_nothing_is_published(
    hub: Hub, model: PalmModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(AccessRefusedError):
        push(model, "you/palms")
    monkeypatch.delenv("HF_TOKEN")
    with pytest.raises(AccessRefusedError, match="asks for a token"):
        push(model, NAME)
    assert hub.repositories == {}


def test_an_interrupted_download_leaves_no_half_model(
    published: Hub, monkeypatch: pytest.MonkeyPatch, model: PalmModel
) -> None:
    published.cut = "generator.safetensors"
    with pytest.raises(SourceError) as raised:
        load_model(NAME)
    assert isinstance(raised.value, SourceUnreachableError | CorruptDownloadError)
    address = os.environ["HF_ENDPOINT"]
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")  # now the network is gone
    with pytest.raises(SourceUnreachableError):
        load_model(NAME)
    monkeypatch.setenv("HF_ENDPOINT", address)
    published.cut = ""
    np.testing.assert_array_equal(load_model(NAME).sample(2), model.sample(2))


def test_an_interrupted_upload_leaves_the_repository_as_it_was(
    published: Hub, publish_model: Callable[..., Artifact]
) -> None:
    before = published.files(NAME)
    published.refuse_uploads = True
    with pytest.raises(SourceError):
        push(load_model(publish_model(5).folder), NAME)
    assert published.files(NAME) == before


def test_a_server_that_is_not_there_is_unreachable(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(SourceUnreachableError):
        load_model(NAME)


def test_wrong_names_and_revisions_are_refused_before_anything_is_sent(hub: Hub, model: PalmModel) -> None:
    for name in ("palms", "a/b/c", "me/../palms", "me/pa lms"):
        with pytest.raises(RequestError):
            push(model, name)
    with pytest.raises(RequestError, match="repository"):
        load_model(model.folder, revision="main")
    assert hub.requests == []


def test_without_the_package_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(PackageMissingError, match="pip install huggingface_hub"):
        load_model(NAME)


# The folder and its card


def test_the_card_is_valid_for_the_hub_and_holds_the_metrics(
    hub: Hub, store: Store, model: PalmModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    evaluated(store, model)
    export_hub(model, tmp_path / "out", store=store, name=NAME)
    card = ModelCard.load(tmp_path / "out" / "README.md")
    monkeypatch.setattr(constants, "ENDPOINT", hub.address)
    card.validate()
    assert hub.requests == ["POST /api/validate-yaml"]
    assert card.data.license == "agpl-3.0"
    assert card.data.pipeline_tag == "unconditional-image-generation"
    assert {"hands", "gan"} <= set(card.data.tags)
    results = {result.metric_type: result for result in card.data.eval_results}
    assert set(results) == {"frechet_distance", "kernel_distance", "density", "coverage"}  # and no FID
    frechet = results["frechet_distance"]
    assert frechet.metric_value == 83.7557
    assert frechet.metric_args["n"] == 174
    assert frechet.metric_args["extractor"] == "efficientnet-lite0"
    assert frechet.metric_args["floor"] == 78.57
    assert f'load_model("{NAME}")' in card.text
    exported = json.loads((tmp_path / "out" / "evaluation.json").read_text())
    assert "nearest" not in exported


def test_a_distance_by_inception_is_called_fid(
    store: Store, model: PalmModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(EVALUATION, "label", "FID")
    evaluated(store, model)
    export_hub(model, tmp_path / "out", store=store)
    results = ModelCard.load(tmp_path / "out" / "README.md").data.eval_results
    assert {"fid", "kid"} <= {result.metric_type for result in results}


def test_a_model_that_was_not_evaluated_says_so(store: Store, model: PalmModel, tmp_path: Path) -> None:
    export_hub(model, tmp_path / "out", store=store)
    card = ModelCard.load(tmp_path / "out" / "README.md")
    assert card.data.eval_results is None
    assert "has not been evaluated" in card.text


def test_the_card_of_a_model_with_labels_shows_how_to_ask_for_them(
    publish_model: Callable[..., Artifact], tmp_path: Path
) -> None:
    networks = SMALL.model_copy(update={"labels": ["aspect", "skin"]})
    labeled = load_model(publish_model(1, networks).folder)
    export_hub(labeled, tmp_path / "out")
    text = (tmp_path / "out" / "README.md").read_text()
    assert 'model.sample(16, seed=7, aspect="palm", skin="fair")' in text
    loaded = load_model(tmp_path / "out")
    np.testing.assert_array_equal(loaded.sample(2, aspect="back"), labeled.sample(2, aspect="back"))


def test_an_exported_folder_is_loaded_and_exported_again(model: PalmModel, tmp_path: Path) -> None:
    export_hub(model, tmp_path / "first", name=NAME)
    (tmp_path / "first" / "README.md").write_text("edited on the Hub")  # not part of the model
    loaded = load_model(tmp_path / "first")
    np.testing.assert_array_equal(loaded.sample(2, seed=3), model.sample(2, seed=3))
    export_hub(loaded, tmp_path / "second", name=NAME)
    assert load_model(tmp_path / "second").version == model.version


def test_a_link_to_a_new_folder_is_written_through(model: PalmModel, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "there")
    export_hub(model, tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "there" / "manifest.json").is_file()


def test_a_folder_that_exists_is_left_alone(model: PalmModel, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    with pytest.raises(RequestError, match="exists already"):
        export_hub(model, tmp_path / "out")


def test_a_failed_export_leaves_no_folder(
    model: PalmModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> str:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("palm_assets.export.hub_folder.hub_card", fail)
    with pytest.raises(Exception, match="disk is full"):
        export_hub(model, tmp_path / "here" / "out")
    assert list((tmp_path / "here").iterdir()) == []
