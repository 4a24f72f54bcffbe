"""People are found again in a model that was trained on them, though their folders have other names now."""

from __future__ import annotations

import shutil
import unicodedata
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from palm_assets.crops.config import CropConfig
from palm_assets.crops.splits import PeopleSplit
from palm_assets.errors import HeldOutError
from palm_assets.gan.people_record import NOBODY, HeldOutOverlap
from palm_assets.photos.index import Photo, PhotoIndex, write_index
from palm_assets.stages.model import held_out_overlap, make_model
from palm_assets.store.artifacts import Artifact, Store
from tests.crops.published_crops import publish_crops_of, split
from tests.gan.recipes import tiny
from tests.models import publish_model


def crops_of(store: Store, people: PeopleSplit, photographed: Mapping[str, str]) -> Artifact:
    """Publish crops of people, and the index of their photographs: what is on that of each person."""
    entries = tuple(
        Photo(f"{person}/1.jpg", 9, 9, person, "palmar", "left", "fair", pixels)
        for person, pixels in sorted(photographed.items())
    )

    def index(folder: Path) -> dict[str, Any]:
        write_index(PhotoIndex(folder, entries, ()), folder)
        return {"source": "folder"}

    config = CropConfig(image_size=16)
    photos = store.make("photos", index, inputs={"files": repr(entries)}, config=config, code_version="test")
    files = publish_crops_of(store, people)

    def copy(folder: Path) -> dict[str, Any]:
        for name in files.manifest.files:
            shutil.copy(files.folder / name, folder)
        return files.facts

    inputs = {"photos": photos.version, "of": files.version}
    return store.make("crops", copy, inputs=inputs, config=config, code_version="test")


def model_of(store: Store, crops: Artifact, train: str, start: Artifact | None = None) -> Artifact:
    inputs = {"crops": crops.version} | ({} if start is None else {"start": start.version})
    return publish_model(store, inputs=inputs, people=NOBODY.including(train, "photographs"))


def test_renamed_folders_are_found_by_their_photographs(store: Store) -> None:
    first = crops_of(store, split("abc", "de", "fg"), {person: f"hand of {person}" for person in "abcdefg"})
    model = model_of(store, first, "abc")
    assert held_out_overlap(store, model, first) == HeldOutOverlap(0, unknown=False)
    renamed = {new: f"hand of {old}" for new, old in zip("tuvwxyz", "fgdeabc", strict=True)}
    second = crops_of(store, split("tuv", "wx", "yz"), renamed)  # x, y and z were a, b and c
    assert held_out_overlap(store, model, second) == HeldOutOverlap(3, unknown=False)
    with pytest.raises(HeldOutError, match="trained on 3 of the people"):
        make_model(store, second, tiny(start=model.version), run=lambda job: pytest.fail("it trains"))
    between = model_of(store, second, "tuv", model)
    assert held_out_overlap(store, between, second).people == 3
    others = crops_of(store, split("tuv", "wx", "yz"), {person: f"palm of {person}" for person in "tuvwxyz"})
    assert held_out_overlap(store, model, others).people == 0


def test_names_are_the_same_however_their_accents_are_composed() -> None:
    composed = "Zo\u00eb"
    decomposed = unicodedata.normalize("NFD", composed)
    assert composed != decomposed
    for before, after in ((composed, decomposed), (decomposed, composed)):
        record = NOBODY.including([before], "photographs")
        assert record.known_among([after, "Zoe"], "photographs") == {after}


@pytest.mark.parametrize("now", ["anna b", "Anna B", "ANNA B", "Anna b"])
def test_names_are_the_same_in_whatever_case(now: str) -> None:
    for before in ("anna b", "Anna B", "ANNA B"):
        record = NOBODY.including([before], "photographs")
        assert record.known_among([now, "Anne"], "photographs") == {now}
