"""The files of exports as they are found in the wild, compared with what Ultralytics reads."""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from palm_assets.detector.boxes import (
    BoxSet,
    LabeledImage,
    _with_all_splits,
    read_box_set,
    read_export,
    write_box_set,
)
from palm_assets.detector.export_files import export_fingerprint, find_export
from palm_assets.errors import DatasetError, PalmError, SourceNotFoundError
from tests.detector.exports import BOX, COUNTS, write_export, write_split
from tests.helpers import noise, save_picture
from tests.sources.users import nobody

__all__ = ["nobody"]

LEADS_THERE = {"train": "train/images", "val": "valid/images", "test": "test/images", "names": ["palm"]}


def palms(boxes: BoxSet) -> dict[str, int]:
    return boxes.facts()["palms"]  # type: ignore[no-any-return]


def reasons(boxes: BoxSet) -> dict[str, str]:
    return {entry.path: entry.reason for entry in boxes.set_aside}


# Litter, links, endings


def test_sidecars_of_macos_beside_images_and_labels_are_skipped(tmp_path: Path) -> None:
    root = write_export(tmp_path)
    fingerprint = export_fingerprint(root)
    for path in [*root.rglob("*.jpg"), *root.rglob("*.txt"), root / "data.yaml"]:
        path.with_name(f"._{path.name}").write_bytes(b"\x00\x05\x16\x07 Mac OS X")
    (root / "train" / "images" / ".DS_Store").write_bytes(b"x")
    boxes = read_export(root, max_set_aside=0)
    assert palms(boxes) == COUNTS
    assert boxes.set_aside == ()
    assert export_fingerprint(root) == fingerprint


def test_labels_that_end_in_capitals_are_labels(tmp_path: Path) -> None:
    root = write_export(tmp_path)
    for path in list(root.rglob("labels/*.txt"))[::2]:
        path.rename(path.with_suffix(".TXT"))
    assert palms(read_export(root, max_set_aside=0)) == COUNTS


@pytest.mark.parametrize("linked", ["train/images", "train/labels", "train", "valid/images"])
def test_a_folder_that_is_a_link_is_followed(tmp_path: Path, linked: str) -> None:
    root = write_export(tmp_path / "export")
    (tmp_path / "elsewhere").mkdir()
    (root / linked).rename(tmp_path / "elsewhere" / "it")
    (root / linked).symlink_to(tmp_path / "elsewhere" / "it")
    assert palms(read_export(root, max_set_aside=0)) == COUNTS


def test_dangling_and_damaged_images_are_set_aside_and_bounded(tmp_path: Path) -> None:
    root = write_export(tmp_path)
    (root / "train/images/0.jpg").unlink()
    (root / "train/images/0.jpg").symlink_to("/annex/0.jpg")
    (root / "train/images/1.jpg").write_bytes(b"text")
    save_picture(root / "train/images/2.jpg", noise(9, 40))
    boxes = read_export(root, max_set_aside=0.3)
    assert reasons(boxes) == {
        "train/images/0.jpg": "a link to a file that does not exist: /annex/0.jpg",
        "train/images/1.jpg": "not an image",
        "train/images/2.jpg": "smaller than 10 pixels: 9x40",
        "train/labels/0.txt": "a label without an image",
    }
    assert palms(boxes) == {"train": 3, "valid": 2, "test": 2}
    with pytest.raises(DatasetError, match="3 of 11 files are unusable") as refused:
        read_export(root)
    assert "max_set_aside" in refused.value.hint


def test_a_label_that_may_not_be_read_sets_its_image_aside(nobody: Path) -> None:
    root = write_export(nobody)
    (root / "train/labels/0.txt").chmod(0)
    assert reasons(read_export(root)) == {
        "train/images/0.jpg": "its label cannot be read: train/labels/0.txt, Permission denied"
    }


def test_labels_that_may_not_be_listed_are_never_taken_for_images_without_a_palm(nobody: Path) -> None:
    root = write_export(nobody)
    (root / "valid/labels").chmod(0)
    with pytest.raises(DatasetError, match="cannot be read: Permission denied") as refused:
        read_export(root)
    assert "valid/labels" in str(refused.value)
    (root / "valid/labels").chmod(0o755)


# Where the splits are


def test_a_split_may_name_several_folders(tmp_path: Path) -> None:
    root = write_export(tmp_path, {**LEADS_THERE, "train": ["train/images", "part2/images"]})
    write_split(root, "part2/images", "part2/labels", 6, seed=500)
    assert palms(read_export(root, max_set_aside=0)) == {**COUNTS, "train": 12}


