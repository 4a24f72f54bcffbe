import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from palm_assets.errors import CheckpointError, ConfigError, DatasetError, PalmError, SourceNotFoundError
from palm_assets.gan.config import GanConfig
from palm_assets.release.run_config import CONFIGS, check_run
from palm_assets.store.artifacts import Store
from tests.helpers import save_picture


def refusal(store: Store, gate: dict[str, Any] | None = None, **configs: dict[str, Any]) -> PalmError:
    every = {name: configs.get(name, {}) for name in CONFIGS}
    with pytest.raises(PalmError) as refused:
        check_run(store, every, gate or {})
    assert "\n" not in str(refused.value)
    return refused.value


def test_the_defaults_of_a_whole_run_are_usable(store: Store) -> None:
    check_run(store, {name: {} for name in CONFIGS}, {})


@pytest.mark.parametrize(
    ("configs", "named"),
    [
        ({"palm_evaluation": {"count": 1}}, "`palm_evaluation.count` cannot be 1"),
        ({"dcgan_checkpoint": {"image_size": 48}}, "dcgan_checkpoint is not usable: image_size"),
        ({"dcgan_checkpoint": {"image_size": 128}}, "`cropped_palms.image_size` is 64"),
        ({"cropped_palms": {"image_size": 128}}, "`dcgan_checkpoint.image_size` is 64"),
        ({"dcgan_checkpoint": {"batch": 0}}, "`dcgan_checkpoint.batch` cannot be 0"),
        ({"dcgan_checkpoint": {"kimg": float("nan")}}, "`dcgan_checkpoint.kimg`"),
        ({"dcgan_checkpoint": {"augment": ["blur"]}}, "`dcgan_checkpoint.augment`"),
        ({"dcgan_checkpoint": {"lerning_rate": 1}}, "dcgan_checkpoint has no setting `lerning_rate`"),
        ({"palm_detector": {"image_size": 100}}, "`palm_detector.image_size` cannot be 100"),
        ({"palm_detector": {"start": "/nowhere/best.pt"}}, "`palm_detector.start`"),
        ({"fid_reference": {"weights": "/nowhere/inception.pth"}}, "`fid_reference.weights`"),
        ({"fid_reference": {"floor_repeats": 1}}, "`fid_reference.floor_repeats`"),
        ({"cropped_palms": {"test_share": 0.6, "validation_share": 0.6}}, "validation_share and test_share"),
        ({"raw_hands": {"synthetic_people": 2000}}, "synthetic_people is larger than synthetic_photos"),
        ({"raw_hands": {"source": "disk"}}, "`raw_hands.source` cannot be 'disk'"),
        ({"raw_hands": {"folder": {"env": "PALM_NO_SUCH"}}}, "PALM_NO_SUCH"),
    ],
)
def test_a_value_that_some_step_would_refuse_is_named_before_the_first(
    store: Store, configs: dict[str, dict[str, Any]], named: str
) -> None:
    error = refusal(store, **configs)
    assert isinstance(error, ConfigError)
    assert named in str(error)


@pytest.mark.parametrize(
    ("gate", "configs", "named"),
    [
        ({}, {"palm_evaluation": {"count": 50}}, ("`palm_evaluation.count` is 50", "`min_count` is 100")),
        ({}, {"palm_evaluation": {"sets": 2}}, ("`palm_evaluation.sets` is 2", "`min_sets` is 4")),
        ({}, {"raw_hands": {"synthetic_photos": 40, "synthetic_people": 8}}, ("40 photos", "`min_photos`")),
        ({"min_people": 200}, {}, ("160 people", "`min_people` is 200")),
        ({"min_people": 1}, {}, ("`gate.min_people` cannot be 1",)),
        ({"min_faces": 1}, {}, ("gate has no setting `min_faces`",)),
    ],
)
def test_what_the_gate_would_refuse_for_certain_is_reported_first(
    store: Store, gate: dict[str, Any], configs: dict[str, dict[str, Any]], named: tuple[str, ...]
) -> None:
    message = str(refusal(store, gate, **configs))
    assert all(part in message for part in named), message


