"""Images and labels of an export are those that Ultralytics itself finds."""

from __future__ import annotations

import shutil
import types
from pathlib import Path

import numpy as np
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from palm_assets.detector.boxes import read_box_set, read_export, write_box_set
from palm_assets.detector.export_files import find_export
from palm_assets.detector.ultralytics_layout import lay_out_for_ultralytics
from palm_assets.photos.reader import read_photo
from tests.detector.exports import BOX, write_export
from tests.helpers import save_picture
from tests.photos.icc import DISPLAY_P3, rgb_profile


def _ultralytics_images(places: list[str]) -> list[str]:
    from ultralytics.data.base import BaseDataset

    reader = types.SimpleNamespace(prefix="", fraction=1.0)
    return BaseDataset.get_img_files(reader, places)  # type: ignore[arg-type, no-any-return]


_FOLDERS = st.lists(
    st.sampled_from(["train/images", "a/images/deep", "b/images/images", "flat"]), min_size=1, unique=True
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(_FOLDERS, st.booleans(), st.data())
def test_images_and_labels_are_those_that_ultralytics_finds(
    tmp_path: Path, folders: list[str], as_list: bool, data: st.DataObject
) -> None:
    from ultralytics.data.utils import img2label_paths

    root = tmp_path / "export"
    shutil.rmtree(root, ignore_errors=True)
    for number, folder in enumerate(folders):
        for i in range(data.draw(st.integers(1, 3))):
            path = root / folder / f"{number}.{i}.jpg"
            save_picture(path, seed=10 * number + i)
            (label,) = img2label_paths([str(path)])
            Path(label).parent.mkdir(parents=True, exist_ok=True)
            Path(label).write_text(BOX)
    if as_list:
        lines = [f"./{path.relative_to(root)}" for path in sorted(root.rglob("*.jpg"))]
        (root / "train.txt").write_text("\n".join(lines))
    (root / "data.yaml").write_text(
        yaml.safe_dump({"train": "train.txt" if as_list else folders, "names": ["palm"]})
    )
    export = find_export(root)
    theirs = _ultralytics_images([str(root / "train.txt")] if as_list else [str(root / f) for f in folders])
    ours = {str(root / image.path): image.label for image in export.images["train"]}
    assert sorted(ours) == sorted(theirs)
    for path, label in ours.items():
        assert label is not None
        assert str(root / label) == img2label_paths([path])[0]
    assert not export.set_aside


# Converted for Ultralytics


def test_what_ultralytics_does_not_read_the_same_is_converted(tmp_path: Path) -> None:
    import pillow_heif
    from ultralytics.utils.patches import imread

    pillow_heif.register_heif_opener()
    root = write_export(tmp_path / "export")
    color = Image.new("RGB", (40, 30), (200, 120, 90))
    exif = Image.Exif()
    exif[0x0112] = 6
    folder = root / "train" / "images"
    for path in folder.iterdir():
        path.unlink()
    color.save(folder / "0.heic", "HEIF")
    color.save(folder / "1.gif")
    color.save(folder / "2.jfif", "JPEG")
    color.save(folder / "3.jpg", icc_profile=rgb_profile(DISPLAY_P3, 2.2), quality=95)
    Image.new("RGBA", (40, 30), (200, 120, 90, 0)).save(folder / "4.png")
    color.convert("CMYK").save(folder / "5.jpg", quality=95)
    boxes = read_export(root, max_set_aside=0)
    assert [image.plain for image in boxes.of("train")] == [False, False, True, False, False, False]
    write_box_set(boxes, tmp_path)
    assert read_box_set(tmp_path, boxes.root) == boxes
    data = lay_out_for_ultralytics(boxes, tmp_path / "set")
    images = sorted((data.parent / "train" / "images").iterdir())
    assert len(images) == 6
    for image, path in zip(boxes.of("train"), images, strict=True):
        loaded = imread(path)[:, :, ::-1]
        assert np.abs(loaded.astype(int) - read_photo(boxes.root / image.path)).max() <= 2, image.path
        assert path.is_symlink() == image.plain
        assert (path.parent.parent / "labels" / f"{path.stem}.txt").read_text().startswith("0 0.5")