def test_one_of_several_folders_that_is_not_there_is_reported(tmp_path: Path) -> None:
    root = write_export(tmp_path, {**LEADS_THERE, "train": ["train/images", "part2/images"]})
    boxes = read_export(root)
    assert reasons(boxes) == {"part2/images": "named by the export, but not there"}


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
@pytest.mark.parametrize("head", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("prefix", ["./images/", "images/", "/content/palms/images/", "images\\"])
def test_a_split_may_be_a_text_file_that_lists_its_images(
    tmp_path: Path, line_end: str, head: bytes, prefix: str
) -> None:
    for number, (split, count) in enumerate(COUNTS.items()):
        for i in range(count):
            save_picture(tmp_path / "images" / f"{split}{i}.jpg", seed=100 * number + i)
            (tmp_path / "labels").mkdir(exist_ok=True)
            (tmp_path / "labels" / f"{split}{i}.txt").write_text(BOX)
        lines = [f"{prefix}{split}{i}.jpg" for i in range(count)]
        (tmp_path / f"{split}.txt").write_bytes(head + (line_end.join(lines) + line_end * 2).encode())
    (tmp_path / "data.yaml").write_text(
        "path: .\ntrain: train.txt\nval: valid.txt\ntest: test.txt\nnames: [palm]\n"
    )
    assert palms(read_export(tmp_path, max_set_aside=0)) == COUNTS
    before = export_fingerprint(tmp_path)
    with (tmp_path / "train.txt").open("a") as stream:
        stream.write("./images/lost.jpg\n")
    assert reasons(read_export(tmp_path)) == {
        "./images/lost.jpg": "named by the export, but not there: train.txt"
    }
    assert export_fingerprint(tmp_path) != before


@pytest.mark.parametrize("path", ["palms", "./palms", "../datasets/palms", "/content/drive/palms", "PALMS"])
def test_the_root_that_path_names_is_found_wherever_it_was(tmp_path: Path, path: str) -> None:
    root = tmp_path / "export"
    write_export(root / "palms", LEADS_THERE)
    (root / "palms" / "data.yaml").unlink()
    (root / "data.yaml").write_text(yaml.safe_dump({**LEADS_THERE, "path": path}))
    assert palms(read_export(root, max_set_aside=0)) == COUNTS


def test_an_absolute_path_on_this_machine_is_followed_if_nothing_lies_nearer(tmp_path: Path) -> None:
    write_export(tmp_path / "data", LEADS_THERE)
    configs = tmp_path / "configs"
    configs.mkdir()
    (configs / "palms.yaml").write_text(yaml.safe_dump({**LEADS_THERE, "path": str(tmp_path / "data")}))
    boxes = read_export(configs, max_set_aside=0)
    assert palms(boxes) == COUNTS
    write_box_set(boxes, tmp_path)
    assert read_box_set(tmp_path, configs) == boxes
    before = export_fingerprint(configs)
    (tmp_path / "data/train/labels/0.txt").write_text("0 0.5 0.5 0.1 0.1")
    assert export_fingerprint(configs) != before
    write_export(configs, LEADS_THERE, name="palms.yaml")
    assert all(not os.path.isabs(image.path) for image in read_export(configs).images)  # noqa: PTH117


@pytest.mark.parametrize("name", ["palms.yaml", "dataset.yml", "DATA.YAML", "data.yml", "coco8.YML"])
def test_the_description_may_have_another_name(tmp_path: Path, name: str) -> None:
    root = write_export(tmp_path, name=name)
    (root / "hyp.yaml").write_text("lr0: 0.01\nnames: 3\n")
    assert palms(read_export(root, max_set_aside=0)) == COUNTS


def test_several_descriptions_without_a_usual_name_are_refused_by_name(tmp_path: Path) -> None:
    root = write_export(tmp_path, name="a.yaml")
    shutil.copy(root / "a.yaml", root / "b.yaml")
    with pytest.raises(DatasetError, match=r"a\.yaml, b\.yaml") as refused:
        read_export(root)
    assert "data.yaml" in refused.value.hint
    shutil.copy(root / "a.yaml", root / "data.yaml")
    assert palms(read_export(root)) == COUNTS


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_description_with_a_byte_order_mark_and_windows_line_ends_is_read(
    tmp_path: Path, encoding: str
) -> None:
    root = write_export(tmp_path)
    text = (root / "data.yaml").read_text().replace("\n", "\r\n").replace("palm", "ладонь")
    (root / "data.yaml").write_bytes(text.encode(encoding))
    assert read_export(root).palm_classes == ("ладонь",)


def test_a_description_that_only_counts_its_classes_is_read(tmp_path: Path) -> None:
    root = write_export(tmp_path, {**{k: v for k, v in LEADS_THERE.items() if k != "names"}, "nc": 1})
    assert read_export(root).palm_classes == ("class_0",)


def _bomb_of_aliases() -> str:
    """Two references to the line before, forty times over."""
    lines = ["b0: &b0 [x, x]"]
    lines += [f"b{n}: &b{n} [*b{n - 1}, *b{n - 1}]" for n in range(1, 40)]
    return "\n".join([*lines, "names: *b39", "train: x"])


@pytest.mark.parametrize(
    "text",
    [_bomb_of_aliases(), "[" * 5000, "names: {0: [a]}"],
    ids=["a bomb of aliases", "deep", "a name that is none"],
)
def test_hostile_descriptions_are_typed_errors(tmp_path: Path, text: str) -> None:
    (tmp_path / "data.yaml").write_text(text)
    with pytest.raises(DatasetError, match=r"does not name its classes|cannot be read as YAML"):
        read_export(tmp_path)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("names:\n\t- palm\n", "line 2"),
        ('names: [palm]\ntrain: "C:\\data\\images"\n', "escape"),
        ("names: [", "line 1"),
        ("\x00", "position 0"),
    ],
    ids=["a tab", "a quoted path of Windows", "cut off", "no text"],
)
def test_a_description_that_is_no_yaml_says_where(tmp_path: Path, text: str, place: str) -> None:
    (tmp_path / "data.yaml").write_text(text)
    with pytest.raises(DatasetError, match=f"cannot be read as YAML: .*{place}") as refused:
        read_export(tmp_path)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("images", "labels"),
    [("Images", "Labels"), ("IMAGES", "labels"), ("images", "LABELS"), ("Images/part", "Labels/part")],
)
@pytest.mark.parametrize("said", ["train/images", "../Train/Images", None])
def test_folders_in_another_case_are_found(
    tmp_path: Path, images: str, labels: str, said: str | None
) -> None:
    for number, (split, count) in enumerate(COUNTS.items()):
        write_split(tmp_path, f"{split}/{images}", f"{split}/{labels}", count, seed=100 * number)
    description = {key: value for key, value in LEADS_THERE.items() if key != "train" or said is not None}
    (tmp_path / "data.yaml").write_text(yaml.safe_dump({**description, **({"train": said} if said else {})}))
    assert palms(read_export(tmp_path, max_set_aside=0)) == COUNTS


