"""Where the paths of an export lead: never out of it by climbing, and to names in any composition."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path
from typing import Literal

import pytest
import yaml

from palm_assets.detector.boxes import read_export
from palm_assets.detector.export_files import find_export
from tests.detector.exports import COUNTS, write_export
from tests.helpers import save_picture

LEADS_THERE = {"train": "train/images", "val": "valid/images", "test": "test/images", "names": ["palm"]}


@pytest.mark.parametrize(
    "said", ["..", "../", "../..", "../../../../..", "/", "/..", "{parent}", "{parent}/."]
)
def test_a_split_never_leads_to_a_folder_that_the_export_lies_in(tmp_path: Path, said: str) -> None:
    """The whole disk would be searched for images."""
    root = write_export(tmp_path / "above" / "export")
    save_picture(tmp_path / "above" / "stray.jpg", seed=999)
    train = said.format(parent=root.parent)
    (root / "data.yaml").write_text(yaml.safe_dump({**LEADS_THERE, "train": train}))
    export = find_export(root)
    assert all(not os.path.isabs(image.path) for image in export.images["train"])  # noqa: PTH117


@pytest.mark.parametrize(("of_images", "of_labels"), [("NFD", "NFC"), ("NFC", "NFD")])
def test_names_that_macos_composes_otherwise_are_the_same_names(
    tmp_path: Path, of_images: Literal["NFC", "NFD"], of_labels: Literal["NFC", "NFD"]
) -> None:
    root = write_export(tmp_path)
    for folder, form in (("images", of_images), ("labels", of_labels)):
        for path in sorted(root.glob(f"*/{folder}/*")):
            path.rename(path.with_name(unicodedata.normalize(form, f"Андрей {path.name}")))
    boxes = read_export(root, max_set_aside=0)
    assert boxes.facts()["palms"] == COUNTS
    assert boxes.set_aside == ()


@pytest.mark.parametrize(
    "said", ["train\\images\\", "C:\\Users\\me\\train\\images", " train/images ", "train/images/*.jpg"]
)
def test_paths_as_people_write_them_lead_to_the_folder(tmp_path: Path, said: str) -> None:
    root = write_export(tmp_path, {**LEADS_THERE, "train": said})
    boxes = read_export(root, max_set_aside=0)
    assert boxes.facts()["palms"] == COUNTS
    assert boxes.set_aside == ()


@pytest.mark.parametrize("names", [{"nc": 1, "names": ["palm"]}, {"nc": 2, "names": {0: "palm"}}, {"nc": 1}])
def test_the_number_of_classes_may_stand_beside_their_names(tmp_path: Path, names: dict[str, object]) -> None:
    root = write_export(tmp_path, {name: LEADS_THERE[name] for name in ("train", "val", "test")} | names)
    assert read_export(root, max_set_aside=0).facts()["palms"] == COUNTS


@pytest.mark.parametrize("what", ["folder", "link to nowhere"])
def test_a_label_that_is_no_file_sets_its_image_aside(tmp_path: Path, what: str) -> None:
    root = write_export(tmp_path)
    label = root / "train" / "labels" / "0.txt"
    label.unlink()
    if what == "folder":
        label.mkdir()
    else:
        label.symlink_to("nowhere.txt")
    boxes = read_export(root)
    assert boxes.facts()["palms"] == {**COUNTS, "train": COUNTS["train"] - 1}
    assert [entry.path for entry in boxes.set_aside] == ["train/images/0.jpg"]
    assert boxes.set_aside[0].reason.startswith("its label cannot be read")
