"""Images and labels of an export are those that Ultralytics itself finds."""

from __future__ import annotations

import shutil
import types
from pathlib import Path

import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from palm_assets.detector.export_files import find_export
from tests.detector.exports import BOX
from tests.helpers import save_picture


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