@pytest.mark.parametrize("layout", ["images/{}", "Images/{}", "{}"])
def test_the_usual_folders_are_found_without_any_path(tmp_path: Path, layout: str) -> None:
    for number, (split, count) in enumerate({"train": 6, "val": 2, "test": 2}.items()):
        images = layout.format(split)
        write_split(tmp_path, images, images.lower().replace("images", "labels"), count, seed=100 * number)
    (tmp_path / "data.yaml").write_text("names: [palm]\n")
    assert palms(read_export(tmp_path, max_set_aside=0)) == COUNTS


def test_an_image_that_two_splits_list_is_in_the_first(tmp_path: Path) -> None:
    root = write_export(tmp_path, {**LEADS_THERE, "val": ["valid/images", "train/images/0.jpg"]})
    boxes = read_export(root)
    assert palms(boxes) == COUNTS
    assert len({image.path for image in boxes.images}) == len(boxes.images)


_SCALARS = st.one_of(
    st.none(),
    st.integers(),
    st.floats(),
    st.text(max_size=10),
    st.sampled_from(["/", "..", "a/" * 2000, "a/" * 3000, "a" * 300, "\0", "images"]),
)
_VALUES = st.recursive(
    _SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3)
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.dictionaries(st.sampled_from(["path", "train", "val", "test", "nc", "kpt_shape"]), _VALUES),
    st.one_of(st.just(["palm"]), _VALUES),
)
def test_any_description_is_read_or_a_typed_error(
    tmp_path: Path, content: dict[str, Any], names: object
) -> None:
    (tmp_path / "images").mkdir(exist_ok=True)
    (tmp_path / "data.yaml").write_text(yaml.safe_dump({**content, "names": names}))
    with contextlib.suppress(PalmError):
        find_export(tmp_path)


