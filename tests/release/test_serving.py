from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from palm_assets.errors import ArtifactCorruptError, ArtifactMissingError, NothingReleasedError
from palm_assets.release import serving
from palm_assets.release.serving import ModelWatcher, model_at_hand, open_starter, released_model
from palm_assets.store.artifacts import Artifact, Store
from palm_assets.store.starter import STARTER

NOWHERE = Path("/nowhere")

Publish = Callable[..., Artifact]
Release = Callable[[Artifact], None]


def damage(artifact: Artifact) -> None:
    path = artifact.folder / "generator.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def test_the_released_model_is_the_one_that_is_loaded(
    store: Store, publish_model: Publish, release: Release
) -> None:
    first, _second = publish_model(1), publish_model(2)
    release(first)
    assert released_model(store).version == first.version


def test_nothing_released_says_to_run_the_pipeline(store: Store) -> None:
    with pytest.raises(ArtifactMissingError, match="make pipeline"):
        released_model(store)


def test_a_release_whose_model_is_gone_is_an_error_that_names_it(
    store: Store, publish_model: Publish, release: Release
) -> None:
    artifact = publish_model(1)
    release(artifact)
    artifact.folder.rename(store.home / "elsewhere")
    with pytest.raises(ArtifactMissingError, match=artifact.version):
        released_model(store)


def test_one_flipped_bit_in_the_weights_is_noticed(
    store: Store, publish_model: Publish, release: Release
) -> None:
    artifact = publish_model(1)
    release(artifact)
    damage(artifact)
    with pytest.raises(ArtifactCorruptError):
        released_model(store)


def test_the_watcher_gives_the_reason_if_there_is_no_model(store: Store) -> None:
    served = ModelWatcher(store, NOWHERE).served()
    assert served.model is None
    assert isinstance(served.problem, ArtifactMissingError)


def test_the_watcher_loads_each_new_release(store: Store, publish_model: Publish, release: Release) -> None:
    watcher = ModelWatcher(store, NOWHERE)
    watcher.served()
    for seed in (1, 2):
        artifact = publish_model(seed)
        release(artifact)
        served = watcher.served()
        assert served.model is not None
        assert served.artifact is not None
        assert (served.model.version, served.artifact.version) == (artifact.version, artifact.version)
        assert served.problem is None


def test_nothing_is_read_while_nothing_changes(
    store: Store, publish_model: Publish, release: Release, monkeypatch: pytest.MonkeyPatch
) -> None:
    release(publish_model(1))
    watcher = ModelWatcher(store, NOWHERE)
    before = watcher.served()
    monkeypatch.setattr(Store, "released", lambda self: pytest.fail("it was read again"))
    assert watcher.served() is before


def test_a_broken_release_is_refused_and_the_old_model_stays(
    store: Store, publish_model: Publish, release: Release
) -> None:
    old, new = publish_model(1), publish_model(2)
    release(old)
    watcher = ModelWatcher(store, NOWHERE)
    watcher.served()
    damage(new)
    release(new)
    served = watcher.served()
    assert served.model is not None
    assert served.model.version == old.version
    assert isinstance(served.problem, ArtifactCorruptError)


def test_an_unreadable_pointer_is_refused_and_the_old_model_stays(
    store: Store, publish_model: Publish, release: Release
) -> None:
    release(publish_model(1))
    watcher = ModelWatcher(store, NOWHERE)
    before = watcher.served()
    (store.home / "released.json").write_text("{half")
    served = watcher.served()
    assert served.model is before.model
    assert isinstance(served.problem, ArtifactCorruptError)


def test_a_broken_release_is_loaded_once_it_is_repaired(
    store: Store, publish_model: Publish, release: Release, monkeypatch: pytest.MonkeyPatch
) -> None:
    artifact = publish_model(1)
    whole = (artifact.folder / "generator.safetensors").read_bytes()
    damage(artifact)
    release(artifact)
    watcher = ModelWatcher(store, NOWHERE)
    assert watcher.served().model is None
    (artifact.folder / "generator.safetensors").write_bytes(whole)
    assert watcher.served().model is None  # not hashed at every call
    monkeypatch.setattr(serving, "RETRY_SECONDS", 0)
    watcher._retry_at = 0
    served = watcher.served()
    assert served.model is not None
    assert served.problem is None


@pytest.fixture
def starter(tmp_path: Path, publish_model: Publish) -> Path:
    """A published model that left its store."""
    return shutil.copytree(publish_model(9).folder, tmp_path / "starter")


def test_the_starter_is_served_until_the_first_release_and_never_after(
    store: Store, publish_model: Publish, release: Release, starter: Path
) -> None:
    watcher = ModelWatcher(store, starter)
    served = watcher.served()
    assert served.model is not None
    assert served.is_starter
    assert served.problem is None
    assert served.model.version.startswith("starter-")
    assert watcher.served() is served
    artifact = publish_model(1)
    release(artifact)
    served = watcher.served()
    assert served.model is not None
    assert (served.model.version, served.is_starter, served.problem) == (artifact.version, False, None)
    damage(artifact)
    (store.home / "released.json").unlink()
    served = watcher.served()
    assert served.model is not None
    assert (served.model.version, served.is_starter) == (artifact.version, False)


def test_a_broken_release_is_reported_while_the_starter_is_served(
    store: Store, publish_model: Publish, release: Release, starter: Path
) -> None:
    watcher = ModelWatcher(store, starter)
    watcher.served()
    artifact = publish_model(1)
    damage(artifact)
    release(artifact)
    served = watcher.served()
    assert served.is_starter
    assert served.model is not None
    assert isinstance(served.problem, ArtifactCorruptError)
    with pytest.raises(ArtifactCorruptError):
        model_at_hand(store, starter)


def test_a_damaged_starter_is_refused(store: Store, starter: Path) -> None:
    path = starter / "generator.safetensors"
    path.write_bytes(path.read_bytes()[:-1])
    served = ModelWatcher(store, starter).served()
    assert served.model is None
    assert isinstance(served.problem, ArtifactCorruptError)


def test_the_released_model_is_preferred_to_the_starter(
    store: Store, publish_model: Publish, release: Release, starter: Path
) -> None:
    with pytest.raises(NothingReleasedError):
        model_at_hand(store, NOWHERE)
    model, is_starter = model_at_hand(store, starter)
    assert is_starter
    artifact = publish_model(1)
    release(artifact)
    assert model_at_hand(store, starter)[0].version == artifact.version != model.version


def test_the_bundled_starter_if_any_is_undamaged_and_small() -> None:
    if not STARTER.is_dir():
        pytest.skip("this copy carries no starter model")
    assert open_starter() is not None
    assert sum(path.stat().st_size for path in STARTER.rglob("*") if path.is_file()) < 25e6
