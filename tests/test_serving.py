from __future__ import annotations

from collections.abc import Callable

import pytest

from palm_assets import serving
from palm_assets.errors import ArtifactCorruptError, ArtifactMissingError
from palm_assets.serving import ModelWatcher, released_model
from palm_assets.store import Artifact, Store

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


def test_the_watcher_says_why_there_is_no_model(store: Store) -> None:
    served = ModelWatcher(store).look()
    assert served.model is None
    assert isinstance(served.trouble, ArtifactMissingError)


def test_the_watcher_takes_up_the_first_release_and_every_new_one(
    store: Store, publish_model: Publish, release: Release
) -> None:
    watcher = ModelWatcher(store)
    watcher.look()
    for seed in (1, 2):
        artifact = publish_model(seed)
        release(artifact)
        served = watcher.look()
        assert served.model is not None
        assert served.artifact is not None
        assert (served.model.version, served.artifact.version) == (artifact.version, artifact.version)
        assert served.trouble is None


def test_looking_again_reads_nothing_while_nothing_changes(
    store: Store, publish_model: Publish, release: Release, monkeypatch: pytest.MonkeyPatch
) -> None:
    release(publish_model(1))
    watcher = ModelWatcher(store)
    before = watcher.look()
    monkeypatch.setattr(Store, "released", lambda self: pytest.fail("it was read again"))
    assert watcher.look() is before


def test_a_broken_release_is_refused_and_the_old_model_stays(
    store: Store, publish_model: Publish, release: Release
) -> None:
    old, new = publish_model(1), publish_model(2)
    release(old)
    watcher = ModelWatcher(store)
    watcher.look()
    damage(new)
    release(new)
    served = watcher.look()
    assert served.model is not None
    assert served.model.version == old.version
    assert isinstance(served.trouble, ArtifactCorruptError)


def test_an_unreadable_pointer_is_refused_and_the_old_model_stays(
    store: Store, publish_model: Publish, release: Release
) -> None:
    release(publish_model(1))
    watcher = ModelWatcher(store)
    before = watcher.look()
    (store.home / "released.json").write_text("{half")
    served = watcher.look()
    assert served.model is before.model
    assert isinstance(served.trouble, ArtifactCorruptError)


def test_a_broken_release_is_taken_up_once_it_is_mended(
    store: Store, publish_model: Publish, release: Release, monkeypatch: pytest.MonkeyPatch
) -> None:
    artifact = publish_model(1)
    whole = (artifact.folder / "generator.safetensors").read_bytes()
    damage(artifact)
    release(artifact)
    watcher = ModelWatcher(store)
    assert watcher.look().model is None
    (artifact.folder / "generator.safetensors").write_bytes(whole)
    assert watcher.look().model is None  # not hashed at every look
    monkeypatch.setattr(serving, "RETRY_SECONDS", 0)
    watcher._retry_at = 0
    served = watcher.look()
    assert served.model is not None
    assert served.trouble is None
