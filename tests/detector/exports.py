"""YOLO exports made for tests."""

from __future__ import annotations

from pathlib import Path

import yaml

from tests.helpers import save_picture

BOX = "0 0.5 0.5 0.4 0.6"
COUNTS = {"train": 6, "valid": 2, "test": 2}


def write_split(
    root: Path,
    images: str,
    labels: str,
    count: int,
    *,
    seed: int,
    label: str | None = BOX,
    suffix: str = ".txt",
) -> None:
    """`count` images in one folder and their labels in another."""
    (root / labels).mkdir(parents=True, exist_ok=True)
    for number in range(count):
        save_picture(root / images / f"{number}.jpg", seed=seed + number)
        if label is not None:
            (root / labels / f"{number}{suffix}").write_text(label)


def write_export(
    root: Path, description: dict[str, object] | None = None, *, name: str = "data.yaml", label: str = BOX
) -> Path:
    """`{train,valid,test}/{images,labels}` and a description that leads there."""
    for number, (split, count) in enumerate(COUNTS.items()):
        write_split(root, f"{split}/images", f"{split}/labels", count, seed=100 * number, label=label)
    says = {"train": "train/images", "val": "valid/images", "test": "test/images", "names": ["palm"]}
    (root / name).write_text(yaml.safe_dump(says if description is None else description))
    return root
