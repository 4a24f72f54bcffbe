"""Which photographs a set is compared with, and whether the model may have seen the people on them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from app.i18n.words import Words
from app.views.comparison_text import summary
from app.work.comparison import Comparison
from app.work.reference import ReferenceCache
from palm_assets.gan.sampler import load_model
from palm_assets.generation.generate import GenerationRequest
from palm_assets.quality.config import ReferenceConfig
from palm_assets.store.artifacts import Artifact, Store
from tests.app.real_palms import publish_crops, publish_reference
from tests.app.test_comparison import compared
from tests.app.test_generation import generated_set
from tests.models import publish_model

RU, EN = Words("ru"), Words("en")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "home")


def of_other_crops(store: Store, source: Artifact) -> Artifact:
    """The same statistics as those of other crops."""

    def copy(folder: Path) -> dict[str, object]:
        for name in ("statistics.npz", "statistics.json"):
            shutil.copyfile(source.folder / name, folder / name)
        return {}

    inputs = {"crops": "other"}
    return store.make("reference", copy, inputs=inputs, config=ReferenceConfig(), code_version="2")


def comparison_of(folder: Path, version: str, references: ReferenceCache) -> Comparison:
    return compared(generated_set(load_model(folder, version), GenerationRequest(8, 7)), references)


@pytest.mark.parametrize(
    ("names_crops", "facts", "are_new"),
    [
        (True, {}, True),
        (True, {"trained_on_held_out": 1}, False),
        (True, {"held_out_unknown": True}, False),
        (False, {}, False),  # nobody knows what it was trained on
    ],
)
def test_people_are_called_unseen_only_if_the_model_is_known_not_to_have_seen_them(
    store: Store, names_crops: bool, facts: dict[str, object], are_new: bool
) -> None:
    crops = publish_crops(store)
    made = publish_model(store, 4, inputs={"crops": crops.version} if names_crops else None, **facts)
    store.release(made, publish_reference(store, crops))
    found = comparison_of(made.folder, made.version, ReferenceCache(store))
    assert found.people_are_new is are_new
    assert ("never seen" in summary(EN, found)) is are_new
    assert ("модель не\u00a0видела" in summary(RU, found)) is are_new


def test_a_set_of_a_bundled_model_is_compared_with_what_comes_with_it_whatever_is_released(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = publish_reference(store, publish_crops(store))
    elsewhere = Store(tmp_path / "elsewhere")
    starter, hands = publish_model(elsewhere, 1), publish_model(elsewhere, 2)
    for model, name in ((starter, "starter"), (hands, "starter_hands")):
        shutil.copytree(model.folder, tmp_path / name)
    shutil.copytree(own.folder, tmp_path / "starter_hands" / "reference")
    monkeypatch.setenv("PALM_STARTER", str(tmp_path / "starter"))
    references = ReferenceCache(store)
    released = publish_model(store, 3)
    for release in (None, of_other_crops(store, own)):
        if release is not None:
            store.release(released, release)
        found = comparison_of(hands.folder, f"starter-{hands.version}", references)
        assert (found.reference, found.people_are_new) == (f"starter-{own.version}", True)
        assert references.status(found.model).problem is None
    assert release is not None
    for version in (released.version, f"starter-{starter.version}"):  # which comes without one
        assert references.of(version).found.name == release.version
