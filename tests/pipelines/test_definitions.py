import os
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import torch
import yaml
from pydantic import BaseModel

from palm_assets.crops.config import CropConfig
from palm_assets.gan.checkpoint import load_networks
from palm_assets.gan.config import PUBLISHED_NETWORKS, GanConfig
from palm_assets.gan.networks import Discriminator, Generator
from palm_assets.gan.warm_start import start_from
from palm_assets.release import own_photographs
from palm_assets.release.config import GateConfig
from palm_assets.release.retention import RetentionConfig
from palm_assets.release.run_config import CONFIGS
from palm_assets.stages.code_versions import CODE_VERSIONS
from palm_assets.store.starter import STARTER
from pipelines.automation import RetrainingSettings
from pipelines.definitions import definitions, defs
from pipelines.jobs import PRESETS as PRESETS_FOLDER
from pipelines.jobs import read_presets
from pipelines.launchpad import config_schema

PRESETS = sorted(Path("pipelines/presets").glob("*.yaml"))

SPECS = {
    "raw_hands": ("data", set()),
    "raw_palm_boxes": ("data", set()),
    "palm_detector": ("data", {"raw_palm_boxes"}),
    "cropped_palms": ("data", {"raw_hands", "palm_detector"}),
    "dcgan_checkpoint": ("model", {"cropped_palms"}),
    "fid_reference": ("model", {"cropped_palms"}),
    "palm_evaluation": ("model", {"dcgan_checkpoint", "fid_reference", "cropped_palms"}),
    "palm_release": ("model", {"dcgan_checkpoint", "fid_reference", "palm_evaluation"}),
    "page": ("model", {"palm_release"}),
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


def default_config(preset: str) -> dict[str, Any]:
    """The config of a run that is launched without one while this preset is in force."""
    job = definitions(
        Path("unused"), RetrainingSettings(preset=preset)
    ).resolve_implicit_global_asset_job_def()
    checked = dg.validate_run_config(job, {})
    assert checked is not None
    return {
        name: entry["config"] for section in ("ops", "resources") for name, entry in checked[section].items()
    }


@pytest.mark.parametrize("name", [path.stem for path in PRESETS])
def test_what_is_materialized_without_config_is_made_by_the_preset_in_force(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PALM_HANDS", "/hands")
    monkeypatch.setenv("PALM_BOXES", "/boxes")
    preset, config = read_presets(PRESETS_FOLDER)[name], default_config(name)
    for asset, config_type in CONFIGS.items():
        values = dict(preset.assets.get(asset, {}))
        values = {
            key: os.environ[value["env"]] if isinstance(value, dict) else value
            for key, value in values.items()
        }
        assert config_type(**config[asset]) == config_type(**values)
    assert GateConfig(**config["gate"]) == GateConfig(**preset.resources.get("gate", {}))


def test_a_folder_that_is_not_named_is_an_error_before_the_launch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PALM_HANDS", raising=False)
    monkeypatch.setenv("PALM_BOXES", "/boxes")
    with pytest.raises(dg.DagsterInvalidConfigError, match="PALM_HANDS"):
        default_config("local")


def test_a_job_has_its_own_preset_whichever_is_in_force(monkeypatch: pytest.MonkeyPatch) -> None:
    """Above all its gate: that of the sample is loose."""
    monkeypatch.setenv("PALM_HANDS", "/hands")
    monkeypatch.setenv("PALM_BOXES", "/boxes")
    presets = read_presets(PRESETS_FOLDER)
    for in_force in ("sample", "gpu-128"):
        defs_here = definitions(Path("unused"), RetrainingSettings(preset=in_force))
        for preset in presets.values():
            job = defs_here.resolve_job_def(preset.job)
            checked = dg.validate_run_config(job, preset.run_config(presets[in_force]))
            assert checked is not None
            gan = GanConfig(**checked["ops"]["dcgan_checkpoint"]["config"])
            assert gan == GanConfig(**preset.assets["dcgan_checkpoint"])
            gate = GateConfig(**checked["resources"]["gate"]["config"])
            assert gate == GateConfig(**preset.resources.get("gate", {}))


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
    ("asset", "wrong", "message"),
    [
        ("raw_hands", {"aspects": ["sideways"]}, "aspects must be some of palmar, dorsal, unknown"),
        ("raw_hands", {"source": "folder"}, "needs `folder`"),
        ("raw_hands", {"no_such_field": 1}, "no_such_field"),
        ("palm_detector", {"start": "yolo11n"}, "`palm_detector.start` cannot be 'yolo11n'"),
        (
            "palm_detector",
            {"image_size": 100},
            "`palm_detector.image_size` cannot be 100",
        ),
        (
            "dcgan_checkpoint",
            {"batch": 0},
            "`dcgan_checkpoint.batch` cannot be 0: input should be greater than or equal to 2",
        ),
        ("dcgan_checkpoint", {"image_size": 100}, "must be a power of two, not 100"),
        ("dcgan_checkpoint", {"augment": ["sharpening"]}, "augment must be some of"),
        ("dcgan_checkpoint", {"loss": "wasserstein"}, "loss"),
        ("cropped_palms", {"test_share": 1.5}, "`cropped_palms.test_share` cannot be 1.5"),
        (
            "palm_evaluation",
            {"count": 1},
            "`palm_evaluation.count` cannot be 1: input should be greater than or equal to 2",
        ),
    ],
)
def test_a_wrong_config_is_refused_before_the_launch(asset: str, wrong: dict[str, Any], message: str) -> None:
    job = defs.resolve_implicit_global_asset_job_def()
    with pytest.raises(dg.DagsterInvalidConfigError) as refused:
        dg.validate_run_config(job, {"ops": {asset: {"config": wrong}}})
    assert message in str(refused.value)


def test_wrong_bounds_of_the_gate_are_refused_before_the_launch() -> None:
    job = defs.resolve_implicit_global_asset_job_def()
    with pytest.raises(dg.DagsterInvalidConfigError, match=r"`gate\.max_blank` cannot be 2\.0"):
        dg.validate_run_config(job, {"resources": {"gate": {"config": {"max_blank": 2.0}}}})


def test_every_field_says_what_it_does_its_default_and_its_range() -> None:
    config_types: dict[str, type[BaseModel]] = {
        **CONFIGS,
        "gate": GateConfig,
        "retention": RetentionConfig,
    }
    for asset, config_type in config_types.items():
        fields = config_schema(asset, config_type).config_type.fields
        assert fields.keys() == config_type.model_fields.keys()
        for name, info in config_type.model_fields.items():
            described = fields[name].description
            assert info.description, f"{config_type.__name__}.{name}"
            assert described[0].isupper(), described
            assert ". Default: " in described
            numeric = any(kind in str(info.annotation) for kind in ("int", "float"))
            if numeric and "list" not in str(info.annotation):
                assert "Allowed: " in described, f"{config_type.__name__}.{name} has no range"


def test_the_seed_and_the_preset_are_tags_of_a_job() -> None:
    assert defs.resolve_job_def("local_256").tags.items() >= {"preset": "local-256", "seed": "0"}.items()


def test_the_page_is_below_the_release_and_names_its_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PALM_PAGE_URL", "https://palms.example")
    specs = {
        spec.key.to_user_string(): spec for spec in definitions(Path("unused")).resolve_all_asset_specs()
    }
    assert specs["page"].metadata["page"] == dg.MetadataValue.url("https://palms.example")


def test_the_kinds_of_the_sources_are_those_of_the_preset_in_force() -> None:
    for preset, kind in (("sample", "python"), ("local", "file"), ("kaggle", "kaggle")):
        here = definitions(Path("unused"), RetrainingSettings(preset=preset))
        specs = {spec.key.to_user_string(): spec for spec in here.resolve_all_asset_specs()}
        assert specs["raw_hands"].kinds == {kind, "jpeg"}


def test_each_asset_refers_to_its_lines_of_code(monkeypatch: pytest.MonkeyPatch) -> None:
    def references(here: dg.Definitions) -> list[Any]:
        specs = [here.resolve_assets_def(dg.AssetKey(name)).get_asset_spec() for name in CONFIGS]
        return [spec.metadata["dagster/code_references"].code_references[0] for spec in specs]

    for found in references(definitions(Path("unused"))):
        assert found.file_path.endswith("pipelines/assets.py")
        assert found.line_number > 1
    monkeypatch.setenv("PALM_SOURCE_URL", "https://github.com/me/palms")
    monkeypatch.setenv("PALM_SOURCE_REVISION", "v1")
    for found in references(definitions(Path("unused"))):
        assert found.url.startswith("https://github.com/me/palms/tree/v1/pipelines/assets.py#L")


def test_every_preset_is_a_job_with_a_description() -> None:
    jobs = {job.name: job for job in defs.resolve_all_job_defs()}
    for preset in PRESETS:
        job = jobs[preset.stem.replace("-", "_")]
        assert {key.to_user_string() for key in job.asset_layer.executable_asset_keys} == set(SPECS) - {
            "page"
        }
        assert job.description
