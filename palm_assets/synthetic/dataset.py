"""Synthetic data sets on disk, in the layouts of the real ones: 11k Hands on Kaggle and a Roboflow export."""

from __future__ import annotations

import csv
from pathlib import Path

from palm_assets.errors import RequestError
from palm_assets.progress import Progress, no_progress
from palm_assets.synthetic.jobs import SPLITS, BoxesJob, HandsJob
from palm_assets.synthetic.render import check_request
from palm_assets.synthetic.worker_pool import run_job

COLUMNS = ("id", "age", "gender", "skinColor", "accessories", "nailPolish", "aspectOfHand", "imageName",
           "irregularities")  # fmt: skip
# Roboflow writes paths that are wrong relative to the file; ours are the same.
_DATA_YAML = "train: ../train/images\nval: ../valid/images\ntest: ../test/images\n\nnc: 1\nnames: ['palm']\n"


def write_kaggle_hands(
    folder: Path, *, photos: int, people: int, seed: int, size: int = 256, progress: Progress = no_progress
) -> None:
    """Write a set like Kaggle's ``shyambhu/hands-and-palm-images-dataset``.

    ``folder/Hands/Hands/Hand_0000001.jpg`` and so on, and ``folder/HandInfo.csv``, which is written last.
    About three photos in four are palmar. Photo ``i`` shows person ``i % people``; its bytes depend on
    ``(seed, i, people, size)`` alone.

    Args:
        folder: made if missing.
        photos: how many, at least 1.
        people: how many different people, 1 to ``photos``.
        seed: any integer of at least 0.
        size: pixels a side, 32 to 2048.
        progress: called as ``progress(done, total)`` after each photo.

    Raises:
        RequestError: a number out of range.
        DiskFullError: no room left in ``folder``.
    """
    check_request(seed, size)
    if photos < 1:
        raise RequestError("The set has no photos", where=f"photos={photos}", hint="Ask for at least 1.")
    if not 1 <= people <= photos:
        where, hint = f"people={people}, photos={photos}", "Ask for at least 1 person and 1 photo of each."
        raise RequestError("The number of people does not fit the number of photos", where=where, hint=hint)
    (folder / "Hands" / "Hands").mkdir(parents=True, exist_ok=True)
    rows = run_job(HandsJob(str(folder), photos, people, seed, size), progress)
    with (folder / "HandInfo.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(rows)


def write_yolo_export(
    folder: Path,
    *,
    train: int,
    valid: int,
    test: int,
    seed: int,
    size: int = 256,
    progress: Progress = no_progress,
) -> None:
    """Write a set like a Roboflow YOLOv11 export with the single class ``palm``.

    ``folder/{train,valid,test}/{images,labels}`` and ``folder/data.yaml``, which is written last. Palmar
    hands have one box; about one photo in seven shows no palm (no hand at all, or the back of one) and has
    an empty label file. Each person appears in one split only, and never in ``write_kaggle_hands``. The
    bytes of photo ``i`` of a split depend on ``(seed, split, i, size)`` alone.

    Args:
        folder: made if missing.
        train: photos to train on, at least 1.
        valid: photos to choose weights by, at least 1.
        test: photos to evaluate on, at least 1.
        seed: any integer of at least 0.
        size: pixels a side, 32 to 2048.
        progress: called as ``progress(done, total)`` after each photo.

    Raises:
        RequestError: a number out of range.
        DiskFullError: no room left in ``folder``.
    """
    check_request(seed, size)
    if min(train, valid, test) < 1:
        where = f"train={train}, valid={valid}, test={test}"
        raise RequestError("A split has no photos", where=where, hint="Ask for at least 1 in each.")
    for split in SPLITS:
        (folder / split / "images").mkdir(parents=True, exist_ok=True)
        (folder / split / "labels").mkdir(parents=True, exist_ok=True)
    run_job(BoxesJob(str(folder), train, valid, test, seed, size), progress)
    (folder / "data.yaml").write_text(_DATA_YAML, encoding="ascii")
