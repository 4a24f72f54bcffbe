"""Presets, run configs in files: each is a job, and the active one sets the launchpad's defaults."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import yaml

from palm_assets.errors import ConfigError
from palm_assets.release.config import GateConfig
from palm_assets.release.retention import RetentionConfig
from palm_assets.release.run_config import CONFIGS

PRESETS = Path(__file__).parent / "presets"
PRESET_TAG, SEED_TAG = "preset", "seed"
RESOURCE_TYPES = {"gate": GateConfig, "retention": RetentionConfig}
os.environ.setdefault("PALM_LOOSE_PHOTOS", "refuse")  # of the preset `own`; Dagster has no default of its own


@dataclass(frozen=True)
class Preset:
    """A run config with a name.

    Attributes:
        name: of its file.
        description: the comments at its beginning.
        config: the run config.
    """

    name: str
    description: str
    config: dict[str, Any]

    @property
    def job(self) -> str:
        """Name of its job."""
        return self.name.replace("-", "_")

    @property
    def assets(self) -> dict[str, dict[str, Any]]:
        """The values that it sets of each asset's config."""
        return {name: op.get("config", {}) for name, op in self.config.get("ops", {}).items()}

    @property
    def variables(self) -> list[str]:
        """The environment variables that it reads, each once, in its order."""
        return list(dict.fromkeys(_variables(self.config)))

    @property
    def resources(self) -> dict[str, dict[str, Any]]:
        """The values that it sets of each resource's config."""
        return {name: entry.get("config", {}) for name, entry in self.config.get("resources", {}).items()}

    def run_config(self, in_force: Preset) -> dict[str, Any]:
        """The run config that gives this preset's values while another preset's are the defaults.

        A field that only the other preset sets has the default of its type again.
        """
        ops = _complete(self.assets, in_force.assets, CONFIGS)
        resources = _complete(self.resources, in_force.resources, RESOURCE_TYPES)
        wrapped = {name: {"config": values} for name, values in ops.items()}
        return {
            **self.config,
            "ops": wrapped,
            "resources": {name: {"config": values} for name, values in resources.items()},
        }


def presets_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """The folder of presets: PALM_PRESETS, or those that come with the program."""
    return Path(environment.get("PALM_PRESETS") or PRESETS)


def read_presets(folder: Path) -> dict[str, Preset]:
    """The presets of a folder by name.

    Raises:
        ConfigError: one is no run config in YAML.
    """
    return {path.stem: _read(path) for path in sorted(folder.glob("*.yaml"))}


def preset_job(preset: Preset, in_force: Preset) -> dg.UnresolvedAssetJobDefinition:
    """A job that materializes all assets by a preset; its runs are tagged with preset and seed."""
    seed = preset.assets.get("dcgan_checkpoint", {}).get("seed", 0)
    return dg.define_asset_job(
        preset.job,
        selection=dg.AssetSelection.all(),
        config=preset.run_config(in_force),
        description=preset.description,
        tags={PRESET_TAG: preset.name, SEED_TAG: str(seed)},
    )


def _variables(config: object) -> Iterator[str]:
    match config:
        case {"env": str(name), **others} if not others:
            yield name
        case dict():
            for value in config.values():
                yield from _variables(value)


def _read(path: Path) -> Preset:
    text = path.read_text(encoding="utf-8")
    comments = [line[1:].strip() for line in text.splitlines() if line.startswith("#")]
    try:
        config = yaml.safe_load(text)
        problem = "" if isinstance(config, dict) else "it holds no settings"
    except yaml.YAMLError as error:
        problem = " ".join(str(error).split())
    if problem:
        raise ConfigError(
            f"The preset cannot be read: {problem}", where=path, hint="Correct it, or remove it."
        )
    return Preset(path.stem, " ".join(comments), config)


def _complete(
    values: Mapping[str, Mapping[str, Any]],
    defaults: Mapping[str, Mapping[str, Any]],
    types: Mapping[str, Any],
) -> dict[str, dict[str, Any]]:
    """The values, and for each field that has another default its type's."""
    found = {}
    for name in [*values, *(name for name in defaults if name not in values)]:
        fields = types[name].model_fields
        reset = {
            field: fields[field].get_default(call_default_factory=True) for field in defaults.get(name, {})
        }
        if filled := {**reset, **values.get(name, {})}:
            found[name] = filled
        elif name in values:
            found[name] = {}
    return found