def test_only_the_steps_of_the_run_are_checked(store: Store) -> None:
    check_run(store, {"dcgan_checkpoint": {"image_size": 128}}, {})
    check_run(store, {"raw_palm_boxes": {}, "palm_detector": {}}, {"min_photos": 10**6})


def test_the_folder_of_photographs_is_looked_into(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hands = tmp_path / "hands"
    monkeypatch.setenv("PALM_HANDS", str(hands))
    configs: dict[str, dict[str, Any]] = {"raw_hands": {"source": "folder", "folder": {"env": "PALM_HANDS"}}}
    with pytest.raises(SourceNotFoundError, match="no such folder"):
        check_run(store, configs, {})
    for number in range(3):
        save_picture(hands / f"person{number}" / "1.jpg", seed=number)
    with pytest.raises(ConfigError, match=r"hands\)` has 3 photos, but the gate's `min_photos` is 100"):
        check_run(store, configs, {})
    check_run(store, configs, {"min_photos": 3})


def test_the_export_of_labeled_palms_is_looked_for(store: Store, tmp_path: Path) -> None:
    (tmp_path / "export").mkdir()
    configs = {"raw_palm_boxes": {"source": "folder", "folder": str(tmp_path / "export")}}
    with pytest.raises((SourceNotFoundError, DatasetError), match=r"data\.yaml"):
        check_run(store, configs, {})


def test_a_model_to_start_from_must_exist_and_fit(store: Store, publish_model: Any) -> None:
    message = str(refusal(store, dcgan_checkpoint={"start": "0123456789ab"}))
    assert "0123456789ab" in message
    small = publish_model()
    with pytest.raises(CheckpointError, match="cannot start from a model of image_size"):
        check_run(store, {"dcgan_checkpoint": {"start": small.version}}, {})


NUMBERS = [
    (asset, name)
    for asset, kind in CONFIGS.items()
    for name, field in kind.model_fields.items()
    if field.annotation in (int, float)
]


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(NUMBERS), st.sampled_from([-1, -(10**9), "many", [], None, float("inf")]))
def test_no_number_of_any_step_can_be_nonsense(knob: tuple[str, str], value: Any) -> None:
    asset, name = knob
    if value == float("inf") and asset != "dcgan_checkpoint":
        value = "inf-inite"
    message = str(refusal(Store(Path("/nonexistent")), **{asset: {name: value}}))
    assert f"{asset}.{name}" in message or name in message


def test_every_config_of_the_pipeline_is_known() -> None:
    assert CONFIGS["dcgan_checkpoint"] is GanConfig


def test_bounds_of_another_origin_are_not_those_that_a_run_is_held_to(store: Store, tmp_path: Path) -> None:
    """The sample's bounds, with a folder of photographs named in the launchpad."""
    bounds = {"applies_to": "synthetic", "min_photos": 2, "min_people": 2, "min_count": 50}
    few = {"synthetic_photos": 20, "synthetic_people": 4}
    check_run(store, {"raw_hands": few, "palm_evaluation": {"count": 50}}, bounds)
    check_run(store, {"palm_evaluation": {"count": 50}}, bounds)  # of photographs that are not known here
    picture = save_picture(tmp_path / "hands" / "0.png")
    for number in range(1, 99):
        shutil.copy(picture, picture.with_name(f"{number}.png"))
    folder = {"source": "folder", "folder": str(tmp_path / "hands")}
    with pytest.raises(ConfigError, match="the gate's `min_photos` is 100"):
        check_run(store, {"raw_hands": folder}, bounds)
    shutil.copy(picture, picture.with_name("99.png"))
    with pytest.raises(ConfigError, match="the gate's `min_count` is 100"):
        check_run(store, {"raw_hands": folder, "palm_evaluation": {"count": 50}}, bounds)
