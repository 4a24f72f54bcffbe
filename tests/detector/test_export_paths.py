"""Where the paths of an export lead: never out of it by climbing, and to names in any composition."""

from __future__ import annotations

import io
import os
import shutil
import unicodedata
from pathlib import Path
from typing import Literal

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from palm_assets.detector.boxes import read_export
from palm_assets.detector.export_files import find_export
from palm_assets.errors import DatasetError
from tests.detector.exports import COUNTS, write_export, write_split
from tests.helpers import noise, save_picture

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


def test_images_that_no_split_leads_to_are_listed_but_no_faults(tmp_path: Path) -> None:
    root = write_export(tmp_path / "export")
    write_split(root, "more/images", "more/labels", 2, seed=700)
    save_picture(root / "results.png", seed=800)
    (root / "again").symlink_to(root / "train", target_is_directory=True)
    boxes = read_export(root, max_set_aside=0)
    assert boxes.facts()["palms"] == COUNTS
    assert {
        entry.path: entry.reason for entry in boxes.set_aside if "images" in entry.path or "png" in entry.path
    } == dict.fromkeys(("more/images/0.jpg", "more/images/1.jpg", "results.png"), "in no split of the export")


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.sampled_from(["train/images", "part 2/images", "val", "flat", "Valid/Images"]), unique=True),
    st.lists(st.sampled_from(["0.jpg", "1.PNG", "2", "3.heic", "4.cr2", "5.txt", "._0.jpg"]), unique=True),
    st.sampled_from(["train/images", ["train/images", "part 2/images"], "flat", "."]),
)
def test_every_image_of_an_export_is_used_or_set_aside(
    tmp_path: Path, folders: list[str], names: list[str], train: object
) -> None:
    root = tmp_path / "export"
    shutil.rmtree(root, ignore_errors=True)
    write_split(root, "train/images", "train/labels", 2, seed=0)
    (root / "data.yaml").write_text(yaml.safe_dump({"train": train, "names": ["palm"]}))
    for number, folder in enumerate(folders):
        (root / folder).mkdir(parents=True, exist_ok=True)
        for name in names:
            stream = io.BytesIO()
            Image.fromarray(noise(seed=number)).save(stream, "PNG")
            (root / folder / name).write_bytes(stream.getvalue())
    try:
        boxes = read_export(root, max_set_aside=1)
    except DatasetError:  # not one label where the description leads
        return
    used, listed = {image.path for image in boxes.images}, {entry.path for entry in boxes.set_aside}
    assert not used & listed
    for folder in folders:
        for name in names:
            assert (f"{folder}/{name}" in used | listed) == (name != "._0.jpg")
