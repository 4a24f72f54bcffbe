from pathlib import Path

import dagster as dg
import pytest
import torch
import yaml

from palm_assets.crops.config import CropConfig
from palm_assets.gan.checkpoint import load_networks
from palm_assets.gan.config import PUBLISHED_NETWORKS, GanConfig
from palm_assets.gan.networks import Discriminator, Generator
from palm_assets.gan.warm_start import start_from
from palm_assets.release import own_photographs
from palm_assets.release.config import GateConfig
from palm_assets.stages.code_versions import CODE_VERSIONS
from palm_assets.store.starter import STARTER
from pipelines import assets
from pipelines.definitions import definitions, defs

PRESETS = sorted(Path("pipelines/presets").glob("*.yaml"))

SPECS = {
    "raw_hands": ("photographs", set()),
    "raw_palm_boxes": ("photographs", set()),
    "palm_detector": ("detector", {"raw_palm_boxes"}),
    "cropped_palms": ("palms", {"raw_hands", "palm_detector"}),
    "dcgan_checkpoint": ("palms", {"cropped_palms"}),
    "fid_reference": ("quality", {"cropped_palms"}),
    "palm_evaluation": ("quality", {"dcgan_checkpoint", "fid_reference", "cropped_palms"}),
    "palm_release": ("release", {"dcgan_checkpoint", "fid_reference", "palm_evaluation"}),
}

KINDS = {
    "raw_hands": "photos",
    "raw_palm_boxes": "boxes",
    "palm_detector": "detector",
    "cropped_palms": "crops",
    "dcgan_checkpoint": "models",
    "fid_reference": "reference",
    "palm_evaluation": "evaluations",
}


def test_definitions_load() -> None:
    dg.Definitions.validate_loadable(defs)


def test_the_graph_has_these_assets_groups_and_dependencies() -> None:
    specs = {
        spec.key.to_user_string(): (spec.group_name, {dep.asset_key.to_user_string() for dep in spec.deps})
        for spec in defs.resolve_all_asset_specs()
    }
    assert specs == SPECS


def test_every_asset_has_a_description_an_owner_and_kinds() -> None:
    for spec in defs.resolve_all_asset_specs():
        assert spec.description
        assert spec.owners
        assert spec.kinds


def test_every_asset_has_the_code_version_of_its_artifacts() -> None:
    for name, kind in KINDS.items():
        spec = defs.resolve_assets_def(dg.AssetKey(name)).get_asset_spec()
        assert spec.code_version == CODE_VERSIONS[kind]


@pytest.mark.parametrize("preset", PRESETS, ids=lambda path: path.stem)
def test_every_preset_is_a_valid_run_config(preset: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PALM_HANDS", "/hands")
    monkeypatch.setenv("PALM_BOXES", "/boxes")
    job = defs.resolve_implicit_global_asset_job_def()
    assert dg.validate_run_config(job, yaml.safe_load(preset.read_text()))


def test_a_materialization_without_config_is_the_sample() -> None:
    config_types = {
        "raw_hands": assets.PhotosAssetConfig,
        "raw_palm_boxes": assets.BoxesAssetConfig,
        "palm_detector": assets.DetectorAssetConfig,
        "cropped_palms": assets.CropAssetConfig,
        "dcgan_checkpoint": assets.GanAssetConfig,
        "fid_reference": assets.ReferenceAssetConfig,
    }
    sample = yaml.safe_load(Path("pipelines/presets/sample.yaml").read_text())["ops"]
    assert sample.keys() == config_types.keys()
    for name, config_type in config_types.items():
        assert config_type(**sample[name]["config"]) == config_type(), name


@pytest.mark.parametrize("preset", PRESETS, ids=lambda path: path.stem)
def test_crops_and_networks_of_every_preset_have_one_size(preset: Path) -> None:
    ops = yaml.safe_load(preset.read_text())["ops"]
    sizes = {ops[name]["config"].get("image_size", 64) for name in ("cropped_palms", "dcgan_checkpoint")}
    assert len(sizes) == 1


def test_the_check_of_photographs_expects_what_the_preset_own_does() -> None:
    preset = yaml.safe_load(Path("pipelines/presets/own.yaml").read_text(encoding="utf-8"))
    configs = {name: values.get("config", {}) for name, values in preset["ops"].items()}
    assert CropConfig(**configs["cropped_palms"]) == own_photographs.CROPS
    assert GanConfig(**configs["dcgan_checkpoint"]) == own_photographs.TRAINING
    assert GateConfig(**preset["resources"]["gate"]["config"]) == own_photographs.BOUNDS


FINE_TUNING = [path for path in PRESETS if "start: starter" in path.read_text()]


@pytest.mark.parametrize("preset", FINE_TUNING, ids=lambda path: path.stem)
def test_a_preset_that_fine_tunes_the_starter_has_its_networks(preset: Path) -> None:
    config = GanConfig(**yaml.safe_load(preset.read_text())["ops"]["dcgan_checkpoint"]["config"])
    generator, discriminator = Generator(config), Discriminator(config)
    start_from(STARTER, generator, discriminator, config.networks())
    wanted, _, _ = load_networks(STARTER)
    assert all(map(torch.equal, generator.state_dict().values(), wanted.state_dict().values()))


def test_the_published_preset_trains_the_published_architecture() -> None:
    preset = yaml.safe_load(Path("pipelines/presets/published.yaml").read_text())
    config = GanConfig(**preset["ops"]["dcgan_checkpoint"]["config"])
    assert config.networks() == PUBLISHED_NETWORKS


@pytest.mark.parametrize(
    ("config_type", "wrong"),
    [
        (assets.PhotosAssetConfig, {"aspects": ["sideways"]}),
        (assets.PhotosAssetConfig, {"source": "folder"}),
        (assets.PhotosAssetConfig, {"no_such_field": 1}),
        (assets.DetectorAssetConfig, {"start": "yolo11n"}),
        (assets.GanAssetConfig, {"image_size": 100}),
        (assets.GanAssetConfig, {"augment": ["sharpening"]}),
        (assets.CropAssetConfig, {"test_share": 1.5}),
    ],
)
def test_an_invalid_config_is_refused_with_the_name_of_the_field(
    config_type: type[dg.Config], wrong: dict[str, object]
) -> None:
    with pytest.raises(dg.Failure, match=next(iter(wrong))):
        config_type(**wrong)


def test_an_invalid_config_fails_a_run_before_anything_is_made(tmp_path: Path) -> None:
    job = definitions(tmp_path).resolve_implicit_global_asset_job_def()
    config = {"ops": {"raw_hands": {"config": {"aspects": ["sideways"]}}}}
    result = job.execute_in_process(
        run_config=config, asset_selection=[dg.AssetKey("raw_hands")], raise_on_error=False
    )
    assert not result.success
    assert not list(tmp_path.iterdir())


def test_every_preset_is_a_job_with_a_description() -> None:
    jobs = {job.name: job for job in defs.resolve_all_job_defs()}
    for preset in PRESETS:
        job = jobs[preset.stem.replace("-", "_")]
        assert {key.to_user_string() for key in job.asset_layer.executable_asset_keys} == set(SPECS)
        assert job.description
