"""Fine-tuning must not leak: whom a model was trained on is recorded, and compared with who is held out."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from palm_assets.crops.config import CropConfig
from palm_assets.crops.splits import PeopleSplit, assign_people
from palm_assets.errors import CheckpointError, HeldOutError
from palm_assets.gan import training_run
from palm_assets.gan.checkpoint import CARD_FILE, read_metrics
from palm_assets.gan.checkpoint_selection import CheckpointSelector
from palm_assets.gan.people_record import PEOPLE_FILE, HeldOutOverlap, hash_of, read_people
from palm_assets.quality.config import ReferenceConfig
from palm_assets.quality.features import extract, load_extractor
from palm_assets.quality.reference_files import load_reference
from palm_assets.release.export import pack
from palm_assets.stages.crops import open_crops
from palm_assets.stages.model import held_out_overlap, make_model
from palm_assets.stages.reference import make_reference
from palm_assets.store.artifacts import Artifact, Store
from tests.crops.published_crops import publish_crops_of, split
from tests.gan.recipes import tiny
from tests.models import publish_model


def trained(store: Store, people: PeopleSplit, start: str = "scratch", **knobs: object) -> Artifact:
    """Train a model for twelve steps on crops of these people."""
    population = str(knobs.pop("population", "photographs"))
    crops = publish_crops_of(store, people, each=3, population=population)
    return make_model(store, crops, tiny(start=start, **knobs))


def card_of(model: Artifact) -> str:
    """The model card on one line."""
    return " ".join((model.folder / CARD_FILE).read_text(encoding="utf-8").split())


@pytest.fixture
def model(store: Store) -> Artifact:
    """Trained on a to f, held out are v, w and s, t."""
    return trained(store, split("abcdef", "vw", "st"))


def test_a_model_records_whom_it_was_trained_on_by_hashes_alone(model: Artifact) -> None:
    record = read_people(model.folder)
    assert record.hashes == {hash_of(person, "photographs") for person in "abcdef"}
    assert record.complete
    assert (model.facts["trained_on_held_out"], model.facts["held_out_unknown"]) == (0, False)
    assert "too good" not in card_of(model)
    assert set(json.loads((model.folder / PEOPLE_FILE).read_text())) == {"complete", "people"}


@pytest.mark.parametrize("people", [("abcde", "vf", "st"), ("abcde", "vw", "fs")])
def test_a_start_that_was_trained_on_people_held_out_here_is_refused_before_training(
    store: Store, model: Artifact, people: tuple[str, str, str]
) -> None:
    crops = publish_crops_of(store, split(*people))
    with pytest.raises(HeldOutError, match="trained on 1 of the people who are held out"):
        make_model(store, crops, tiny(start=model.version), run=lambda job: pytest.fail("it trains"))


def test_a_leak_that_is_allowed_is_recorded_and_reported(store: Store, model: Artifact) -> None:
    leaked = trained(store, split("abcd", "ve", "fs"), model.version, allow_leak=True)
    assert (leaked.facts["trained_on_held_out"], leaked.facts["held_out_unknown"]) == (2, False)
    assert "2 of the people held out were trained on" in card_of(leaked)
    with pytest.raises(HeldOutError):  # although it is made already
        trained(store, split("abcd", "ve", "fs"), model.version)


def test_permission_to_leak_does_not_change_a_model_that_does_not(store: Store, model: Artifact) -> None:
    people = split("abcdefg", "vw", "st")
    careful = trained(store, people, model.version)
    assert trained(store, people, model.version, allow_leak=True).version == careful.version
    assert careful.facts["trained_on_held_out"] == 0


def test_people_of_the_start_of_a_start_count_too(store: Store, model: Artifact) -> None:
    second = trained(store, split("ghij", "vw", "st"), model.version)
    assert read_people(second.folder).hashes >= read_people(model.folder).hashes
    with pytest.raises(HeldOutError):
        trained(store, split("ghij", "vw", "as"), second.version)


def test_a_start_without_a_record_makes_the_people_unknown_and_so_does_the_start_of_a_start(
    store: Store,
) -> None:
    imported = publish_model(store, networks=tiny().networks())
    assert not (imported.folder / PEOPLE_FILE).exists()
    people = split("abcdef", "vw", "st")
    first = trained(store, people, imported.version)
    second = trained(store, people, first.version)
    for made in (first, second):
        assert (made.facts["trained_on_held_out"], made.facts["held_out_unknown"]) == (0, True)
        assert "It is not known whom" in card_of(made)


def test_synthetic_people_are_not_photographed_people_of_the_same_names(store: Store) -> None:
    synthetic = trained(store, split("abcdef", "vw", "st"), population="synthetic-0")
    others = trained(store, split("vwst", "ab", "cd"), synthetic.version)
    assert (others.facts["trained_on_held_out"], others.facts["held_out_unknown"]) == (0, False)
    with pytest.raises(HeldOutError):
        trained(store, split("vwst", "ab", "cd"), synthetic.version, population="synthetic-0")


def test_a_packed_model_keeps_the_record(store: Store, model: Artifact) -> None:
    packed = pack(store, model.version, store.home / "packed")
    assert read_people(packed.folder) == read_people(model.folder)


def test_a_damaged_record_is_a_typed_error(store: Store, model: Artifact) -> None:
    (model.folder / PEOPLE_FILE).write_text("[]")
    with pytest.raises(CheckpointError, match="cannot be read"):
        read_people(model.folder)


def test_a_set_that_grows_can_be_fine_tuned_on_without_a_leak(store: Store) -> None:
    """A prefix of a ranking would move people who were trained on to those held out."""
    before, after = (
        assign_people({f"{number:07d}" for number in range(count)}, CropConfig()) for count in (113, 190)
    )
    first = make_model(store, publish_crops_of(store, before, each=1), tiny())
    grown = publish_crops_of(store, after, each=1)
    assert held_out_overlap(store, first, grown) == HeldOutOverlap(0, unknown=False)
    assert len(read_people(first.folder).hashes) == len(before.train)
    make_model(store, grown, tiny(start=first.version), run=lambda job: {})  # is not refused


def test_validation_chooses_and_calibrates_and_test_sets_the_floor(store: Store) -> None:
    crops = publish_crops_of(store, split("abcdef", "vw", "rst"))
    model = make_model(store, crops, tiny())
    assert read_metrics(model.folder)["score_report"]["n_real"] == 8
    config = ReferenceConfig(extractor="efficientnet-lite0", floor_counts=[4, 8, 12], floor_repeats=2)
    reference = load_reference(make_reference(store, crops, config).folder)
    assert reference.n == 24
    expected = extract(load_extractor("efficientnet-lite0"), open_crops(crops).test)
    assert reference.holdout == pytest.approx(expected, abs=1e-4)
    assert [row.n for row in reference.floor] == [4, 8, 12]


def test_the_checkpoint_is_chosen_by_validation_alone(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[np.ndarray] = []

    class Selector(CheckpointSelector):
        def __init__(self, validation: np.ndarray, folder: Path) -> None:
            given.append(np.array(validation))
            super().__init__(validation, folder)

    monkeypatch.setattr(training_run, "CheckpointSelector", Selector)
    crops = publish_crops_of(store, split("abcdef", "vw", "rst"), each=3)
    make_model(store, crops, tiny())
    assert (given[0] == open_crops(crops).validation).all()
