from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from palm_assets.errors import ArtifactCorruptError, ArtifactMissingError
from palm_assets.release.model_choices import choice_named, list_models, origin_of_folder
from palm_assets.release.model_loader import load_model
from palm_assets.release.serving import ModelWatcher, model_at_hand
from palm_assets.store.artifacts import Artifact, Store
from palm_assets.store.origins import Origin
from tests.models import SMALL

NOWHERE = Path("/nowhere")
Publish = Callable[..., Artifact]
ReleaseOf = Callable[[Artifact, Origin], None]


@pytest.fixture
def release_of(store: Store) -> ReleaseOf:
    """Release a model of an origin."""
    reference = store.make("reference", lambda folder: {}, inputs={}, config=SMALL, code_version="1")
    return lambda model, origin: store.release(model, reference, origin=origin) and None


@pytest.fixture
def starter(tmp_path: Path, publish_model: Publish) -> Path:
    """A published model that left its store."""
    return shutil.copytree(publish_model(9).folder, tmp_path / "starter")


def test_releases_of_photographs_come_first_then_the_starter_then_synthetic_ones(
    store: Store, publish_model: Publish, release_of: ReleaseOf, starter: Path
) -> None:
    first, second, rendered, newer = (publish_model(seed) for seed in range(1, 5))
    publish_model(5)  # never released
    release_of(first, "photographs")
    release_of(rendered, "synthetic")
    release_of(second, "photographs")
    release_of(newer, "synthetic")
    choices = list_models(store, starter)
    names = [choice.name for choice in choices]
    assert names == [second.version, first.version, "starter", newer.version, rendered.version]
    assert [choice.origin for choice in choices] == ["photographs"] * 3 + ["synthetic"] * 2
    assert [choice.name for choice in choices if choice.is_default] == [second.version]
    assert {choice.image_size for choice in choices} == {16}
    assert [choice.by for choice in choices] == ["gate", "gate", None, "gate", "gate"]
    assert [choice.is_starter for choice in choices] == [False, False, True, False, False]
    times = [choice.released_at for choice in choices if choice.origin == "photographs" and choice.by]
    assert times == sorted(times, reverse=True)
    assert choices[2].released_at is None


def test_a_model_that_is_released_again_comes_first_again(
    store: Store, publish_model: Publish, release_of: ReleaseOf
) -> None:
    old, new = publish_model(1), publish_model(2)
    for model in (old, new, old):
        release_of(model, "photographs")
    choices = list_models(store, NOWHERE)
    assert [choice.name for choice in choices] == [old.version, new.version]
    assert [choice.is_default for choice in choices] == [True, False]


def test_the_starter_is_the_default_beside_a_release_of_synthetic_hands(
    store: Store, publish_model: Publish, release_of: ReleaseOf, starter: Path
) -> None:
    release_of(publish_model(1), "synthetic")
    assert [choice.is_default for choice in list_models(store, starter)] == [True, False]
    assert [choice.is_default for choice in list_models(store, NOWHERE)] == [False]


def test_a_release_of_synthetic_hands_does_not_replace_one_of_photographs(
    store: Store, publish_model: Publish, release_of: ReleaseOf, starter: Path
) -> None:
    real, rendered = publish_model(1), publish_model(2)
    release_of(real, "photographs")
    watcher = ModelWatcher(store, starter)
    release_of(rendered, "synthetic")
    assert watcher.served().name == real.version
    assert model_at_hand(store, starter)[0].version == real.version
    default = [choice.name for choice in list_models(store, starter) if choice.is_default]
    assert default == [real.version]


def test_removed_models_are_left_out_and_the_starter_takes_their_place(
    store: Store, publish_model: Publish, release_of: ReleaseOf, starter: Path
) -> None:
    model = publish_model(1)
    release_of(model, "photographs")
    shutil.rmtree(model.folder)
    assert [(choice.name, choice.is_default) for choice in list_models(store, starter)] == [("starter", True)]


def test_the_current_release_is_listed_if_the_history_is_not_readable(
    store: Store, publish_model: Publish, release_of: ReleaseOf
) -> None:
    model = publish_model(1)
    release_of(model, "photographs")
    (store.home / "releases.json").write_text("{half")
    assert [choice.name for choice in list_models(store, NOWHERE)] == [model.version]
    (store.home / "released.json").write_text("{half")
    assert list_models(store, NOWHERE) == []