@pytest.mark.parametrize(
    "text", ["!!timestamp x", "!!int ''", "!!float x", "names: !!set 3", "? [a]\n: b", "&a *a"]
)
def test_descriptions_on_which_yaml_stumbles_are_typed_errors(tmp_path: Path, text: str) -> None:
    (tmp_path / "data.yaml").write_text(text)
    with pytest.raises(DatasetError, match=r"does not name its classes|cannot be read as YAML"):
        find_export(tmp_path)


# Splits without a box


def test_a_test_split_without_labels_counts_as_missing(tmp_path: Path) -> None:
    root = write_export(tmp_path)
    shutil.rmtree(root / "test" / "labels")
    boxes = read_export(root, max_set_aside=0)
    assert palms(boxes) == {"train": 5, "valid": 2, "test": 1}
    assert all(image.path.startswith("train/") for image in boxes.of("test"))
    assert reasons(boxes) == {f"test/images/{n}.jpg": "no palm in its whole split: test" for n in range(2)}


def test_a_validation_split_of_empty_labels_counts_as_missing(tmp_path: Path) -> None:
    root = write_export(tmp_path)
    for path in (root / "valid" / "labels").iterdir():
        path.write_text("\n")
    assert palms(read_export(root)) == {"train": 5, "valid": 1, "test": 2}


@given(st.integers(0, 1000), st.integers(3, 30), st.integers(0, 40))
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_is_cut_from_training_has_palms(seed: int, labeled: int, empty: int) -> None:
    box = ((0.5, 0.5, 0.1, 0.1),)
    images = [LabeledImage(str(n), "train", box if n < labeled else ()) for n in range(labeled + empty)]
    cut = BoxSet(Path(), tuple(_with_all_splits(images, seed)), ("palm",))
    assert all(count >= 1 for count in palms(cut).values())
    assert sorted(image.path for image in cut.images) == sorted(image.path for image in images)
    assert sum(palms(cut).values()) == labeled


# Classes


def test_several_classes_count_as_one_palm(tmp_path: Path) -> None:
    root = write_export(tmp_path, {**LEADS_THERE, "names": ["left_palm", "face", "right_palm"]})
    for number, path in enumerate(sorted(root.rglob("labels/*.txt"))):
        path.write_text(f"{2 * (number % 2)} 0.5 0.5 0.4 0.6\n1 0.2 0.2 0.1 0.1\n")
    boxes = read_export(root, palm_classes=["Left_Palm ", "right_palm"])
    assert palms(boxes) == COUNTS
    assert boxes.palm_classes == ("left_palm", "right_palm")
    with pytest.raises(DatasetError, match="left_palm, face, right_palm") as refused:
        read_export(root)
    assert "palm_classes: ['left_palm'" in refused.value.hint
    with pytest.raises(DatasetError, match="palm_classes"):
        read_export(root, palm_classes=["left_palm", "nose"])


def test_no_export_at_all_is_a_typed_error(tmp_path: Path) -> None:
    save_picture(tmp_path / "1.jpg")
    (tmp_path / "hyp.yaml").write_text("lr0: 1")
    for call in (find_export, export_fingerprint, read_export):
        with pytest.raises(SourceNotFoundError, match=r"data\.yaml"):
            call(tmp_path)  # type: ignore[operator]


def test_a_moved_export_is_the_same_and_a_changed_one_is_not(tmp_path: Path) -> None:
    write_export(tmp_path / "a")
    before = export_fingerprint(tmp_path / "a")
    (tmp_path / "a").rename(tmp_path / "b")
    root = tmp_path / "b"
    (root / "README.txt").write_text("not used")
    (root / "holiday.mp4").write_bytes(b"x")
    assert export_fingerprint(root) == before
    changes: list[Any] = [
        lambda: (root / "valid/labels/0.txt").write_text("0 0.5 0.5 0.1 0.1"),
        lambda: save_picture(root / "valid/images/0.jpg", seed=77),
        lambda: (root / "data.yaml").write_text((root / "data.yaml").read_text() + "\n"),
        lambda: (root / "test/labels/0.txt").unlink(),
    ]
    found = {before}
    for change in changes:
        change()
        found.add(export_fingerprint(root))
    assert len(found) == 5
