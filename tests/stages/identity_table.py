"""The table of all config fields in `docs/identity.md`: which belong to the identity of what a stage makes.

python -m tests.stages.identity_table > docs/identity.md
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args, get_origin

from pydantic import ValidationError

from palm_assets.crops.config import CropConfig
from palm_assets.detector.config import DetectorConfig
from palm_assets.evaluation.config import EvaluationConfig
from palm_assets.gan.config import GanConfig
from palm_assets.quality.config import ReferenceConfig
from palm_assets.sources.config import BoxesConfig, PhotosConfig
from palm_assets.stages.code_versions import CODE_VERSIONS
from palm_assets.store.artifacts import Kind
from palm_assets.store.identity import StageConfig, operational_fields, version_of

CONFIGS: Mapping[Kind, type[StageConfig]] = {
    "photos": PhotosConfig,
    "boxes": BoxesConfig,
    "detector": DetectorConfig,
    "crops": CropConfig,
    "models": GanConfig,
    "reference": ReferenceConfig,
    "evaluations": EvaluationConfig,
}
SOURCES: Mapping[str, dict[str, Any]] = {
    "synthetic": {"source": "synthetic"},
    "folder": {"source": "folder", "folder": "/somewhere"},
    "kaggle": {"source": "kaggle"},
}
OTHER_VALUES: Mapping[str, Any] = {
    "folder": "/elsewhere",
    "kaggle_set": "owner/other",
    "kaggle_version": 7,
    "aspects": ["dorsal"],
    "palm_classes": ["fist"],
    "loose_photos": "by_file_name",
    "augment": ["cutout"],
    "labels": ["aspect"],
    "floor_counts": [3],
    "weights": "/other.pth",
    "count": 9,
    "ray_address": "head:6379",
}
CONDITIONS: Mapping[tuple[Kind, str], str] = {
    ("photos", "loose_photos"): "a rendered set has a HandInfo.csv, which names the people",
    ("photos", "person_level"): "a rendered set has a HandInfo.csv, which names the people",
    ("photos", "seed"): "it is the seed of rendered photographs",
}
"""Why a field that is no part of the identity of some sources is none, beside `synthetic_*`."""
HERE = "tests/stages/test_identity.py"
MOVED = "tests/sources/test_identity.py::test_a_folder_that_was_moved_or_copied_is_the_same_version"
SAME_FILES = f"{HERE}::test_the_same_files_from_kaggle_are_the_same_version"
STRICTER = f"{HERE}::test_a_stricter_limit_refuses_what_was_made_before"
IRRELEVANT = f"{HERE}::test_what_concerns_another_source_changes_nothing"
RAY = "tests/crops/test_ray_engine.py::test_a_cluster_makes_the_same_version_and_the_same_bytes"
RAY_REFERENCE = (
    "tests/quality/test_ray_reference.py::test_a_cluster_makes_the_same_reference_though_a_node_is_killed"
)
PROOFS: Mapping[tuple[Kind, str], str] = {
    ("photos", "folder"): MOVED,
    ("photos", "kaggle_set"): SAME_FILES,
    ("photos", "kaggle_version"): SAME_FILES,
    ("photos", "max_set_aside"): STRICTER,
    ("boxes", "folder"): "tests/sources/test_identity.py::test_a_moved_export_is_the_same_version",
    ("boxes", "kaggle_set"): SAME_FILES,
    ("boxes", "kaggle_version"): SAME_FILES,
    ("boxes", "max_set_aside"): STRICTER,
    ("detector", "start"): f"{HERE}::test_a_detector_starts_from_the_content_of_a_file",
    ("crops", "batch"): "tests/crops/test_extraction.py::test_the_same_photos_give_the_same_bytes_whatever",
    ("crops", "shard_photos"): "tests/crops/test_shards.py::test_shards_of_any_size_give_the_same_bytes",
    ("crops", "engine"): RAY,
    ("crops", "ray_address"): RAY,
    ("reference", "engine"): RAY_REFERENCE,
    ("reference", "ray_address"): RAY_REFERENCE,
    ("reference", "shard_crops"): RAY_REFERENCE,
    ("models", "start"): "tests/stages/test_model.py::test_the_model_that_a_training_starts_from_is_one_of",
    (
        "models",
        "save_minutes",
    ): f"{HERE}::test_saving_more_often_trains_the_same_weights",
    (
        "models",
        "allow_leak",
    ): "tests/stages/test_held_out.py::test_permission_to_leak_does_not_change_a",
    ("models", "device"): f"{HERE}::test_random_numbers_come_from_the_cpu",
    (
        "reference",
        "weights",
    ): f"{HERE}::test_other_weights_of_an_extractor_make_another",
}
"""For each field that is not in the identity: the test that shows why it need not be."""
HEADER = """# Identity