def test_a_model_of_palms_and_backs_lies_beside_the_starter(
    store: Store, publish_model: Publish, starter: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    networks = SMALL.model_copy(update={"labels": ["aspect", "side", "skin"]})
    hands = publish_model(3, networks)
    folder = shutil.copytree(hands.folder, starter.parent / "starter_hands")
    choices = list_models(store, starter)
    assert [(choice.name, choice.is_default) for choice in choices] == [("starter", True), ("hands", False)]
    assert [choice.labels for choice in choices] == [(), ("aspect", "side", "skin")]
    watcher = ModelWatcher(store, starter)
    for name in ("hands", f"starter-{hands.version}"):
        served = watcher.served(name)
        assert served.problem is None
        assert (served.name, served.is_starter, served.origin) == ("hands", False, "photographs")
    monkeypatch.setenv("PALM_STARTER", str(starter))
    for name in ("hands", f"starter-{hands.version}"):
        model = load_model(name, store)
        assert (model.version, model.folder) == (f"starter-{hands.version}", folder)
        assert model.sample(2, aspect="back").shape == (2, 3, 16, 16)


def test_a_starter_that_was_trained_on_synthetic_hands_is_not_said_to_know_photographs(
    store: Store, starter: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PALM_STARTER", str(starter))
    assert origin_of_folder(store, starter) == "photographs"
    manifest = json.loads((starter / "manifest.json").read_text())
    manifest["facts"]["origin"] = "synthetic"  # as `palms pack` writes it
    (starter / "manifest.json").write_text(json.dumps(manifest))
    assert origin_of_folder(store, starter) == "synthetic"
    assert [choice.origin for choice in list_models(store, starter)] == ["synthetic"]
    served = ModelWatcher(store, starter).served()
    assert (served.is_starter, served.origin) == (True, "synthetic")


def test_a_choice_is_found_by_name_and_by_version(store: Store, starter: Path) -> None:
    choices = list_models(store, starter)
    assert choice_named(choices, "starter") is choice_named(choices, choices[0].version) is choices[0]
    with pytest.raises(ArtifactMissingError, match=r"No model named 0123456789ab.*palms releases"):
        choice_named(choices, "0123456789ab")


def test_the_watcher_serves_each_choice_by_name(
    store: Store, publish_model: Publish, release_of: ReleaseOf, starter: Path
) -> None:
    real, rendered = publish_model(1), publish_model(2)
    release_of(real, "photographs")
    release_of(rendered, "synthetic")
    watcher = ModelWatcher(store, starter)
    for choice in watcher.choices():
        served = watcher.served(choice.name)
        assert served.model is not None
        assert served.problem is None
        assert (served.name, served.model.version) == (choice.name, choice.version)
        assert (served.origin, served.is_starter) == (choice.origin, choice.is_starter)
        assert watcher.served(choice.version) is served
    assert watcher.served(real.version) is watcher.served()


def test_the_watcher_says_that_a_named_model_is_gone_or_damaged(
    store: Store, publish_model: Publish, release_of: ReleaseOf, starter: Path
) -> None:
    first, second, third = (publish_model(seed) for seed in range(1, 4))
    unreleased = publish_model(4)
    watcher = ModelWatcher(store, starter)
    for model in (first, second, third):
        release_of(model, "photographs")
    assert [choice.name for choice in watcher.choices()][-1] == "starter"
    shutil.rmtree(first.folder)
    (second.folder / "generator.safetensors").write_bytes(b"damaged")
    for name in (first.version, unreleased.version, "../models", ""):
        gone = watcher.served(name)
        assert gone.model is None
        assert isinstance(gone.problem, ArtifactMissingError)
    assert isinstance(watcher.served(second.version).problem, ArtifactCorruptError)
    assert first.version not in {choice.name for choice in watcher.choices()}
    assert watcher.served().name == third.version


def test_the_watcher_keeps_a_few_named_models_in_memory(
    store: Store, publish_model: Publish, release_of: ReleaseOf
) -> None:
    models = [publish_model(seed) for seed in range(7)]
    for model in models:
        release_of(model, "photographs")
    watcher = ModelWatcher(store, NOWHERE)
    kept = [watcher.served(model.version) for model in models[:5]]
    assert watcher.served(models[4].version) is kept[4]
    assert watcher.served(models[1].version) is kept[1]
    assert watcher.served(models[0].version) is not kept[0]
