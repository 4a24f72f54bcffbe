"""The two layouts on disk."""

from __future__ import annotations

import csv
import errno
import hashlib
import os
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from palm_assets.errors import DiskFullError, RequestError
from palm_assets.synthetic import sample_person, worker_pool, write_kaggle_hands, write_yolo_export
from palm_assets.synthetic.jobs import BoxesJob, HandsJob

PHOTOS, PEOPLE = 72, 9


def hashes(folder: Path) -> dict[str, str]:
    files = sorted(p for p in folder.rglob("*") if p.is_file())
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


@pytest.fixture(scope="module")
def hands(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hands")
    write_kaggle_hands(folder, photos=PHOTOS, people=PEOPLE, seed=4, size=64)
    return folder


@pytest.fixture(scope="module")
def boxes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("boxes")
    write_yolo_export(folder, train=70, valid=12, test=10, seed=4, size=64)
    return folder


@pytest.fixture(scope="module")
def rows(hands: Path) -> list[dict[str, str]]:
    with (hands / "HandInfo.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_the_table_has_the_columns_and_words_of_11k_hands(rows: list[dict[str, str]]) -> None:
    header = "id,age,gender,skinColor,accessories,nailPolish,aspectOfHand,imageName,irregularities"
    assert list(rows[0]) == header.split(",")
    assert len(rows) == PHOTOS
    for row in rows:
        assert row["skinColor"] in {"very fair", "fair", "medium", "dark"}
        assert row["gender"] in {"female", "male"}
        assert row["aspectOfHand"] in {f"{a} {s}" for a in ("palmar", "dorsal") for s in ("left", "right")}
        assert {row["accessories"], row["nailPolish"], row["irregularities"]} <= {"0", "1"}
        assert 18 <= int(row["age"]) <= 75
        assert not (row["nailPolish"] == "1" and row["aspectOfHand"].startswith("palmar"))


def test_every_row_has_its_photo_and_every_photo_its_row(hands: Path, rows: list[dict[str, str]]) -> None:
    names = [row["imageName"] for row in rows]
    assert names[0] == "Hand_0000001.jpg"
    assert sorted(names) == sorted(p.name for p in (hands / "Hands" / "Hands").iterdir())
    for name in names[:5]:
        with Image.open(hands / "Hands" / "Hands" / name) as image:
            assert (image.format, image.mode, image.size) == ("JPEG", "RGB", (64, 64))


def test_every_person_has_several_photos_and_one_set_of_traits(rows: list[dict[str, str]]) -> None:
    people: dict[str, set[tuple[str, ...]]] = {}
    for row in rows:
        traits = (row["age"], row["gender"], row["skinColor"], row["accessories"])
        people.setdefault(row["id"], set()).add(traits)
    assert len(people) == PEOPLE
    assert all(len(traits) == 1 for traits in people.values())
    assert all(sum(row["id"] == person for row in rows) == PHOTOS // PEOPLE for person in people)


def test_about_three_quarters_are_palmar(rows: list[dict[str, str]]) -> None:
    share = np.mean([row["aspectOfHand"].startswith("palmar") for row in rows])
    assert 0.6 < share < 0.9


def test_the_bytes_depend_neither_on_the_number_of_photos_nor_on_the_number_of_processes(
    hands: Path, tmp_path: Path
) -> None:
    assert PHOTOS >= worker_pool.MIN_PHOTOS_FOR_WORKERS > 20, (
        "one set must be rendered in this process, the other by workers"
    )
    write_kaggle_hands(tmp_path, photos=20, people=PEOPLE, seed=4, size=64)
    few, many = hashes(tmp_path), hashes(hands)
    assert all(many[name] == value for name, value in few.items() if name.endswith(".jpg"))
    assert (hands / "HandInfo.csv").read_text().startswith((tmp_path / "HandInfo.csv").read_text())


def test_rendering_a_set_again_changes_no_byte(boxes: Path, tmp_path: Path) -> None:
    write_yolo_export(tmp_path, train=70, valid=12, test=10, seed=4, size=64)
    assert hashes(tmp_path) == hashes(boxes)


def test_the_export_reads_as_a_roboflow_one(boxes: Path) -> None:
    data = yaml.safe_load((boxes / "data.yaml").read_text())
    assert data["names"] == ["palm"]
    assert data["nc"] == 1
    assert (data["train"], data["val"], data["test"]) == tuple(
        f"../{split}/images" for split in ("train", "valid", "test")
    )
    for split, count in (("train", 70), ("valid", 12), ("test", 10)):
        images = {p.stem for p in (boxes / split / "images").glob("*.jpg")}
        labels = {p.stem for p in (boxes / split / "labels").glob("*.txt")}
        assert images == labels
        assert len(images) == count


def test_labels_are_empty_or_one_box_inside_the_image(boxes: Path) -> None:
    texts = [p.read_text() for p in sorted(boxes.glob("*/labels/*.txt"))]
    assert 0.02 < np.mean([text == "" for text in texts]) < 0.4
    for text in filter(None, texts):
        kind, x, y, w, h = text.split()
        assert kind == "0"
        assert min(float(w), float(h)) > 0.1
        assert float(x) - float(w) / 2 > -1e-5
        assert float(x) + float(w) / 2 < 1 + 1e-5
        assert float(y) - float(h) / 2 > -1e-5
        assert float(y) + float(h) / 2 < 1 + 1e-5


def test_splits_and_sets_share_no_photo(boxes: Path, hands: Path) -> None:
    images = [v for k, v in {**hashes(boxes), **hashes(hands)}.items() if k.endswith(".jpg")]
    assert len(images) == 70 + 12 + 10 + PHOTOS
    assert len(set(images)) == len(images)


def test_people_of_one_split_are_in_no_other(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    people: dict[str, set[str]] = {}
    for split, spec in {"train": (30, 1, 1), "valid": (1, 30, 1), "test": (1, 1, 30)}.items():
        ids: set[str] = set()

        def remember(seed: int, number: int, stream: int, into: set[str] = ids) -> object:
            person = sample_person(seed, number, stream=stream)
            into.add(person.id)
            return person

        monkeypatch.setattr("palm_assets.synthetic.jobs._person", remember)
        for name in ("train", "valid", "test"):
            (tmp_path / name / "images").mkdir(parents=True, exist_ok=True)
            (tmp_path / name / "labels").mkdir(parents=True, exist_ok=True)
        job = BoxesJob(str(tmp_path), *spec, seed=4, size=32)
        offset = {"train": 0, "valid": 1, "test": 2}[split]
        for i in range(offset, offset + 30):
            job.render(i)
        people[split] = ids
    assert all(len(ids) >= 4 for ids in people.values())
    assert not people["train"] & people["valid"]
    assert not people["train"] & people["test"]
    assert not people["valid"] & people["test"]


@pytest.mark.parametrize("photos", [3, worker_pool.MIN_PHOTOS_FOR_WORKERS + 1])
def test_progress_counts_every_photo_once(tmp_path: Path, photos: int) -> None:
    calls: list[tuple[int, int]] = []
    write_kaggle_hands(
        tmp_path,
        photos=photos,
        people=2,
        seed=0,
        size=32,
        progress=lambda done, total: calls.append((done, total)),
    )
    assert calls == [(n, photos) for n in range(1, photos + 1)]


@pytest.mark.parametrize(
    ("photos", "people", "size", "seed"),
    [
        (0, 0, 64, 0),
        (-4, 1, 64, 0),
        (5, 6, 64, 0),
        (5, 0, 64, 0),
        (5, 5, 31, 0),
        (5, 5, 4096, 0),
        (5, 5, 64, -1),
    ],
)
def test_sets_of_hands_out_of_range_are_refused_before_anything_is_written(
    tmp_path: Path, photos: int, people: int, size: int, seed: int
) -> None:
    with pytest.raises(RequestError):
        write_kaggle_hands(tmp_path / "x", photos=photos, people=people, seed=seed, size=size)
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("counts", [(0, 1, 1), (1, 0, 1), (1, 1, -1)])
def test_a_split_without_photos_is_refused(tmp_path: Path, counts: tuple[int, int, int]) -> None:
    with pytest.raises(RequestError):
        write_yolo_export(tmp_path / "x", train=counts[0], valid=counts[1], test=counts[2], seed=0)
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("photos", [2, worker_pool.MIN_PHOTOS_FOR_WORKERS + 1])
def test_a_full_disk_is_a_typed_error(tmp_path: Path, photos: int) -> None:
    if not os.access("/dev/full", os.W_OK):
        pytest.skip("this machine has no /dev/full")
    images = tmp_path / "Hands" / "Hands"
    images.mkdir(parents=True)
    (images / "Hand_0000002.jpg").symlink_to("/dev/full")
    with pytest.raises(DiskFullError) as caught:
        write_kaggle_hands(tmp_path, photos=photos, people=1, seed=0, size=32)
    assert caught.value.where is not None
    assert not (tmp_path / "HandInfo.csv").exists()


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "Hands" / "Hands" / "Hand_0000001.jpg").mkdir(parents=True)
    with pytest.raises(OSError, match="Hand_0000001") as caught:
        write_kaggle_hands(tmp_path, photos=worker_pool.MIN_PHOTOS_FOR_WORKERS, people=1, seed=0, size=32)
    assert caught.value.errno == errno.EISDIR


def test_stopping_half_way_leaves_no_child_and_no_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    children = []
    start = worker_pool.subprocess.Popen

    def remember(*args: object, **kwargs: object) -> object:
        children.append(start(*args, **kwargs))  # type: ignore[call-overload]
        return children[-1]

    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(worker_pool.subprocess, "Popen", remember)
    with pytest.raises(KeyboardInterrupt):
        write_kaggle_hands(tmp_path, photos=400, people=4, seed=0, size=64, progress=stop)
    assert children
    assert all(child.poll() is not None for child in children)
    assert len(list((tmp_path / "Hands" / "Hands").iterdir())) < 300
    assert not (tmp_path / "HandInfo.csv").exists()


def test_a_job_makes_the_same_photo_in_any_process(tmp_path: Path, hands: Path) -> None:
    (tmp_path / "Hands" / "Hands").mkdir(parents=True)
    row = HandsJob(str(tmp_path), PHOTOS, PEOPLE, 4, 64).render(70)
    name = str(row[7])
    assert (tmp_path / "Hands" / "Hands" / name).read_bytes() == (
        hands / "Hands" / "Hands" / name
    ).read_bytes()
