"""A labeled export, read as exports are found in the wild."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from palm_assets.detector.boxes import BoxSet, read_box_set, read_export, write_box_set
from palm_assets.detector.ultralytics_layout import lay_out_for_ultralytics
from palm_assets.errors import DatasetError, SourceNotFoundError
from tests.helpers import below, save_picture

BOX = "0 0.5 0.5 0.25 0.5"
ROBOFLOW = {
    "train": "../train/images",
    "val": "../valid/images",
    "test": "../test/images",
    "nc": 1,
    "names": ["palm"],
}


def export(
    root: Path,
    description: object = ROBOFLOW,
    *,
    splits: dict[str, int] | None = None,
    label: str | None = BOX,
) -> Path:
    """A Roboflow export: `{train,valid,test}/{images,labels}`, and a data.yaml whose paths lead nowhere."""
    for number, (split, count) in enumerate((splits or {"train": 4, "valid": 2, "test": 2}).items()):
        for i in range(count):
            save_picture(root / split / "images" / f"hand_{i}_jpg.rf.ab12.jpg", seed=100 * number + i)
            if label is not None:
                path = root / split / "labels" / f"hand_{i}_jpg.rf.ab12.txt"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(label)
    (root / "data.yaml").write_text(yaml.safe_dump(description))
    return root


def counts(boxes: BoxSet) -> dict[str, int]:
    return boxes.facts()["images"]  # type: ignore[no-any-return]


# Where the images are


def test_roboflows_paths_that_lead_nowhere_are_followed_to_where_the_images_are(tmp_path: Path) -> None:
    boxes = read_export(export(tmp_path / "export"))
    assert counts(boxes) == {"train": 4, "valid": 2, "test": 2}
    assert boxes.palm_classes == ("palm",)
    assert boxes.set_aside == ()
    assert all(image.boxes == ((0.5, 0.5, 0.25, 0.5),) for image in boxes.images)
    assert all((boxes.root / image.path).is_file() for image in boxes.images)


def test_a_neighbor_that_the_paths_do_lead_to_is_not_mistaken_for_the_export(tmp_path: Path) -> None:
    export(tmp_path, splits={"train": 9})  # ../train/images exists, and is another set
    (tmp_path / "data.yaml").unlink()
    assert counts(read_export(export(tmp_path / "export")))["train"] == 4


def test_the_export_may_lie_deeper_and_be_reached_by_a_link(tmp_path: Path) -> None:
    export(tmp_path / "a" / "b" / "export")
    (tmp_path / "link").symlink_to(tmp_path / "a")
    assert counts(read_export(tmp_path / "link")) == {"train": 4, "valid": 2, "test": 2}


def test_the_other_common_layout_and_an_absolute_path_from_another_machine_are_read(tmp_path: Path) -> None:
    for split, count in {"train": 3, "val": 2, "test": 1}.items():
        for i in range(count):
            save_picture(tmp_path / "images" / split / f"{i}.png", seed=i)
            label = tmp_path / "labels" / split / f"{i}.txt"
            label.parent.mkdir(parents=True, exist_ok=True)
            label.write_text(BOX)
    (tmp_path / "data.yaml").write_text(
        yaml.safe_dump({"path": "/content/x", "train": "/content/x/images/train", "names": ["palm"]})
    )
    boxes = read_export(tmp_path)
    assert counts(boxes) == {"train": 3, "valid": 2, "test": 1}
    assert boxes.facts()["palms"] == {"train": 3, "valid": 2, "test": 1}


def test_labels_may_lie_beside_their_images(tmp_path: Path) -> None:
    for split in ("train", "valid", "test"):
        save_picture(tmp_path / split / "1.png")
        (tmp_path / split / "1.txt").write_text(BOX)
    (tmp_path / "data.yaml").write_text(
        yaml.safe_dump({"train": "train", "val": "valid", "test": "test", "names": ["palm"]})
    )
    assert read_export(tmp_path).facts()["palms"] == {"train": 1, "valid": 1, "test": 1}


def test_missing_splits_are_cut_from_the_training_split_the_same_way_each_time(tmp_path: Path) -> None:
    root = export(tmp_path, splits={"train": 20})
    boxes = read_export(root, seed=1)
    assert counts(boxes) == {"train": 14, "valid": 3, "test": 3}
    assert len({image.path for image in boxes.images}) == 20
    assert read_export(root, seed=1) == boxes
    assert read_export(root, seed=2) != boxes


def test_only_the_missing_split_is_cut(tmp_path: Path) -> None:
    boxes = read_export(export(tmp_path, splits={"train": 10, "test": 3}))
    assert counts(boxes) == {"train": 8, "valid": 2, "test": 3}
    assert all(image.path.startswith("test/") for image in boxes.of("test"))


def test_a_folder_named_for_two_splits_does_not_put_an_image_into_both(tmp_path: Path) -> None:
    root = export(tmp_path, {**ROBOFLOW, "val": "../train/images"}, splits={"train": 10, "test": 2})
    boxes = read_export(root)
    assert counts(boxes) == {"train": 8, "valid": 2, "test": 2}
    assert len({image.path for image in boxes.images}) == 12


# Which class is the palm


@pytest.mark.parametrize("names", [["palm"], {0: "palm"}, {"0": "palm"}, ["0"], ["Ладонь"]])
def test_the_only_class_is_the_palm_whatever_it_is_called(tmp_path: Path, names: object) -> None:
    boxes = read_export(export(tmp_path, {**ROBOFLOW, "names": names}))
    assert boxes.facts()["palms"] == {"train": 4, "valid": 2, "test": 2}


TWO = "0 0.2 0.2 0.1 0.1\n1 0.5 0.5 0.2 0.2\n2 0.7 0.7 0.3 0.3\n"


@pytest.mark.parametrize(
    ("names", "wanted", "width"),
    [
        (["face", "Open Palm", "fist"], None, 0.2),
        ({0: "face", 1: "fist", 2: "hand"}, None, 0.3),
        (["hand", "palm", "face"], None, 0.2),
        (["a", "b", "c"], "C", 0.3),
        (["palm", "hand", "face"], "hand", 0.2),
    ],
)
def test_among_several_classes_the_palm_is_chosen_by_name(
    tmp_path: Path, names: object, wanted: str | None, width: float
) -> None:
    root = export(tmp_path, {**ROBOFLOW, "names": names}, label=TWO)
    for image in read_export(root, palm_classes=[wanted] if wanted else []).images:
        assert [box[2] for box in image.boxes] == pytest.approx([width])


@pytest.mark.parametrize(
    ("names", "wanted"),
    [(["a", "b"], None), (["left palm", "right palm"], None), (["palm"], "nose"), ({}, None)],
)
def test_where_no_class_is_clearly_the_palm_the_error_says_which_there_are(
    tmp_path: Path, names: object, wanted: str | None
) -> None:
    with pytest.raises(DatasetError, match="palm_classes") as refused:
        read_export(export(tmp_path, {**ROBOFLOW, "names": names}), palm_classes=[wanted] if wanted else [])
    assert all(name in str(refused.value) for name in names)  # type: ignore[attr-defined]


# What a label says


def test_a_polygon_becomes_the_box_around_it(tmp_path: Path) -> None:
    root = export(tmp_path, label="0 0.2 0.3 0.6 0.1 0.4 0.9\n\n0 0.5 0.5 0.2 0.2\n")
    (first, second) = read_export(root).images[0].boxes
    assert first == pytest.approx((0.4, 0.5, 0.4, 0.8))
    assert second == pytest.approx((0.5, 0.5, 0.2, 0.2))


def test_a_box_that_reaches_beyond_the_image_is_clipped_and_one_without_area_dropped(
    tmp_path: Path,
) -> None:
    root = export(tmp_path, label="0 0.95 0.5 0.2 0.4\n0 0.5 0.5 0 0.2\n")
    (box,) = read_export(root).images[0].boxes
    assert box == pytest.approx((0.925, 0.5, 0.15, 0.4))


def test_an_image_without_a_label_file_is_an_image_without_a_palm(tmp_path: Path) -> None:
    root = export(tmp_path)
    (root / "train" / "labels" / "hand_0_jpg.rf.ab12.txt").unlink()
    (root / "train" / "labels" / "hand_1_jpg.rf.ab12.txt").write_text("")
    assert [len(image.boxes) for image in read_export(root).of("train")] == [0, 0, 1, 1]


def test_no_box_on_any_training_image_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="No training image has a box of palm"):
        read_export(export(tmp_path, label=None))


@pytest.mark.parametrize(
    "line",
    [
        "palm 0.5 0.5 0.2 0.2",
        "0 0.5 0.5 0.2",
        "0 0.1 0.2 0.3 0.4 0.5",
        "0 nan 0.5 0.2 0.2",
        "inf 0.5 0.5 0.2 0.2",
        "0 120 80 60 40",
        "\x00\x01\x02",
    ],
)
def test_a_broken_label_line_is_named_with_its_file(tmp_path: Path, line: str) -> None:
    root = export(tmp_path)
    path = root / "valid" / "labels" / "hand_1_jpg.rf.ab12.txt"
    path.write_text(f"{BOX}\n{line}\n")
    with pytest.raises(DatasetError, match=r"1 of 8 files are unusable .*not YOLO's") as refused:
        read_export(root)
    assert path.relative_to(root).as_posix() in str(refused.value)
    assert str(root) in str(refused.value)
    (entry,) = read_export(root, max_set_aside=0.2).set_aside
    assert entry.path == "valid/images/hand_1_jpg.rf.ab12.jpg"
    assert "line 2" in entry.reason


# No export at all


def test_no_folder_and_no_description_are_typed_errors(tmp_path: Path) -> None:
    with pytest.raises(SourceNotFoundError, match="no such folder"):
        read_export(tmp_path / "nowhere")
    with pytest.raises(SourceNotFoundError, match=r"data\.yaml"):
        read_export(tmp_path)


@pytest.mark.parametrize(
    "text", ["", "[1, 2]", "train: x", "names: 3", "names: {a: palm}", "names: []", "names: palm"]
)
def test_a_description_that_names_no_classes_is_a_typed_error(tmp_path: Path, text: str) -> None:
    export(tmp_path)
    (tmp_path / "data.yaml").write_text(text)
    with pytest.raises(DatasetError, match="does not name its classes"):
        read_export(tmp_path)


# Handing on


def test_a_set_is_read_as_it_was_written_and_its_images_must_be_there(tmp_path: Path) -> None:
    boxes = read_export(export(tmp_path / "export"))
    write_box_set(boxes, tmp_path)
    assert read_box_set(tmp_path, boxes.root) == boxes
    with pytest.raises(SourceNotFoundError, match="gone"):
        read_box_set(tmp_path, tmp_path / "moved")


def test_the_layout_for_ultralytics_is_complete_and_leaves_the_export_untouched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    export(tmp_path / "export", label=f"{BOX}\n0 0.125 0.25 0.1 0.2\n")
    before = below(tmp_path / "export")
    monkeypatch.chdir(tmp_path)
    data = lay_out_for_ultralytics(read_export(Path("export")), Path("work") / "set")
    description = yaml.safe_load(data.read_text())
    assert description["names"] == {0: "palm"}
    for split, count in {"train": 4, "val": 2, "test": 2}.items():
        images = sorted((Path(description["path"]) / description[split]).iterdir())
        assert len(images) == count
        for image in images:
            assert image.resolve().is_relative_to(tmp_path / "export")
            assert image.is_file()
            label = image.parent.parent / "labels" / f"{image.stem}.txt"
            assert label.read_text().splitlines() == [
                "0 0.500000 0.500000 0.250000 0.500000",
                "0 0.125000 0.250000 0.100000 0.200000",
            ]
    assert below(tmp_path / "export") == before
