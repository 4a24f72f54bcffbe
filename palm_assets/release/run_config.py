"""Checks the config of a whole run before its first step, so that no hours are spent on a run that must fail.

Each step checks its own config and input again; here is what can be known before any of them has run.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from palm_assets.crops.config import CropConfig
from palm_assets.detector.config import DetectorConfig
from palm_assets.detector.export_files import find_export
from palm_assets.errors import ConfigError
from palm_assets.evaluation.config import EvaluationConfig
from palm_assets.gan.config import GanConfig
from palm_assets.photos.candidates import find_candidates
from palm_assets.quality.config import ReferenceConfig
from palm_assets.release.config import GateConfig
from palm_assets.sources.config import BoxesConfig, PhotosConfig, SourceConfig
from palm_assets.stages.start_model import open_start_model
from palm_assets.store.artifacts import Store
from palm_assets.store.origins import Origin, origin_of

CONFIGS: dict[str, type[BaseModel]] = {
    "raw_hands": PhotosConfig,
    "raw_palm_boxes": BoxesConfig,
    "palm_detector": DetectorConfig,
    "cropped_palms": CropConfig,
    "dcgan_checkpoint": GanConfig,
    "fid_reference": ReferenceConfig,
    "palm_evaluation": EvaluationConfig,
}
"""Type of the config of each asset."""
GATE = "gate"

Config = TypeVar("Config", bound=BaseModel)


def check_run(store: Store, configs: Mapping[str, Mapping[str, Any]], gate: Mapping[str, Any]) -> None:
    """Refuse a run that cannot succeed, whatever its steps make.

    Args:
        store: of the run; a model to start from is looked up there.
        configs: config of each asset that the run makes, as it was written; {} for the defaults. A value
            `{"env": NAME}` is that of an environment variable.
        gate: bounds of the release gate that differ from the defaults.

    Raises:
        ConfigError: a value is not allowed, or two contradict each other; the message names the setting.
        ArtifactMissingError, ArtifactCorruptError, CheckpointError: the model to start from cannot be used.
        SourceNotFoundError, DatasetError: the folder of a source does not exist, or is none.
    """
    parsed: dict[str, Any] = {
        name: parse_config(name, kind, configs[name]) for name, kind in CONFIGS.items() if name in configs
    }
    bounds = parse_config(GATE, GateConfig, gate)
    crops, gan = parsed.get("cropped_palms"), parsed.get("dcgan_checkpoint")
    if crops is not None and gan is not None:
        _check_sizes(crops, gan)
    if "palm_detector" in parsed:
        _check_file("palm_detector.start", _local(parsed["palm_detector"].start))
    if "fid_reference" in parsed:
        _check_file("fid_reference.weights", parsed["fid_reference"].weights)
    photos = parsed.get("raw_hands")
    if gan is not None:
        _check_training(store, gan)
    if "raw_palm_boxes" in parsed:
        _check_boxes(parsed["raw_palm_boxes"])
    if photos is not None:
        _check_photos(photos, bounds.for_origin(_origin(store, photos)))
    if "palm_evaluation" in parsed:
        # Without photographs, the origin is not known yet: the gate applies the bounds for it.
        applied = bounds if photos is None else bounds.for_origin(_origin(store, photos, gan))
        _check_evaluation(parsed["palm_evaluation"], applied)


def parse_config(name: str, kind: type[Config], values: Mapping[str, Any]) -> Config:
    """Validate the config of an asset or resource.

    Raises:
        ConfigError: about the first value that is not allowed, with the setting's name, what is allowed, and
            what the setting is.
    """
    try:
        return kind.model_validate({key: _resolved(name, key, value) for key, value in values.items()})
    except ValidationError as error:
        raise config_error(name, kind, error) from None


def config_error(name: str, kind: type[BaseModel], error: ValidationError) -> ConfigError:
    """One line about the first value that pydantic refuses in the config of an asset or resource."""
    first = error.errors(include_url=False)[0]
    path = ".".join(str(part) for part in first["loc"])
    message = first["msg"].removeprefix("Value error, ")
    if not path:  # about several settings together; the message names them
        return ConfigError(f"The config of {name} is not usable: {message}", hint="Correct it.")
    if first["type"] == "extra_forbidden":
        known = ", ".join(kind.model_fields)
        return ConfigError(f"{name} has no setting `{path}`", hint=f"Its settings are {known}.")
    field = kind.model_fields.get(str(first["loc"][0]))
    description = "" if field is None or field.description is None else field.description.rstrip(".")
    return ConfigError(
        f"`{name}.{path}` cannot be {first['input']!r:.80}: {message[:1].lower()}{message[1:]}",
        hint=f"The setting: {description}." if description else "Change the value.",
    )


def _resolved(name: str, key: str, value: Any) -> Any:
    """The value itself, or that of the environment variable that it names."""
    match value:
        case {"env": str(variable)} if len(value) == 1:
            found = os.environ.get(variable)
            if not found:
                raise ConfigError(
                    f"`{name}.{key}` is the variable {variable}, which is not set", hint="Set it."
                )
            return found
    return value


def _check_sizes(crops: CropConfig, gan: GanConfig) -> None:
    if crops.image_size != gan.image_size:
        raise ConfigError(
            f"`cropped_palms.image_size` is {crops.image_size}, but `dcgan_checkpoint.image_size` is "
            f"{gan.image_size}",
            hint="The DCGAN trains on the crops as they are: set both to the same power of two.",
        )


def _origin(store: Store, photos: PhotosConfig, gan: GanConfig | None = None) -> Origin:
    """Of the photographs that a run indexes, or of the model that it trains on them."""
    if photos.source == "synthetic" or (gan is not None and origin_of(store.home, gan.start) == "synthetic"):
        return "synthetic"
    return "photographs"


def _check_evaluation(evaluation: EvaluationConfig, bounds: GateConfig) -> None:
    for setting, value, bound in (
        ("count", evaluation.count, bounds.min_count),
        ("sets", evaluation.sets, bounds.min_sets),
    ):
        if value is not None and value < bound:
            raise ConfigError(
                f"`palm_evaluation.{setting}` is {value}, but the gate's `min_{setting}` is {bound}",
                hint=f"No model would be released: raise `{setting}`, or lower `min_{setting}`.",
            )


def _check_training(store: Store, gan: GanConfig) -> None:
    start = open_start_model(store, gan.start)
    if start is None and gan.device != "cuda":
        return
    # These bring torch, which takes seconds.
    if gan.device == "cuda":
        import torch

        if not torch.cuda.is_available():
            raise ConfigError(
                "`dcgan_checkpoint.device` is cuda, but there is no CUDA device",
                hint="Set `device: auto` or `device: cpu`.",
            )
    if start is not None:
        from palm_assets.gan.checkpoint import read_networks
        from palm_assets.gan.warm_start import require_compatible

        require_compatible(read_networks(start.folder), gan.networks(), where=start.folder)


def _check_photos(photos: PhotosConfig, bounds: GateConfig) -> None:
    counts: dict[str, tuple[str, int]] = {}
    if photos.source == "synthetic":
        counts = {
            "min_photos": ("synthetic_photos", photos.synthetic_photos),
            "min_people": ("synthetic_people", photos.synthetic_people),
        }
    elif (folder := _folder(photos)) is not None:
        counts = {"min_photos": (f"folder ({folder})", len(find_candidates(folder).images))}
    for bound, (setting, value) in counts.items():
        least = getattr(bounds, bound)
        if value < least:
            what = bound.removeprefix("min_")
            raise ConfigError(
                f"`raw_hands.{setting}` has {value} {what}, but the gate's `{bound}` is {least}",
                hint=f"Use more {what}, or lower `{bound}` under `resources: {GATE}: config:`.",
            )


def _check_boxes(boxes: BoxesConfig) -> None:
    folder = _folder(boxes)
    if folder is not None:
        find_export(folder)


def _folder(config: SourceConfig) -> Path | None:
    """The folder of a source; None for another source, or for an archive, whose content is not known."""
    if config.source != "folder" or config.folder is None:
        return None
    folder = Path(config.folder).expanduser().absolute()
    return None if folder.is_file() else folder


def _check_file(setting: str, path: str | None) -> None:
    if path is not None and not Path(path).expanduser().is_file():
        raise ConfigError(f"The file that `{setting}` names does not exist", where=path, hint="Correct it.")


def _local(start: str) -> str | None:
    """A path of weights; None for a name that Ultralytics knows."""
    return start if os.sep in start else None