An artifact's version is a hash of its kind, the versions of its inputs, the code version of its stage, and
those fields of its config that can change what is made. The table says which fields those are. It is made by

```bash
python -m tests.stages.identity_table > docs/identity.md
```

A field belongs to the identity unless its config declares it with `operational`
(`palm_assets/store/identity.py`). `tests/stages/test_identity.py` gives each field another value and compares
the versions. For a field that is not in the identity, the test in the last column shows that nothing is lost.

Beside the config, these contents are inputs, so that they are part of the version:

| stage | input | content |
|---|---|---|
| photos, boxes | `files` | names and contents of all files that are used, wherever they lie |
| detector | `start` | the file that training starts from, an architecture's name, or the starter's detector |
| crops | `starter` | with `hold_out: not_in_starter`, the version of the starter |
| models | `start` | the version of the model that training starts from |
| reference | `extractor` | digest of the extractor's weights and preprocessing |
| reference | `precision` | what the extractor computes in on this machine |
| evaluations | `model_files`, `reference_files` | digests of the weights and statistics that were evaluated |

Hardware is no part of a version of a model. A training with `precision: auto` is not repeated because the
store has moved to a machine with other hardware. Metrics, which are compared, name their precision. A model
that was lost and is trained again may therefore have other weights under its version: it is evaluated again,
and the gate refuses an evaluation of earlier files.
"""


@dataclass(frozen=True)
class Row:
    """One field of one stage; `sources` are those for which it is in the identity, if that depends on it."""

    kind: Kind
    field: str
    inside: bool
    sources: tuple[str, ...]
    reason: str
    proof: str


def bases(config_type: type[StageConfig]) -> dict[str, StageConfig]:
    """The configs in which each field is changed: one, or one for each kind of source."""
    if "source" in config_type.model_fields:
        return {name: config_type(**values) for name, values in SOURCES.items()}
    return {"": config_type()}


def with_another_value(base: StageConfig, name: str) -> StageConfig:
    """The config with another value of one field."""
    values = base.model_dump()
    for value in _candidates(type(base), name, values[name]):
        if value == values[name]:
            continue
        try:
            return type(base)(**{**values, **_needed_with(name, value), name: value})
        except ValidationError:
            continue
    raise AssertionError(f"give another value of {name} in OTHER_VALUES")


def belongs(kind: Kind, base: StageConfig, name: str) -> bool:
    """Whether another value of a field makes another version."""

    def version(config: StageConfig) -> str:
        return version_of(kind, {}, config, CODE_VERSIONS[kind])

    return version(base) != version(with_another_value(base, name))


def rows() -> Iterator[Row]:
    """One for each field of each stage."""
    for kind, config_type in CONFIGS.items():
        outside = operational_fields(config_type)
        for name in config_type.model_fields:
            sources = tuple(label for label, base in bases(config_type).items() if belongs(kind, base, name))
            some = sources if 0 < len(sources) < len(bases(config_type)) else ()
            reason = outside.get(name, "") or (CONDITIONS.get((kind, name), "") if some else "")
            proof = PROOFS.get((kind, name), IRRELEVANT if some else "")
            yield Row(kind, name, bool(sources), some, reason, proof)


def document() -> str:
    """The page with the table."""
    lines = [
        HEADER,
        "| stage | field | in the identity | why not, or when | shown by |",
        "|---|---|---|---|---|",
    ]
    for row in rows():
        inside = "no" if not row.inside else f"of {', '.join(row.sources)}" if row.sources else "yes"
        proof = f"`{row.proof.split('::')[1]}`" if row.proof else ""
        lines.append(f"| {row.kind} | `{row.field}` | {inside} | {row.reason} | {proof} |")
    return "\n".join(lines) + "\n"


def _candidates(config_type: type[StageConfig], name: str, value: Any) -> Iterator[Any]:
    if name in OTHER_VALUES:
        yield OTHER_VALUES[name]
    annotation = config_type.model_fields[name].annotation
    if get_origin(annotation) is Literal:
        yield from get_args(annotation)
    elif isinstance(value, bool):
        yield not value
    elif isinstance(value, int | float):
        yield from (value + 1, value * 2, value / 2, value + 4, value + 32, 0.1, 0.05)
    elif name == "start":
        yield from ("yolo11s.yaml", "starter")


def _needed_with(name: str, value: Any) -> dict[str, Any]:
    """What another value of the kind of source needs."""
    return SOURCES[value] if name == "source" else {}


if __name__ == "__main__":
    print(document(), end="")
